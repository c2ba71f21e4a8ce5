"""Publishing and reading from end to end, refusals first: through the SDK and the command line, over HTTP."""

import base64
import hashlib
import json
import os
import resource
import threading
import tomllib

import httpx
import pytest

from gateway import errors
from gateway.envelope import encrypt_stream

pytestmark = pytest.mark.integration

FILES = {"train/a.csv": b"1,2\n" * 5000, "train/b.bin": bytes(range(256)) * 9000, "empty": b"", "é.txt": b"accent"}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def push_by_hand(api):
    """Opens a push and uploads contents as ciphertext, and leaves the commit to the test."""

    def upload(name, *bodies, who="ada", short_by=0):
        http = api(who)
        push = http.post(f"/v1/{name}/pushes", json={}).raise_for_status().json()
        path = f"/v1/{name}/pushes/{push['push_id']}"
        slots = http.post(f"{path}/objects", json={"sizes": [len(body) for body in bodies]}).raise_for_status().json()
        for body, slot in zip(bodies, slots["objects"], strict=True):
            ciphertext = seal(slot["object_key"], body)
            assert len(ciphertext) == slot["ciphertext_size"]
            link = slot["upload"]
            sent = ciphertext[: len(ciphertext) - short_by]
            headers = link["headers"] | {"content-length": str(len(sent))}
            answer = httpx.put(link["url"], content=sent, headers=headers, trust_env=False)
            assert answer.is_success is (short_by == 0), answer.text
        return http, path

    return upload


def seal(key, body):
    raw = base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
    return b"".join(encrypt_stream(raw, iter([body] if body else [])))


def line(path, body, number=0):
    return json.dumps({"path": path, "size": len(body), "sha256": sha256(body), "object": number})


def refusal(answer):
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    return answer.status_code, problem["code"]


BAD_PATHS = {
    "parent": "../etc/passwd",
    "parent-inside": "a/../b",
    "dot": "a/./b",
    "empty-segment": "a//b",
    "leading-slash": "/a",
    "trailing-slash": "a/",
    "newline": "a\nb",
    "nul": "a\0b",
    "bidi": "a\u202eb",
    "backslash": "a\\b",
    "not-nfc": "e\u0301",
    "1025-bytes": "a" * 1025,
    "1026-bytes-in-513-characters": "é" * 513,
}


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS)
def test_a_link_to_a_bad_path_is_refused_by_name(api, path):
    answer = api("ada").post("/v1/dataset/vision/digits/versions/v1/links", json={"paths": [path]})
    assert refusal(answer) == (400, "invalid-path")


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS)
def test_a_commit_of_a_bad_path_is_refused_by_name_and_publishes_nothing(push_by_hand, ada, name, path):
    http, push = push_by_hand(name, b"body")
    answer = http.post(f"{push}/commit", content=line(path, b"body"))
    assert refusal(answer) == (400, "invalid-path")
    assert ada.describe(name).versions == ()


def test_a_path_of_1024_bytes_is_published_and_read(push_by_hand, ada, name):
    path = "/".join(["d" * 204] * 5)
    assert len(path) == 1024
    http, push = push_by_hand(name, b"body")
    http.post(f"{push}/commit", content=line(path, b"body")).raise_for_status()
    assert b"".join(ada.read(f"{name}@v1/{path}")) == b"body"


