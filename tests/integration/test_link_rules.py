"""Links on a running gateway, refusals first: what they open, for how long, and HTTP's own rules on both kinds."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.client import Gateway, StaticToken
from gateway.envelope import decrypt_stream
from gateway.model import LinkMode

pytestmark = pytest.mark.integration

BODY = bytes(range(256)) * 8192
MODES = pytest.mark.parametrize("mode", list(LinkMode))


@pytest.fixture(scope="module")
def published(shared, token_for, tmp_path_factory):
    """A dataset that these tests only read."""
    folder = tmp_path_factory.mktemp("links")
    (folder / "data.bin").write_bytes(BODY)
    (folder / "empty").write_bytes(b"")
    with Gateway(shared.url, token_source=StaticToken(token_for(shared, "ada"))) as ada:
        return ada.push(folder, f"dataset/vision/links-{time.time_ns()}").version.resource


@pytest.fixture
def link(ada, published):
    def make(path="data.bin", **options):
        return ada.link(f"{published}@v1/{path}", **options)

    return make


def altered(url):
    return url[:-1] + ("0" if url[-1] != "0" else "1") if "X-Amz" in url else url[:-4] + ("A" * 4)


@pytest.mark.parametrize("ttl", [0, -1, 3601, 10**30, "soon", 1.5])
def test_a_lifetime_out_of_bounds_is_refused(api, published, ttl):
    body = {"paths": ["data.bin"], "ttl_seconds": ttl}
    answer = api("ada").post(f"/v1/{published}/versions/v1/links", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-input")
    assert "ttl_seconds" in answer.json()["detail"]


def test_one_refused_path_refuses_all(api, published):
    body = {"paths": ["data.bin", "none"]}
    answer = api("ada").post(f"/v1/{published}/versions/v1/links", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-path")
    assert "'none'" in answer.json()["detail"]


@MODES
def test_an_altered_link_is_refused(link, web, mode):
    assert web.get(altered(link(mode=mode).url)).status_code == 403


@MODES
def test_a_link_is_good_for_no_other_method(link, web, mode):
    for method in ("PUT", "DELETE", "POST"):
        assert web.request(method, link(mode=mode).url).status_code in {403, 405}


@MODES
def test_an_expired_link_is_refused(link, web, mode):
    made = link(mode=mode, ttl_seconds=1)
    time.sleep(2.1)
    assert web.get(made.url).status_code == (410 if mode is LinkMode.STREAM else 403)


@MODES
@pytest.mark.parametrize("ttl", [1, 60, 3000])
def test_a_link_lives_as_long_as_was_asked(link, mode, ttl):
    left = link(mode=mode, ttl_seconds=ttl).expires_at - datetime.now(UTC)
    assert timedelta(seconds=ttl - 3) < left <= timedelta(seconds=ttl)


@MODES
def test_a_link_of_an_hour_ends_with_the_login_that_made_it(link, ada, mode):
    ends = ada.whoami().expires_at
    assert ends - timedelta(seconds=3) < link(mode=mode, ttl_seconds=3600).expires_at
    assert link(mode=mode, ttl_seconds=3600).expires_at <= ends


@MODES
def test_a_link_lives_for_five_minutes_where_nothing_was_asked(api, published, mode):
    body = {"paths": ["data.bin"], "mode": mode}
    answer = api("ada").post(f"/v1/{published}/versions/v1/links", json=body).json()
    left = datetime.fromisoformat(answer["links"][0]["expires_at"]) - datetime.now(UTC)
    assert timedelta(seconds=297) < left <= timedelta(minutes=5)


def test_a_direct_link_gives_ciphertext_that_its_key_opens(link, web):
    made = link(mode=LinkMode.DIRECT)
    ciphertext = web.get(made.url).content
    assert len(ciphertext) == made.ciphertext_size
    assert BODY[:64] not in ciphertext
    opened = decrypt_stream(made.object_key, iter([ciphertext]), key_check=made.key_check, plaintext_size=len(BODY))
    assert b"".join(opened) == BODY


def test_a_stream_link_gives_the_file_and_no_key(link, web):
    made = link()
    answer = web.get(made.url)
    assert (answer.content, made.object_key) == (BODY, None)
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["content-disposition"].startswith("attachment")


@MODES
def test_head_says_the_size_on_both_kinds(link, web, mode):
    made = link(mode=mode)
    answer = web.head(made.head_url)
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == (len(BODY) if mode is LinkMode.STREAM else made.ciphertext_size)
    assert answer.headers["accept-ranges"] == "bytes"


@MODES
def test_an_empty_file_has_links_too(link, web, mode):
    made = link("empty", mode=mode)
    content = web.get(made.url).content
    if mode is LinkMode.DIRECT:
        content = b"".join(decrypt_stream(made.object_key, iter([content]), key_check=made.key_check, plaintext_size=0))
    assert content == b""


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=1048570-1048600", 1048570, 1048601),
        ("bytes=-5", len(BODY) - 5, len(BODY)),
        ("bytes=2097000-", 2097000, len(BODY)),
        ("bytes=0-99999999", 0, len(BODY)),
    ],
)
def test_a_range_of_a_stream_link_is_those_bytes(link, web, wanted, start, end):
    answer = web.get(link().url, headers={"range": wanted})
    assert (answer.status_code, answer.content) == (206, BODY[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(BODY)}"


def test_a_range_of_a_direct_link_is_ciphertext_of_that_range(link, web):
    made = link(mode=LinkMode.DIRECT)
    whole = web.get(made.url).content
    answer = web.get(made.url, headers={"range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, whole[10:20])
    beyond = web.get(made.url, headers={"range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416


def test_a_range_beyond_the_end_of_a_stream_link_is_refused_with_the_size(link, web):
    answer = web.get(link().url, headers={"range": f"bytes={len(BODY)}-"})
    assert (answer.status_code, answer.json()["code"]) == (416, "range-not-satisfiable")
    assert answer.headers["content-range"] == f"bytes */{len(BODY)}"


def test_a_stream_link_honours_conditions(link, web):
    url = link().url
    etag = web.head(url).headers["etag"]
    unchanged = web.get(url, headers={"if-none-match": etag})
    assert (unchanged.status_code, unchanged.content, unchanged.headers["etag"]) == (304, b"", etag)
    assert web.get(url, headers={"if-match": '"other"'}).status_code == 412
    assert web.get(url, headers={"if-match": etag}).status_code == 200
    assert web.get(url, headers={"if-range": etag, "range": "bytes=0-3"}).status_code == 206
    assert web.get(url, headers={"if-range": '"other"', "range": "bytes=0-3"}).status_code == 200


def test_a_link_stays_on_its_version_when_the_tag_moves(ada, web, name, folder):
    ada.push(folder({"a": b"one"}), name)
    made = ada.link(f"{name}@latest/a")
    ada.push(folder({"a": b"two"}), name)
    assert web.get(made.url).content == b"one"
