"""The stack's issuers as a client meets them: people by OIDC code and PKCE, a workload by its token file."""

import base64
import hashlib
import secrets
from urllib.parse import urlencode

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from gateway.devstack.vault_api import VaultApi
from gateway.errors import VaultUnavailable

pytestmark = pytest.mark.integration

GROUPS = {"ada": "ml-research", "ivan": "interns", "grace": "data-stewards", "otto": "auditors"}
CALLBACK = "http://127.0.0.1:43210/callback"


@pytest.fixture
def anonymous(stack):
    api = VaultApi(stack.vault)
    yield api
    api.close()


@pytest.fixture
def log_in(stack, anonymous):
    """Returns a person's view of Vault."""
    opened = []

    def log_in(name):
        file = next(user.password_file for user in stack.users if user.name == name)
        login = anonymous.write(f"auth/userpass/login/{name}", password=file.read_text())
        opened.append(VaultApi(stack.vault, token=login["auth"]["client_token"]))
        return opened[-1]

    yield log_in
    for api in opened:
        api.close()


def verified_claims(token, issuer):
    discovery = httpx.get(f"{issuer}/.well-known/openid-configuration").json()
    assert discovery["issuer"] == issuer
    keys = KeySet.import_key_set(httpx.get(discovery["jwks_uri"]).json())
    return jwt.decode(token, keys, algorithms=["RS256"]).claims


def authorize(person, stack, **changes):
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "client_id": stack.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid profile groups",
        "state": "s",
        "nonce": "n",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return verifier, person.read("identity/oidc/provider/gateway/authorize", **query | changes)


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:43210/elsewhere", "http://localhost:43210/callback", "https://attacker.example/callback"]
)
def test_another_redirect_is_refused(log_in, stack, uri):
    with pytest.raises(VaultUnavailable, match="400"):
        authorize(log_in("ada"), stack, redirect_uri=uri)


def test_a_code_without_its_verifier_is_refused(log_in, stack):
    _, answer = authorize(log_in("ada"), stack)
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": CALLBACK}
    form |= {"client_id": stack.client_id, "code_verifier": secrets.token_urlsafe(48)}
    assert httpx.post(f"{stack.issuer}/token", data=form).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("name", GROUPS)
def test_everybody_logs_in_with_their_group(log_in, stack, name):
    verifier, answer = authorize(log_in(name), stack)
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": CALLBACK}
    form |= {"client_id": stack.client_id, "code_verifier": verifier}
    token = httpx.post(f"{stack.issuer}/token", data=form).json()["id_token"]
    claims = verified_claims(token, stack.issuer)
    assert (claims["preferred_username"], claims["groups"]) == (name, [GROUPS[name]])
    assert (claims["aud"], claims["nonce"]) == (stack.client_id, "n")
    assert claims["exp"] - claims["iat"] == 3600


def test_a_browser_finds_a_login_page(stack):
    discovery = httpx.get(f"{stack.issuer}/.well-known/openid-configuration").json()
    page = httpx.get(f"{discovery['authorization_endpoint']}?{urlencode({'client_id': stack.client_id})}")
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]


def test_the_workload_has_a_token_with_its_group(stack):
    claims = verified_claims(stack.workload_token_file.read_text(), stack.jobs_issuer)
    assert (claims["preferred_username"], claims["groups"]) == ("trainer", ["training-jobs"])
    assert claims["aud"] == stack.jobs_audience
    assert claims["exp"] - claims["iat"] == 24 * 3600


def test_a_person_can_mint_no_token_of_the_workload(log_in):
    with pytest.raises(VaultUnavailable, match="403"):
        log_in("ada").read("identity/oidc/token/trainer")
