"""Proofs of possession (RFC 9449): each check of section 4.3 has a proof that fails it alone."""

from datetime import timedelta

import pytest
from joserfc.jwk import ECKey, OKPKey

from gateway.errors import InvalidDpopProof, UseDpopNonce
from gateway.identity.dpop import MAX_PROOF_BYTES, NONCE_LIFE, Call, Nonces, Proofs, normal_url
from gateway.identity.used_proofs import MemoryUsedProofs

pytestmark = pytest.mark.anyio

CALL = Call("GET", "https://gateway.example.org/v1/whoami")
TOKEN = "a.b.c"


@pytest.fixture
def nonces(clock):
    async def secret():
        return b"s" * 32

    return Nonces(secret, clock)


@pytest.fixture
def strict(nonces, clock):
    return Proofs(MemoryUsedProofs(clock), nonces, clock)


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "A" * (MAX_PROOF_BYTES + 1)])
async def test_what_is_no_jwt_is_no_proof(proofs, text):
    with pytest.raises(InvalidDpopProof):
        await proofs.verify(text, CALL)


@pytest.mark.parametrize("missing", ["jti", "htm", "htu", "iat", "ath"])
async def test_a_proof_without_a_required_claim_is_refused(proofs, client, missing):
    with pytest.raises(InvalidDpopProof):
        await proofs.verify(client.proof(CALL, token=TOKEN, without=[missing]), CALL, token=TOKEN)


@pytest.mark.parametrize(
    "header", [{"typ": "JWT"}, {"typ": None}, {"typ": "at+jwt"}, {"jwk": None}, {"jwk": "x"}, {"jwk": {}}]
)
async def test_a_header_of_another_kind_is_refused(proofs, client, header):
    with pytest.raises(InvalidDpopProof):
        await proofs.verify(client.proof(CALL, header=header), CALL)


@pytest.mark.parametrize(
    "hint", [{"jku": "https://attacker.example"}, {"x5u": "https://attacker.example"}, {"crit": []}]
)
async def test_a_proof_that_points_to_a_key_elsewhere_is_refused(proofs, client, hint):
    with pytest.raises(InvalidDpopProof, match="never follow"):
        await proofs.verify(client.proof(CALL, header=hint), CALL)


async def test_algorithms_that_are_not_ours_are_refused(proofs, client, rsa_key):
    private = rsa_key.as_dict(private=False)
    with pytest.raises(InvalidDpopProof, match="algorithm"):
        await proofs.verify(client.proof(CALL, key=rsa_key, header={"alg": "RS256", "jwk": private}), CALL)


async def test_a_key_of_another_kind_than_the_algorithm_is_refused(proofs, client):
    other = ECKey.generate_key("P-384").as_dict(private=False)
    for jwk in (other, {"kty": "oct", "k": "c2VjcmV0"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}):
        with pytest.raises(InvalidDpopProof, match="jwk"):
            await proofs.verify(client.proof(CALL, header={"jwk": jwk}), CALL)


async def test_a_private_key_in_the_header_is_refused(proofs, client):
    with pytest.raises(InvalidDpopProof, match="private"):
        await proofs.verify(client.proof(CALL, header={"jwk": client.key.as_dict(private=True)}), CALL)


async def test_a_signature_of_another_key_is_refused(proofs, client, thief):
    with pytest.raises(InvalidDpopProof, match="signature"):
        await proofs.verify(client.proof(CALL, key=thief.key), CALL)


@pytest.mark.parametrize(
    "claims",
    [
        {"htm": "POST"},
        {"htm": "get"},
        {"htu": "https://gateway.example.org/v1/whoami/"},
        {"htu": "http://gateway.example.org/v1/whoami"},
        {"htu": "https://gateway.example.org:8443/v1/whoami"},
        {"htu": "https://other.example.org/v1/whoami"},
        {"htu": "https://[/"},
        {"htu": 7},
        {"jti": ""},
        {"jti": "x" * 257},
        {"iat": "now"},
        {"iat": True},
    ],
)
async def test_a_proof_for_another_request_is_refused(proofs, client, claims):
    with pytest.raises(InvalidDpopProof):
        await proofs.verify(client.proof(CALL, **claims), CALL)