@pytest.mark.parametrize(
    ("reference", "error", "word"),
    [
        ("{name}-none", errors.UnknownResource, "-none"),
        ("{name}@v9", errors.UnknownVersion, "v9"),
        ("{name}@prod", errors.UnknownTag, "prod"),
        (f"{{name}}@sha256:{'0' * 64}", errors.UnknownVersion, "sha256:0000"),
        ("{name}@v1/train/none.csv", errors.UnknownPath, "train/none.csv"),
        ("{name}@v1/train", errors.UnknownPath, "train"),
    ],
)
def test_what_does_not_exist_is_named(ada, name, folder, reference, error, word):
    ada.push(folder(FILES), name)
    with pytest.raises(error) as caught:
        b"".join(ada.read(reference.format(name=name) if "/train" in reference else f"{reference.format(name=name)}/a"))
    assert word in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (["ls", "{name}-none"], "unknown-resource", 41),
        (["pull", "{name}@v9"], "unknown-version", 42),
        (["cat", "{name}@prod/a"], "unknown-tag", 43),
        (["link", "{name}/none"], "unknown-path", 44),
        (["pull", "{name}/none"], "unknown-path", 44),
        (["cat", "{name}/../a"], "invalid-path", 12),
        (["cat", "{name}/a//b"], "invalid-path", 12),
        (["ls", "dataset/VISION/x"], "invalid-name", 11),
        (["push", "none.csv", "{name}"], "local-file-error", 81),
    ],
)
def test_each_mistake_on_the_command_line_has_a_code_of_its_own(cli, ada, name, folder, words, code, exit_code):
    ada.push(folder({"a": b"a"}), name)
    done = cli("ada", *(word.format(name=name) for word in words), "--json")
    problem = json.loads(done.stderr.splitlines()[-1])
    assert (done.returncode, problem["code"], done.stdout) == (exit_code, code, b"")
    assert problem["hint"]


def test_somebody_without_a_policy_learns_not_even_what_exists(sdk, name, folder):
    sdk("ada").push(folder({"a": b"a"}), name)
    said = []
    for wanted in (name, f"{name}-none"):
        with pytest.raises(errors.AccessDenied) as caught:
            list(sdk("ivan").files(wanted))
        said.append(caught.value.message.replace(wanted, "NAME"))
    assert said[0] == said[1]
    assert name not in {str(found.name) for found in sdk("ivan").resources(namespace="vision")}


def test_a_job_publishes_no_dataset_and_an_auditor_reads_none(sdk, name, folder):
    sdk("ada").push(folder({"a": b"a"}), name)
    with pytest.raises(errors.AccessDenied, match=r"trainer may not .*PublishVersion"):
        sdk("trainer").push(folder({"b": b"b"}), name)
    with pytest.raises(errors.AccessDenied, match=r"otto may not .*ListFiles"):
        list(sdk("otto").files(name))


def test_the_same_content_is_published_once(ada, name, folder):
    ada.push(folder(FILES), name)
    with pytest.raises(errors.VersionExists, match="v1"):
        ada.push(folder(FILES), name)
    assert [version.number for version in ada.describe(name).versions] == [1]


