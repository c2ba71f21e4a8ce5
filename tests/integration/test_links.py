"""Links of running gateways: narrowed, leased, revoked on every instance, by the command line as a person types it."""

import json
import time

import httpx
import pytest

from gateway.cli import main
from gateway.client import LinkLimits
from gateway.model import RevocationKind

pytestmark = pytest.mark.integration

CONTENT = bytes(range(256)) * 5000


@pytest.fixture
def publish(sdk, tmp_path):
    def make(name, served=None):
        folder = tmp_path / name.replace("/", "-")
        folder.mkdir()
        (folder / "a.csv").write_bytes(CONTENT)
        sdk("ada", served).push(folder, name)
        return name

    return make


@pytest.fixture
def types(shared, token_for, monkeypatch, capsys):
    """Types a command as somebody, and returns its exit code and what it wrote."""

    def run(who, *words):
        monkeypatch.setenv("GATEWAY_URL", shared.url)
        monkeypatch.setenv("GATEWAY_TOKEN", token_for(shared, who))
        code = main(list(words))
        written = capsys.readouterr()
        return code, written.out.strip() or written.err.strip()

    return run


def status(url, **headers):
    return httpx.get(url, headers=headers, trust_env=False).status_code


def test_a_link_is_refused_for_other_bytes_another_network_and_once_too_often(types, publish):
    name = publish("dataset/vision/narrowed")
    code, url = types(
        "ada", "link", f"{name}@v1/a.csv", "--range", "100-199", "--uses", "2", "--network", "127.0.0.0/8"
    )
    assert code == 0, url
    assert status(url) == 403
    assert httpx.get(url, headers={"range": "bytes=100-109"}, trust_env=False).content == CONTENT[100:110]
    assert [status(url, range="bytes=150-199") for _ in range(3)] == [206, 403, 403]
    code, elsewhere = types("ada", "link", f"{name}@v1/a.csv", "--network", "10.0.0.0/8")
    assert (code, status(elsewhere)) == (0, 403)


@pytest.mark.parametrize("options", [["--range", "5-"], ["--range", "5-4"], ["--network", "x"]])
def test_a_limit_that_means_nothing_is_refused(types, publish, options):
    assert types("ada", "link", "dataset/vision/none@v1/a.csv", *options)[0] == 10


def test_a_direct_link_cannot_be_limited(types, publish):
    name = publish("dataset/vision/direct-limited")
    assert types("ada", "link", f"{name}@v1/a.csv", "--mode", "direct", "--uses", "1")[0] == 10


def test_a_job_takes_a_lease_pulls_under_it_and_ends_it(types, publish, tmp_path, sdk):
    name = publish("dataset/vision/leased")
    code, lease = types("trainer", "lease", "create", name, "--purpose", "run-4711", "--for", "3d")
    assert code == 0, lease
    assert types("trainer", "pull", f"{name}@v1", str(tmp_path / "pulled"), "--lease", lease)[0] == 0
    assert (tmp_path / "pulled" / "a.csv").read_bytes() == CONTENT
    listed = types("trainer", "lease", "ls")[1]
    assert (lease in listed, "run-4711" in listed) == (True, True)
    assert json.loads(types("trainer", "lease", "ls", "--json")[1].splitlines()[0])["resources"] == [name]
    assert lease not in types("ivan", "lease", "ls")[1]
    assert types("ivan", "lease", "revoke", lease)[0] == 30
    url = types("trainer", "link", f"{name}@v1/a.csv", "--lease", lease)[1]
    assert status(url) == 200
    assert types("trainer", "lease", "revoke", lease)[0] == 0
    assert status(url) == 403
    assert types("trainer", "cat", f"{name}@v1/a.csv", "--lease", lease)[0] == 33
    assert types("trainer", "lease", "revoke", "0" * 32)[0] == 30
    assert types("grace", "lease", "revoke", "0" * 32)[0] == 46


@pytest.mark.parametrize("length", ["3", "0d", "-1d", "1y", "999999999d"])
def test_a_lease_of_no_length_is_refused(types, length):
    words = ("lease", "create", "dataset/vision/leased", "--purpose", "run-1", "--for", length)
    assert types("trainer", *words)[0] in {2, 10}


def test_a_steward_revokes_and_others_may_not(types, publish):
    name = publish("dataset/vision/revoked")
    url = types("ada", "link", f"{name}@v1/a.csv")[1]
    assert types("ada", "revoke", "resource", name)[0] == 30
    assert types("grace", "revoke", "resource", "dataset/vision")[0] == 11
    assert types("grace", "revoke", "resource", name, "--freeze", "1h")[0] == 0
    assert status(url) == 403
    assert types("ada", "link", f"{name}@v1/a.csv")[0] == 33


def test_what_one_gateway_revokes_another_refuses_within_five_seconds(start_gateway, sdk, publish, token_for):
    one = start_gateway()
    two = start_gateway({"state": {"url": f"sqlite:///{one.folder / 'gateway.db'}"}})
    name = publish("dataset/vision/everywhere", one)
    ada, grace = sdk("ada", two), sdk("grace", one)
    lease = sdk("trainer", two).leases.create([name], purpose="run-1", ttl_seconds=3600)
    leased = httpx.post(
        f"{two.url}/v1/{name}/versions/v1/links",
        json={"paths": ["a.csv"], "mode": "stream", "lease": lease.id},
        headers={"authorization": f"Bearer {token_for(two, 'trainer')}"},
        trust_env=False,
    )
    links = [leased.json()["links"][0]["url"]]
    links += [ada.link(f"{name}@v1/a.csv", limits=LinkLimits(uses=1000)).url for _ in range(2)]
    assert [status(url) for url in links] == [200, 200, 200]
    grace.revoke(RevocationKind.LINK, told_link(two))
    grace.revoke(RevocationKind.LEASE, lease.id)
    revoked_at = time.monotonic()
    while [status(url) for url in links] != [403, 200, 403]:
        assert time.monotonic() - revoked_at < 5
        time.sleep(0.1)
    grace.revoke(RevocationKind.PRINCIPAL, "people/ada")
    revoked_at = time.monotonic()
    while status(links[1]) != 403:
        assert time.monotonic() - revoked_at < 5
        time.sleep(0.1)


def told_link(served):
    """The id of the last stream link in the journal."""
    facts = [record.read_event().get("api", {}).get("response", {}).get("data", {}) for record in served.records()]
    return [fact["link"] for fact in facts if "link" in fact][-1]
