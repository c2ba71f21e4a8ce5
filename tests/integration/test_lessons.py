"""What went wrong in public systems of this kind, tried on a running gateway. What other tests hold is not repeated."""

import base64
import http.client
import secrets
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.integration

JWT = f"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJnYXRld2F5In0.{'x' * 86}"


@pytest.mark.parametrize(
    "planted",
    [
        JWT,
        f"authorization: Bearer {secrets.token_urlsafe(40)}",
        "http://s3/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0a1b",
        f"GET /d/{secrets.token_urlsafe(200)} HTTP/1.1",
        f'{{"object_key":"{base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")}"}}',
        base64.b64encode(bytes(range(32))).decode(),
        "s.0123456789abcdefghijklmnop",
    ],
    ids=["jwt", "bearer", "presigned", "stream-link", "object-key", "data-key", "vault-token"],
)
def test_a_secret_in_a_log_would_be_seen(secrets_in, planted):
    assert secrets_in(f"before {planted} after".encode())


def test_digests_and_ids_are_no_secrets(secrets_in):
    assert not secrets_in(f'{{"prev":"{"ab" * 32}","uid":"{secrets.token_hex(16)}"}} sha256:{"0" * 64}'.encode())


def test_nothing_but_the_header_carries_a_token(api, token_for, shared, ada, name, folder):
    """A credential in a query, a form or a cookie is none: it would be in logs and histories."""
    ada.push(folder({"a": b"a"}), name)
    token = token_for(shared, "ada")
    stranger = api(None)
    for sent in (
        {"params": {"access_token": token}},
        {"params": {"X-Amz-Signature": "x", "X-Amz-Security-Token": token}},
        {"headers": {"cookie": f"authorization=Bearer {token}; access_token={token}"}},
        {"headers": {"x-auth-token": token, "x-amz-security-token": token, "x-forwarded-user": "ada"}},
    ):
        assert stranger.get(f"/v1/{name}", **sent).status_code == 401


@pytest.mark.parametrize(
    "header", ["x-forwarded-user", "x-remote-user", "x-gateway-principal", "x-gateway-groups", "x-amz-security-token"]
)
def test_a_header_gives_nobody_what_their_login_does_not(api, ada, name, folder, header):
    ada.push(folder({"a": b"a"}), name)
    ivan = api("ivan")
    assert ivan.get(f"/v1/{name}", headers={header: "ada"}).status_code == 403


def test_two_authorization_headers_are_refused(shared, token_for):
    parts = urlsplit(shared.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.putrequest("GET", "/v1/whoami")
    for who in ("ada", "ivan"):
        connection.putheader("authorization", f"Bearer {token_for(shared, who)}")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


def test_another_spelling_of_a_token_is_no_token(api, token_for, shared):
    """Padding, and bits that decoding drops: what is revoked under one spelling would live on under another."""
    token = token_for(shared, "ada")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    unused_bits = token[:-1] + alphabet[alphabet.index(token[-1]) + 1]
    for spelled in (token + "=", token + "==", unused_bits, f"{token}."):
        assert api(None).get("/v1/whoami", headers={"authorization": f"Bearer {spelled}"}).status_code == 401


@pytest.mark.parametrize("pattern", ["*", "%3F", "%2A", "d*", "${aws:username}"])
def test_a_wildcard_in_a_name_is_no_wildcard(api, pattern):
    """The pattern language is the policies' own: a caller's text is matched, and never matches."""
    answer = api("ada").get(f"/v1/dataset/vision/{pattern}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-name")


def test_a_wildcard_in_a_path_reads_no_other_file(ada, api, name, folder):
    ada.push(folder({"a.csv": b"a"}), name)
    answer = api("ada").post(f"/v1/{name}/versions/v1/links", json={"paths": ["*"]})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-path")


def test_there_are_no_metrics_for_strangers(web, shared):
    for path in ("/metrics", "/stats", "/debug", "/docs", "/redoc", "/admin", "/env", "/.env"):
        assert web.get(f"{shared.url}{path}").status_code == 404
    assert set(web.get(f"{shared.url}/healthz").json()) == {"status", "version"}
    assert set(web.get(f"{shared.url}/readyz").json().values()) == {"ok"}


def test_a_push_is_made_for_one_who_cannot_hand_it_on(ada, sdk, api, name, folder):
    """An id that is guessed, seen or handed on is worth nothing to others, and they learn not even that it is one."""
    push = api("ada").post(f"/v1/{name}/pushes", json={}).json()["push_id"]
    for who, status in (("ivan", 403), ("grace", 403), ("trainer", 403)):
        answer = api(who).post(f"/v1/{name}/pushes/{push}/objects", json={"sizes": [1]})
        assert answer.status_code == status
    assert api("ada").post(f"/v1/{name}/pushes/{'0' * 32}/objects", json={"sizes": [1]}).status_code == 404


def test_a_listing_that_ends_says_that_it_ends(ada, api, name, folder):
    ada.push(folder({f"{n:03}": b"" for n in range(25)}), name)
    seen, after, pages = [], "", 0
    while after is not None:
        page = api("ada").get(f"/v1/{name}/versions/v1/files", params={"limit": 5, "after": after}).json()
        seen += [file["path"] for file in page["files"]]
        after, pages = page["next"], pages + 1
    assert (len(seen), len(set(seen)), pages) == (25, 25, 5)