def test_a_commit_that_is_repeated_answers_the_same_version(push_by_hand, ada, name):
    http, push = push_by_hand(name, b"body")
    answers = [http.post(f"{push}/commit", content=line("a", b"body")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(ada.describe(name).versions) == 1


def test_a_push_that_is_over_takes_nothing_more(push_by_hand, name):
    http, push = push_by_hand(name, b"body")
    http.post(f"{push}/commit", content=line("a", b"body")).raise_for_status()
    assert refusal(http.post(f"{push}/objects", json={"sizes": [1]})) == (409, "push-closed")
    assert refusal(http.delete(push)) == (409, "push-closed")


def test_what_is_published_is_not_overwritten_by_the_link_that_uploaded_it(api, ada, name):
    http = api("ada")
    push_id = http.post(f"/v1/{name}/pushes", json={}).json()["push_id"]
    push = f"/v1/{name}/pushes/{push_id}"
    (slot,) = http.post(f"{push}/objects", json={"sizes": [4]}).json()["objects"]
    link = slot["upload"]
    statuses = []
    for body in (b"body", b"evil"):
        sealed = seal(slot["object_key"], body)
        answer = httpx.put(link["url"], content=sealed, headers=link["headers"], trust_env=False)
        statuses.append(answer.status_code)
        http.post(f"{push}/commit", content=line("a", b"body")).raise_for_status()
    assert statuses == [200, 412]
    assert b"".join(ada.read(f"{name}/a")) == b"body"


def test_an_aborted_push_is_not_committed(push_by_hand, ada, name):
    http, push = push_by_hand(name, b"body")
    assert http.delete(push).status_code == 204
    assert refusal(http.post(f"{push}/commit", content=line("a", b"body"))) == (409, "push-closed")
    assert ada.describe(name).versions == ()


def test_nobody_else_may_use_a_push(push_by_hand, api):
    # Both may publish models, so it is not the policy that keeps them apart.
    name = "model/vision/two-publishers"
    _, push = push_by_hand(name, b"body")
    other = api("trainer")
    for answer in (
        other.post(f"{push}/objects", json={"sizes": [1]}),
        other.post(f"{push}/commit", content=line("a", b"body")),
        other.delete(push),
        other.post(f"{push}/objects/0/parts", json={"size": 1, "parts": [1]}),
        other.post(f"{push}/objects/0/complete", json={"etags": ["x"]}),
    ):
        assert refusal(answer) == (404, "unknown-push")


def test_a_push_is_of_one_resource(push_by_hand, name):
    http, push = push_by_hand(name, b"body")
    push_by_hand(f"{name}-other", b"body")
    moved = push.replace(name, f"{name}-other")
    assert refusal(http.post(f"{moved}/commit", content=line("a", b"body"))) == (404, "unknown-push")


def test_a_truncated_upload_is_refused_by_s3_and_named_by_the_commit(push_by_hand, ada, name):
    http, push = push_by_hand(name, b"body", short_by=1)
    answer = http.post(f"{push}/commit", content=line("a.csv", b"body"))
    assert refusal(answer) == (409, "incomplete-upload")
    assert "'a.csv'" in answer.json()["detail"]
    assert ada.describe(name).versions == ()


def test_a_commit_of_another_size_than_was_uploaded_is_refused(push_by_hand, ada, name):
    http, push = push_by_hand(name, b"body")
    answer = http.post(f"{push}/commit", content=line("a.csv", b"longer body"))
    assert refusal(answer) == (409, "incomplete-upload")
    assert ada.describe(name).versions == ()


def test_a_commit_of_an_object_that_was_never_reserved_is_refused(push_by_hand, name):
    http, push = push_by_hand(name, b"body")
    for number, wanted in ((1, (409, "incomplete-upload")), (10**30, (400, "invalid-input"))):
        assert refusal(http.post(f"{push}/commit", content=line("a.csv", b"body", number))) == wanted


@pytest.mark.parametrize(
    "body",
    [b"", b"\n", b"not json\n", b'{"path": "a"}\n', b"[" * 20_000, b"\xff\n", b'{"path":"\\ud800"}\n', b"{}" * 9000],
    ids=["nothing", "empty line", "no json", "missing fields", "deep", "no utf-8", "surrogate", "long line"],
)
def test_a_commit_that_is_no_list_of_files_is_refused(push_by_hand, ada, name, body):
    http, push = push_by_hand(name, b"body")
    status, code = refusal(http.post(f"{push}/commit", content=body))
    assert (status, code) in {(400, "invalid-input"), (400, "invalid-path")}
    assert ada.describe(name).versions == ()


def test_one_path_twice_in_a_commit_is_refused(push_by_hand, name):
    http, push = push_by_hand(name, b"body", b"other")
    body = line("a", b"body", 0) + "\n" + line("a", b"other", 1)
    assert refusal(http.post(f"{push}/commit", content=body)) == (400, "invalid-path")


def test_a_file_kept_from_a_version_that_is_not_there_is_refused(push_by_hand, name):
    http, push = push_by_hand(name, b"body")
    for version, wanted in ((1, (404, "unknown-version")), (10**30, (400, "invalid-input"))):
        kept = json.dumps({"path": "a", "from": {"version": version, "path": "a"}})
        assert refusal(http.post(f"{push}/commit", content=kept)) == wanted


def test_a_wrong_checksum_is_published_to_nobody_unseen(push_by_hand, ada, name, tmp_path):
    http, push = push_by_hand(name, b"body")
    wrong = json.dumps({"path": "a", "size": 4, "sha256": "0" * 64, "object": 0})
    http.post(f"{push}/commit", content=wrong).raise_for_status()
    with pytest.raises(errors.ContentMismatch):
        ada.pull(f"{name}@v1", tmp_path / "out")
    assert not (tmp_path / "out" / "a").exists()


def test_what_is_pushed_is_pulled_and_nothing_else(ada, name, folder, tmp_path):
    report = ada.push(folder(FILES), name, message="first")
    assert (report.version.number, report.uploaded, report.kept) == (1, 4, 0)
    pulled = ada.pull(f"{name}@v1", tmp_path / "out")
    assert (pulled.pulled, pulled.kept) == (4, 0)
    assert contents(tmp_path / "out") == FILES
    assert ada.pull(name, tmp_path / "out").kept == 4


def test_the_bucket_holds_ciphertext_alone(ada, name, folder, shared, s3):
    ada.push(folder({"secret-name.csv": b"a known plaintext, said " * 100}), name)
    bucket = tomllib.loads((shared.folder / "gateway.toml").read_text())["storage"]["bucket"]
    for item in s3.list_objects_v2(Bucket=bucket)["Contents"]:
        body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
        assert b"known plaintext" not in body
        assert b"secret-name" not in body + item["Key"].encode()


def test_a_second_version_sends_what_is_new_and_the_first_stays(ada, name, folder, tmp_path):
    ada.push(folder(FILES), name)
    more = FILES | {"train/a.csv": b"changed", "new": b"new"}
    report = ada.push(folder(more), name)
    assert (report.version.number, report.uploaded, report.kept) == (2, 2, 3)
    for version, wanted in (("v1", FILES), ("v2", more), ("latest", more)):
        ada.pull(f"{name}@{version}", tmp_path / version)
        assert contents(tmp_path / version) == wanted


def test_listing_goes_in_order_and_by_prefix(ada, name, folder):
    ada.push(folder(FILES), name)
    assert [file.path for file in ada.files(name)] == sorted(FILES, key=str.encode)
    assert [(file.path, file.size) for file in ada.files(f"{name}@v1/train")] == [
        ("train/a.csv", 20_000),
        ("train/b.bin", 256 * 9000),
    ]


def test_many_files_are_listed_and_pulled_over_several_pages(ada, name, folder, tmp_path):
    many = {f"f{number:05}": str(number).encode() for number in range(2_300)}
    ada.push(folder(many), name)
    assert sum(1 for _ in ada.files(name)) == len(many)
    page = {f"f0{number:04}": str(number).encode() for number in range(1_000, 1_100)}
    ada.push(folder(page), f"{name}-part")
    ada.pull(f"{name}-part", tmp_path / "out")
    assert contents(tmp_path / "out") == page


def test_a_range_is_read_without_the_rest(ada, name, folder):
    body = os.urandom(3 << 20)
    ada.push(folder({"big": body}), name)
    with ada.open(f"{name}@v1/big") as file:
        file.seek((1 << 20) - 50)
        assert file.read(100) == body[(1 << 20) - 50 : (1 << 20) + 50]
        file.seek(-7, 2)
        assert file.read() == body[-7:]


def test_a_tag_is_moved_by_a_steward_alone(sdk, ada, name, folder, api):
    ada.push(folder({"a": b"1"}), name)
    ada.push(folder({"a": b"2"}), name)
    with pytest.raises(errors.AccessDenied):
        ada.tag(f"{name}@v1", "prod")
    assert sdk("grace").tag(f"{name}@v1", "prod") == 1
    assert b"".join(ada.read(f"{name}@prod/a")) == b"1"
    grace = api("grace")
    assert refusal(grace.put(f"/v1/{name}/tags/prod", json={"version": "v9"})) == (404, "unknown-version")
    assert refusal(grace.put(f"/v1/{name}/tags/v7", json={"version": "v1"})) == (400, "invalid-name")
    assert ada.describe(name).tags == {"latest": 2, "prod": 1}


def test_a_push_moves_no_tag_that_its_author_may_not_move(ada, name, folder):
    with pytest.raises(errors.AccessDenied, match="MoveTag"):
        ada.push(folder({"a": b"1"}), name, tags=["prod"])
    ada.push(folder({"a": b"1"}), name)
    assert ada.describe(name).tags == {"latest": 1}


def test_a_push_moves_the_tags_that_its_author_may_move(ada, name, folder):
    own = f"dataset/home-ada/{name.rpartition('/')[2]}"
    ada.push(folder({"a": b"1"}), own, tags=["prod"])
    assert ada.describe(own).tags == {"latest": 1, "prod": 1}


def test_rotation_is_a_stewards_and_all_files_stay_readable(sdk, ada, name, folder, tmp_path):
    ada.push(folder({"a": b"before"}), name)
    with pytest.raises(errors.AccessDenied):
        ada.rotate_keys(name)
    rotation = sdk("grace").rotate_keys(name)
    assert (rotation.kek_version, rotation.rewrapped) == (2, 1)
    ada.push(folder({"a": b"before", "b": b"after"}), name)
    ada.pull(name, tmp_path / "out")
    assert contents(tmp_path / "out") == {"a": b"before", "b": b"after"}
    with pytest.raises(errors.UnknownResource):
        sdk("grace").rotate_keys(f"{name}-none")


def test_two_pushes_at_once_both_become_versions(sdk, name, folder):
    people = [sdk("ada"), sdk("ada")]
    people[0].push(folder({"a": b"0"}), name)
    sources = [folder({"a": b"one"}), folder({"a": b"two"})]
    threads = [
        threading.Thread(target=person.push, args=(source, name))
        for person, source in zip(people, sources, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {b"".join(people[0].read(f"{name}@v{number}/a")) for number in (2, 3)}
    assert found == {b"one", b"two"}


def test_the_command_line_publishes_lists_and_reads(cli, name, folder, tmp_path):
    done = cli("ada", "push", folder(FILES), name, "-m", "first", "--json")
    assert json.loads(done.stdout)["version"]["number"] == 1
    listed = [json.loads(text)["path"] for text in cli("ada", "ls", name, "--json").stdout.splitlines()]
    assert listed == sorted(FILES, key=str.encode)
    assert cli("ada", "pull", name, tmp_path / "out").returncode == 0
    assert contents(tmp_path / "out") == FILES
    assert cli("ada", "cat", f"{name}/train/a.csv", "--range", "0-3").stdout == b"1,2\n"
    assert cli("ada", "cat", f"{name}/empty").stdout == b""
    url = cli("ada", "link", f"{name}/é.txt", "--ttl", "60").stdout.decode().strip()
    assert httpx.get(url, trust_env=False).content == b"accent"
    assert cli("grace", "tag", f"{name}@v1", "prod").returncode == 0
    assert json.loads(cli("grace", "keys", "rotate", name, "--json").stdout)["kek_version"] == 2


def test_a_full_disk_is_said_by_the_client_and_leaves_no_half_file(cli, ada, name, folder, tmp_path):
    ada.push(folder({"small": b"s", "zbig": os.urandom(2 << 20)}), name)

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))

    done = cli("ada", "pull", name, tmp_path / "out", "--json", preexec_fn=little_room)
    problem = json.loads(done.stderr.splitlines()[-1])
    assert problem["code"] in {"disk-full", "local-file-error"}
    assert done.returncode in {81, 82}
    assert "zbig" in problem["detail"]
    assert set(contents(tmp_path / "out")) <= {"small"}
