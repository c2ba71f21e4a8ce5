"""Each 401 says why, and what would do, in the words of RFC 6750, 9449, 9470 and 9728."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from starlette.requests import Request

from gateway import errors
from gateway.api.challenges import challenge, oauth_code, quotable

METADATA = 'resource_metadata="https://gw.example.org/.well-known/oauth-protected-resource"'


@pytest.fixture
def request_with():
    app = FastAPI()
    app.state.public_url = "https://gw.example.org"

    def make(authorization):
        headers = [(b"authorization", authorization.encode())] if authorization else []
        return Request({"type": "http", "headers": headers, "app": app})

    return make


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer "])
def test_without_credentials_there_is_no_error_and_both_schemes_are_offered(request_with, sent):
    said = challenge(request_with(sent), errors.Unauthenticated("No token was sent."))
    assert said == {"www-authenticate": f'Bearer {METADATA}, DPoP algs="ES256 EdDSA", {METADATA}'}


def test_a_refused_token_is_told_what_was_expected(request_with):
    error = errors.WrongAudience("The token's audience is wrong: expected 'gateway', got 'other'.")
    said = challenge(request_with("Bearer x"), error)["www-authenticate"]
    description = "The token's audience is wrong: expected 'gateway', got 'other'."
    assert said == f'Bearer error="invalid_token", error_description="{description}", {METADATA}'


def test_a_step_up_names_the_login_that_would_do(request_with):
    error = errors.StepUpRequired("Why.", acr_values=("gold", "silver"), max_age=timedelta(minutes=5))
    said = challenge(request_with("Bearer x"), error)["www-authenticate"]
    assert said.startswith('Bearer error="insufficient_user_authentication", error_description="Why."')
    assert 'acr_values="gold silver", max_age="300"' in said
    assert "amr" not in said


def test_a_step_up_may_ask_for_a_method(request_with):
    error = errors.StepUpRequired("Why.", amr_values=("otp",))
    assert 'amr_values="otp"' in challenge(request_with("DPoP x"), error)["www-authenticate"]


def test_a_bound_token_is_challenged_in_its_own_scheme(request_with):
    said = challenge(request_with("DPoP x"), errors.TokenExpired("Why."))["www-authenticate"]
    assert said.startswith('DPoP algs="ES256 EdDSA", error="invalid_token"')


def test_a_nonce_comes_with_the_challenge_that_asks_for_it(request_with):
    said = challenge(request_with("DPoP x"), errors.UseDpopNonce("Why.", nonce="n-1"))
    assert said["dpop-nonce"] == "n-1"
    assert 'error="use_dpop_nonce"' in said["www-authenticate"]


def test_a_bound_token_sent_as_a_bearer_is_asked_for_a_proof(request_with):
    said = challenge(request_with("Bearer x"), errors.InvalidDpopProof("Why."))["www-authenticate"]
    assert said.startswith('DPoP algs="ES256 EdDSA", error="invalid_dpop_proof"')


@pytest.mark.parametrize("code", [kind.code for kind in errors.by_code().values()])
def test_every_refusal_has_a_code_of_oauths(code):
    assert oauth_code(errors.by_code()[code]("x")) in {
        "invalid_token",
        "insufficient_user_authentication",
        "invalid_dpop_proof",
        "use_dpop_nonce",
    }


@pytest.mark.parametrize("text", ['a"b', "a\\b", "é", "line\nbreak", "\x00", "x" * 2000])
def test_no_text_breaks_out_of_its_quotes(text):
    quoted = quotable(text)
    assert len(quoted) <= 300
    # RFC 6750 3: %x20-21 / %x23-5B / %x5D-7E
    assert all(0x20 <= ord(char) <= 0x7E and char not in '"\\' for char in quoted)