@pytest.mark.parametrize(("offset", "good"), [(-60, False), (-59, True), (0, True), (30, True), (31, False)])
async def test_a_proof_is_good_for_a_minute_and_clocks_may_differ_by_half(proofs, client, clock, offset, good):
    proof = client.proof(CALL, iat=int(clock().timestamp()) + offset)
    if good:
        assert (await proofs.verify(proof, CALL)).thumbprint == client.thumbprint
        return
    with pytest.raises(InvalidDpopProof, match="iat"):
        await proofs.verify(proof, CALL)


async def test_a_proof_for_another_token_is_refused(proofs, client):
    for other in ("another", None):
        with pytest.raises(InvalidDpopProof, match="ath"):
            await proofs.verify(client.proof(CALL, token=other), CALL, token=TOKEN)


async def test_a_proof_is_good_once(proofs, client, thief):
    proof = client.proof(CALL, jti="once")
    await proofs.verify(proof, CALL)
    with pytest.raises(InvalidDpopProof, match="before"):
        await proofs.verify(proof, CALL)
    with pytest.raises(InvalidDpopProof, match="before"):
        await proofs.verify(client.proof(CALL, jti="once"), CALL)
    assert await proofs.verify(thief.proof(CALL, jti="once"), CALL)


async def test_a_refused_proof_is_not_remembered(clock, client):
    used = MemoryUsedProofs(clock)
    with pytest.raises(InvalidDpopProof):
        await Proofs(used, None, clock).verify(client.proof(CALL, htm="PUT"), CALL)
    assert not used._until


async def test_a_proof_without_our_nonce_is_told_it(strict, nonces, client):
    for nonce in ({}, {"nonce": "x"}, {"nonce": 7}, {"nonce": "é"}):
        with pytest.raises(UseDpopNonce) as refused:
            await strict.verify(client.proof(CALL, **nonce), CALL)
    assert refused.value.nonce == await nonces.current()
    assert (await strict.verify(client.proof(CALL, nonce=refused.value.nonce), CALL)).next_nonce == ""


async def test_the_nonce_before_is_good_still_and_the_next_is_announced(strict, nonces, client, clock):
    first = await nonces.current()
    clock.advance(seconds=NONCE_LIFE.total_seconds())
    proven = await strict.verify(client.proof(CALL, nonce=first), CALL)
    assert proven.next_nonce == await nonces.current() != first
    clock.advance(seconds=NONCE_LIFE.total_seconds())
    with pytest.raises(UseDpopNonce):
        await strict.verify(client.proof(CALL, nonce=first), CALL)


async def test_instances_with_one_secret_take_each_others_nonces(nonces, clock):
    async def same():
        return b"s" * 32

    async def other():
        return b"o" * 32

    assert await Nonces(same, clock).is_good(await nonces.current())
    assert not await Nonces(other, clock).is_good(await nonces.current())


async def test_ed25519_proves_as_well(proofs, client):
    key = OKPKey.generate_key("Ed25519")
    proof = client.proof(CALL, key=key, header={"alg": "EdDSA", "jwk": key.as_dict(private=False)})
    assert (await proofs.verify(proof, CALL)).thumbprint == key.thumbprint()


async def test_memory_forgets_what_is_too_old_to_be_shown(clock):
    used = MemoryUsedProofs(clock)
    for number in range(999):
        assert await used.take(str(number), until=clock() + timedelta(seconds=60))
    clock.advance(seconds=60)
    assert await used.take("new", until=clock() + timedelta(seconds=60))
    assert set(used._until) == {"new"}


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTPS://GATEWAY.example.org/v1/whoami", True),
        ("https://gateway.example.org:443/v1/whoami", True),
        ("https://gateway.example.org/v1/%77hoami?x=1#y", True),
        ("https://gateway.example.org/v1%2fwhoami", False),
        ("https://gateway.example.org/v1/../v1/whoami", False),
        ("https://gateway.example.org/V1/whoami", False),
    ],
)
def test_addresses_are_compared_in_their_normal_form(url, same):
    assert (normal_url(url) == normal_url(CALL.url)) is same


def test_an_address_is_normal_in_ipv6_and_without_a_path():
    assert normal_url("http://[::1]:8420") == "http://[::1]:8420/"
