import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from gateway.identity.keyset import read_key_set, select_key

EC = ECKey.generate_key("P-256", {"kid": "ec"})
P384 = ECKey.generate_key("P-384", {"kid": "p384"})


def public(key, **more):
    return key.as_dict(private=False) | more


def only(entry):
    """Read a set with one good key and `entry`, and return what came of `entry`."""
    return read_key_set({"keys": [public(P384), entry]})[1:]


@pytest.mark.parametrize(
    "entry",
    [
        public(EC, use="enc"),
        public(EC, key_ops=["deriveBits"]),
        public(EC, key_ops="verify"),
        public(EC, kty="PQ"),
        public(EC, kty=["EC"]),
        public(EC, x="AA"),
        public(EC, crv="P-9"),
        public(EC, kid=7),
        {"kty": "EC", "kid": "short"},
        OctKey.import_key("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0").as_dict(),
        "text",
        None,
    ],
)
def test_keys_that_are_not_for_verifying_are_left_out(entry):
    assert only(entry) == ()


def test_short_rsa_keys_are_left_out():
    modulus = (1 << 1023 | 1).to_bytes(128, "big")
    short = RSAKey.generate_key(2048).as_dict(private=False) | {"n": OctKey.import_key(modulus).as_dict()["k"]}
    assert only(short) == ()


def test_a_private_key_in_a_set_is_read_as_its_public_half():
    (key,) = only(EC.as_dict(private=True))
    assert not key.is_private


def test_a_key_serves_its_own_algorithm_and_curve_alone():
    keys = read_key_set({"keys": [public(EC, alg="ES256"), public(OKPKey.generate_key("Ed25519"), kid="ed")]})
    assert select_key(keys, key_id="ec", algorithm="ES256") is keys[0]
    for algorithm in ("ES384", "RS256", "EdDSA", "HS256", "none"):
        assert select_key(keys, key_id="ec", algorithm=algorithm) is None
    assert select_key(keys, key_id="ed", algorithm="EdDSA") is keys[1]


def test_a_key_for_another_algorithm_of_its_type_is_not_used():
    (key,) = read_key_set({"keys": [RSAKey.generate_key(2048, {"kid": "r", "alg": "PS256"}).as_dict(private=False)]})
    assert select_key([key], key_id="r", algorithm="RS256") is None
    assert select_key([key], key_id="r", algorithm="PS256") is key


def test_without_a_key_id_the_set_must_leave_no_choice():
    keys = read_key_set({"keys": [public(EC), public(P384)]})
    assert select_key(keys, key_id=None, algorithm="ES256") is keys[0]
    assert select_key([*keys, *keys], key_id=None, algorithm="ES256") is None
