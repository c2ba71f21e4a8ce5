"""`gateway log`, `diff`, `rm`, `gc` and `fsck` as people use them, on the real parts."""

import json

import pytest

from gateway.client import Provenance
from gateway.client.deep import check_deep
from gateway.client.executors import executor
from gateway.client.reference import Reference
from gateway.errors import AccessDenied, Conflict, UnknownVersion

pytestmark = pytest.mark.integration
FILES = {f"train/{number:02}.csv": bytes([number]) * (number * 100) for number in range(30)}


@pytest.fixture
def published(ada, sdk, name, folder):
    """Two versions: the second has one file more, one less and one that is another."""
    ada.push(folder(FILES), name)
    changed = {path: content for path, content in FILES.items() if path != "train/07.csv"}
    ada.push(folder(changed | {"train/03.csv": b"other", "new.csv": b"new"}), name)
    sdk("grace").tag(f"{name}@v2", "prod")
    return name


def run(cli, who, *words, code=0):
    done = cli(who, *words)
    assert done.returncode == code, done.stderr.decode()
    return done.stdout.decode()


def test_who_may_not_remove_collect_or_check_does_not(sdk, published):
    ivan = sdk("ivan")
    for refused in (
        lambda: ivan.history.remove(f"{published}@v1"),
        lambda: ivan.history.collect(published),
        lambda: ivan.history.check(published),
        lambda: ivan.history.log(published),
        lambda: list(ivan.history.diff(f"{published}@v1")),
    ):
        with pytest.raises(AccessDenied):
            refused()


def test_a_file_or_no_version_cannot_be_removed(cli, published):
    run(cli, "grace", "rm", published, code=10)
    run(cli, "grace", "rm", f"{published}@v1/train/01.csv", code=10)
    run(cli, "ada", "diff", f"{published}@v1", "v2", code=10)


def test_what_changed_is_listed(cli, published):
    lines = run(cli, "ada", "diff", f"{published}@v1", "@prod").splitlines()
    assert lines == ["+\t-\t3\tnew.csv", "~\t300\t5\ttrain/03.csv", "-\t700\t-\ttrain/07.csv"]
    assert run(cli, "ada", "diff", f"{published}@v2") == ""


def test_lineage_is_pushed_and_shown_both_ways(cli, ada, name, published, folder):
    weights = folder({"weights": b"0"})
    model = published.replace("dataset/", "model/")
    run(cli, "ada", "push", weights, model, "--from", f"{published}@prod", "--commit", "4f2a", "--run", "run-7")
    ada.push(folder({"weights": b"1"}), model, provenance=Provenance(made_from=[f"{model}@v1", published]))
    shown = run(cli, "ada", "log", f"{model}@v1")
    assert f"    from    {published}@v2\n" in shown
    assert "    commit  4f2a\n" in shown
    assert f"    into    {model}@v2\n" in shown
    logged = [json.loads(line) for line in run(cli, "ada", "log", published, "--json").splitlines()]
    assert [len(one["outputs"]) for one in logged] == [2, 0]


def test_a_version_is_removed_and_its_data_goes_and_the_other_stays_whole(cli, ada, sdk, published, s3, shared):
    grace = sdk("grace")
    with pytest.raises(Conflict, match="'prod'"):
        grace.history.remove(f"{published}@v2")
    run(cli, "grace", "rm", f"{published}@v1")
    with pytest.raises(UnknownVersion):
        ada.snapshot(f"{published}@v1").version  # noqa: B018 -- it asks
    assert "0 objects" in run(cli, "grace", "gc", published)
    assert "2 objects and 1 packs of pages would be deleted" in run(
        cli, "grace", "gc", published, "--grace", "0", "--dry-run"
    )
    done = json.loads(run(cli, "grace", "gc", published, "--grace", "0", "--json"))
    assert (done["objects"], done["dry_run"]) == (2, False)
    assert "is whole: 30 files" in run(cli, "grace", "fsck", published)
    assert b"".join(ada.read(f"{published}/train/09.csv")) == FILES["train/09.csv"]


def test_a_deep_check_finds_what_has_the_right_size_and_another_content(ada, published, s3, shared):
    with executor(processes=1) as pool:
        assert list(check_deep(ada, Reference.parse(published), pool)) == []
        link = ada.links(published, ["train/09.csv"])[0]
        bucket, _, key = link.url.partition("?")[0].partition("//")[2].partition("/")[2].partition("/")
        body = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        body[-1] ^= 1
        s3.put_object(Bucket=bucket, Key=key, Body=bytes(body))
        [fault] = check_deep(ada, Reference.parse(published), pool)
    assert fault.path == "train/09.csv"
    assert fault.problem
