import base64
import hashlib
import json

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from joserfc import jws
from joserfc.jwk import ECKey

from gateway.client.dpop import ProofAuth, ProofKey

URL = "https://gateway.example.org/v1/whoami"


@pytest.fixture
def key():
    return ProofKey.generate()


def read(proof):
    """Verify a proof with joserfc, by the key that it names, and return header and claims."""
    header = json.loads(base64.urlsafe_b64decode(proof.split(".")[0] + "=="))
    verified = jws.deserialize_compact(proof, ECKey.import_key(header["jwk"]), algorithms=["ES256"])
    return header, json.loads(verified.payload)


def pem(private):
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.mark.parametrize(
    "text",
    ["", "secret", pem(ed25519.Ed25519PrivateKey.generate()), pem(ec.generate_private_key(ec.SECP384R1()))],
    ids=["empty", "no-pem", "ed25519", "p-384"],
)
def test_a_text_that_is_no_key_of_ours_is_refused(text):
    with pytest.raises(ValueError, match=r".") as caught:
        ProofKey.load(text)
    assert "secret" not in str(caught.value)


def test_a_proof_never_holds_the_private_key(key):
    header, _ = read(key.proof("GET", URL))
    assert set(header["jwk"]) == {"kty", "crv", "x", "y"}
    assert "PRIVATE" not in repr(key)


def test_each_proof_is_for_one_request_and_used_once(key, clock):
    proofs = [read(key.proof("GET", f"{URL}?secret=1#f", token="t"))[1] for _ in range(2)]
    assert proofs[0]["jti"] != proofs[1]["jti"]
    assert (proofs[0]["htm"], proofs[0]["htu"]) == ("GET", URL)


def test_a_proof_is_for_one_token(key):
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"t").digest()).decode().rstrip("=")
    assert read(key.proof("GET", URL, token="t"))[1]["ath"] == digest
    assert "ath" not in read(key.proof("GET", URL))[1]


def test_a_proof_is_typed_and_dated_by_the_clock(clock):
    key = ProofKey(ec.generate_private_key(ec.SECP256R1()), clock=clock)
    header, claims = read(key.proof("POST", URL))
    assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
    assert claims["iat"] == int(clock().timestamp())


def test_a_key_survives_being_kept(key):
    again = ProofKey.load(key.dump())
    assert again.thumbprint == key.thumbprint
    header, _ = read(again.proof("GET", URL))
    assert ECKey.import_key(header["jwk"]).thumbprint() == key.thumbprint


def answer(status, nonce=None, url=URL):
    headers = {} if nonce is None else {"dpop-nonce": nonce}
    return httpx.Response(status, headers=headers, request=httpx.Request("GET", url))


@pytest.mark.parametrize(("status", "again"), [(400, True), (401, True), (200, False), (403, False)])
def test_a_new_nonce_is_kept_and_a_refusal_with_one_is_worth_another_try(key, status, again):
    assert key.heard(answer(status, "n-1")) is again
    assert read(key.proof("GET", URL))[1]["nonce"] == "n-1"


def test_a_refusal_with_the_nonce_that_was_sent_is_final(key):
    key.heard(answer(401, "n-1"))
    assert not key.heard(answer(401, "n-1"))


@pytest.mark.parametrize("nonce", [None, "", "n" * 513])
def test_a_nonce_that_is_none_is_not_kept(key, nonce):
    assert not key.heard(answer(401, nonce))
    assert "nonce" not in read(key.proof("GET", URL))[1]


def test_a_nonce_is_not_told_to_another_server(key):
    key.heard(answer(401, "n-1"))
    assert "nonce" not in read(key.proof("GET", "https://other.example.org/"))[1]


class Server:
    """Refuses every proof, with a nonce that is new each time."""

    def __init__(self, *, content=0):
        self.proofs = []
        self.content_after = content

    def __call__(self, request):
        self.proofs.append(read(request.headers["dpop"])[1])
        satisfied = self.content_after and len(self.proofs) > self.content_after
        return httpx.Response(200 if satisfied else 400, headers={"dpop-nonce": f"n-{len(self.proofs)}"})


def test_a_server_that_never_has_enough_nonces_is_asked_twice(key):
    server = Server()
    with httpx.Client(transport=httpx.MockTransport(server), auth=ProofAuth(key)) as http:
        assert http.post(URL, data={"a": "b"}).status_code == 400
    assert [proof.get("nonce") for proof in server.proofs] == [None, "n-1"]


def test_a_nonce_serves_until_the_next_one_comes(key):
    server = Server(content=1)
    with httpx.Client(transport=httpx.MockTransport(server), auth=ProofAuth(key)) as http:
        assert [http.post(URL).status_code for _ in range(2)] == [200, 200]
    assert [proof.get("nonce") for proof in server.proofs] == [None, "n-1", "n-2"]
    assert len({proof["jti"] for proof in server.proofs}) == 3
