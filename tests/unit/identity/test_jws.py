import pytest
from joserfc.jwk import ECKey

from gateway.errors import BadSignature
from gateway.identity.jws import SignedToken, verify_signature


def test_a_key_that_does_not_fit_the_algorithm_verifies_nothing(sign_token, rsa_key):
    token = SignedToken.parse(sign_token(ECKey.generate_key("P-256"), {"alg": "ES256"}, {"sub": "u1"}))
    for key in (rsa_key, ECKey.generate_key("P-384"), ECKey.generate_key("P-256", {"use": "enc"})):
        with pytest.raises(BadSignature, match="does not fit"):
            verify_signature(token, key)


def test_a_token_shows_nothing_secret_in_its_repr(sign_token):
    text = sign_token(ECKey.generate_key("P-256"), {"alg": "ES256", "typ": "application/AT+JWT"}, {"sub": "u1"})
    token = SignedToken.parse(text)
    assert repr(token) == "SignedToken(algorithm='ES256', key_id=None, media_type='at+jwt')"
    assert token.unverified_claims == {"sub": "u1"}
