"""A token request is read strictly: what cannot be honoured is refused rather than ignored."""

import json
from urllib.parse import urlencode

import pytest

from gateway.errors import (
    InvalidAuthorizationDetails,
    InvalidRequest,
    InvalidScope,
    InvalidTarget,
    UnsupportedGrantType,
)
from gateway.identity.token_request import GRANT_TYPE, JSON, MAX_REQUEST_BYTES, TokenRequest

URL = "https://gateway.example.org"
TYPES = "urn:ietf:params:oauth:token-type:"
FORM = {"grant_type": GRANT_TYPE, "subject_token": "x.y.z", "subject_token_type": f"{TYPES}id_token"}


@pytest.mark.parametrize("name", FORM)
def test_a_required_parameter_that_is_missing_is_named(name):
    for form in ({k: v for k, v in FORM.items() if k != name}, FORM | {name: ""}):
        with pytest.raises(InvalidRequest, match=name):
            TokenRequest.parse(form)


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token", "password", GRANT_TYPE.upper()])
def test_other_grants_are_refused(grant):
    with pytest.raises(UnsupportedGrantType):
        TokenRequest.parse(FORM | {"grant_type": grant})


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"actor_token": "x"}, InvalidRequest),
        ({"actor_token_type": f"{TYPES}jwt"}, InvalidRequest),
        ({"authorization_details": "[]"}, InvalidAuthorizationDetails),
        ({"authorization_details": "{}"}, InvalidAuthorizationDetails),
        ({"authorization_details": "[1]"}, InvalidAuthorizationDetails),
        ({"authorization_details": '[{"type":"a","type":"b"}]'}, InvalidAuthorizationDetails),
        ({"authorization_details": "[" + "{}," * 4000 + "{}]"}, InvalidAuthorizationDetails),
        ({"scope": "gateway:ReadFile  gateway:ListFiles"}, InvalidScope),
        ({"scope": " ".join("abc" for _ in range(101))}, InvalidScope),
        ({"requested_token_type": f"{TYPES}refresh_token"}, InvalidRequest),
        ({"subject_token_type": f"{TYPES}saml2"}, InvalidRequest),
        ({"client_id": "a\nb"}, InvalidRequest),
        ({"client_id": "a" * 101}, InvalidRequest),
        ({"audience": URL, "resource": "https://other.example.org"}, InvalidTarget),
    ],
)
def test_what_cannot_be_honoured_is_refused_rather_than_ignored(more, kind):
    with pytest.raises(kind):
        TokenRequest.parse(FORM | more)


@pytest.mark.parametrize("body", [b"x" * (MAX_REQUEST_BYTES + 1), b"grant_type", b"a=%FF", "a=é".encode(), b"a=1&a=1"])
def test_a_body_that_is_no_form_is_refused(body):
    with pytest.raises(InvalidRequest):
        TokenRequest.decode(body)


def test_an_empty_body_has_no_grant_type():
    with pytest.raises(InvalidRequest, match="grant_type"):
        TokenRequest.decode(b"")


def test_a_form_is_read_and_shows_no_token_in_its_repr():
    request = TokenRequest.decode(urlencode(FORM | {"client_id": "cli", "unknown": "x"}).encode())
    assert request == TokenRequest("x.y.z", f"{TYPES}id_token", client_id="cli")
    assert "x.y.z" not in repr(request)


def test_json_and_a_form_say_the_same():
    details = [{"type": "gateway_access", "actions": ["gateway:ReadFile"], "resources": ["dataset/vision/*"]}]
    more = {"scope": "gateway:ReadFile gateway:ListFiles gateway:ReadFile"}
    as_json = TokenRequest.decode(
        json.dumps(FORM | more | {"authorization_details": details}).encode(), media_type=JSON
    )
    form = FORM | more | {"authorization_details": json.dumps(details)}
    assert as_json == TokenRequest.decode(urlencode(form).encode())
    assert as_json.scopes == ("gateway:ReadFile", "gateway:ListFiles")
    assert as_json.details == tuple(details)


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"scope":7}', b'{"scope":null}', b'{"a":"b","a":"b"}', b'{"scope":["a"]}']
)
def test_json_that_is_no_request_is_refused(body):
    with pytest.raises(InvalidRequest):
        TokenRequest.decode(body, media_type=JSON)


@pytest.mark.parametrize("media_type", ["", "text/plain", "multipart/form-data"])
def test_a_body_of_another_type_is_refused(media_type):
    with pytest.raises(InvalidRequest, match="neither"):
        TokenRequest.decode(urlencode(FORM).encode(), media_type=media_type)
