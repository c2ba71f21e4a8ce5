"""Tokens on running gateways, over HTTP: who gets in, what a narrowed or bound token is good for, and when it ends."""

import hashlib
import json
import secrets
import time
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from gateway.identity.encoding import encode_base64url

pytestmark = pytest.mark.integration

SHAPES = Path(__file__).parents[2] / "vectors" / "issuers"
SHAPED = sorted(file.stem for file in SHAPES.glob("*.json") if not file.stem.startswith("refused-"))
DIGITS = "dataset/vision/digits"
OTHER = "dataset/vision/other"


@pytest.fixture
def name():
    return f"dataset/vision/t-{secrets.token_hex(6)}"


class Prover:
    """A client with a key of its own."""

    def __init__(self, deployment):
        self.key = ECKey.generate_key("P-256")
        self._deployment = deployment
        self.nonce = None

    def proof(self, method, path, token=None, **changes):
        claims = {"htm": method, "htu": self._deployment.url + path, "jti": secrets.token_hex(8)}
        claims["iat"] = int(self._deployment.clock().timestamp())
        if token:
            claims["ath"] = encode_base64url(hashlib.sha256(token.encode()).digest())
        if self.nonce:
            claims["nonce"] = self.nonce
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.key.as_dict(private=False)}
        return self._deployment.corpus.sign(header, claims | changes, self.key)

    def login(self, token, kind="id_token"):
        """Return a token bound to the key, by way of the nonce."""
        refused = self._deployment.exchange(token, kind, proof=self.proof("POST", "/oauth2/token"))
        assert refused.json()["error"] == "use_dpop_nonce"
        self.nonce = refused.headers["dpop-nonce"]
        answer = self._deployment.exchange(token, kind, proof=self.proof("POST", "/oauth2/token"))
        assert answer.json()["token_type"] == "DPoP", answer.text
        return answer.json()["access_token"]

    def ask(self, method, path, token, *, url=None, proof=None):
        headers = {"dpop": proof or self.proof(method, path, token)}
        return self._deployment.ask(method, path, token, url=url, scheme="DPoP", headers=headers)


@pytest.fixture
def prover(deployment):
    return Prover(deployment)


@pytest.fixture
def thief(deployment):
    return Prover(deployment)


def open_push(deployment, token, name):
    return deployment.ask("POST", f"/v1/{name}/pushes", token, json={})


def detail(*actions, resource):
    return json.dumps([{"type": "gateway_access", "actions": list(actions), "resources": [resource]}])


class TestWho:
    def test_an_id_token_is_refused_as_a_bearer_and_says_what_to_do(self, deployment):
        answer = deployment.ask("GET", "/v1/whoami", deployment.id_token())
        assert (answer.status_code, answer.json()["code"]) == (401, "wrong-token-type")
        assert "gateway login" in answer.json()["hint"]

    def test_an_access_token_is_refused_as_an_id_token(self, deployment):
        answer = deployment.exchange(deployment.access_token())
        assert (answer.status_code, answer.json()["code"]) == (400, "wrong-token-type")

    def test_a_wrong_audience_is_named_in_the_challenge(self, deployment):
        answer = deployment.ask("GET", "/v1/whoami", deployment.access_token(aud="grafana"))
        assert "expected 'gateway' or 'people-only', got 'grafana'" in answer.headers["www-authenticate"]

    def test_a_login_that_is_too_weak_for_its_issuer_is_told_which_would_do(self, deployment):
        strong = deployment.web.issuer("strong")
        answer = deployment.exchange(deployment.id_token(iss=strong, acr="bronze"))
        assert answer.status_code == 400
        assert answer.json()["error"] == "insufficient_user_authentication"
        assert answer.json()["acr_values"] == "gold"
        assert deployment.login(deployment.id_token(iss=strong, acr="gold"))

    def test_an_access_token_of_an_issuer_is_good_by_itself(self, deployment):
        who = deployment.ask("GET", "/v1/whoami", deployment.access_token(jti="at-1")).json()
        assert (who["issuer"], who["subject"], who["groups"]) == ("people", "u1", ["ml-research"])
        assert (who["token_id"], who["bound"], who["narrowed"]) == ("at-1", False, False)

    def test_a_form_and_json_are_the_same(self, deployment):
        body = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "subject_token": deployment.id_token(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
            "authorization_details": json.loads(detail("gateway:ReadFile", resource=f"{DIGITS}/*")),
        }
        answer = deployment.ask("POST", "/oauth2/token", json=body)
        assert answer.json()["authorization_details"] == body["authorization_details"]
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("shape", SHAPED)
    def test_each_providers_token_gets_in(self, deployment, shape):
        case = json.loads((SHAPES / f"{shape}.json").read_text(encoding="utf-8"))
        now = int(deployment.clock().timestamp())
        moved = {name: now + case["claims"][name] for name in ("nbf", "auth_time") if name in case["claims"]}
        issuer = deployment.web.issuer(case["settings"])
        text = deployment.sign(case["claims"] | moved | {"iss": issuer}, header=case["header"])
        token = deployment.login(text, case["token_type"])
        who = deployment.ask("GET", "/v1/whoami", token).json()
        expected = case["principal"]
        assert {name: who[name] for name in ("kind", "name", "groups")} == {
            name: expected[name] for name in ("kind", "name", "groups")
        }

    def test_metadata_says_where_tokens_come_from(self, deployment):
        resource = deployment.ask("GET", "/.well-known/oauth-protected-resource").json()
        server = deployment.ask("GET", "/.well-known/oauth-authorization-server").json()
        assert resource["resource"] == server["issuer"] == deployment.url
        assert deployment.url in resource["authorization_servers"]
        assert deployment.web.issuer("people") in resource["authorization_servers"]
        assert deployment.web.issuer("kubernetes") not in resource["authorization_servers"]
        assert server["token_endpoint"] == f"{deployment.url}/oauth2/token"
        keys = deployment.http.get(server["jwks_uri"]).json()["keys"]
        assert keys
        assert all(key["kty"] == "EC" and "d" not in key for key in keys)


class TestNarrowed:
    def test_a_narrowed_token_mints_nothing_outside(self, deployment, name):
        token = deployment.login(authorization_details=detail("gateway:*", resource=f"{name}*"))
        assert open_push(deployment, token, name).status_code == 201
        assert open_push(deployment, token, OTHER).status_code == 403
        links = deployment.ask("POST", f"/v1/{OTHER}/versions/latest/links", token, json={"paths": ["a"]})
        assert links.status_code == 403
        lease = {"resources": [OTHER], "purpose": "p", "ttl_seconds": 60}
        assert deployment.ask("POST", "/v1/leases", token, json=lease).status_code == 403
        assert deployment.ask("GET", "/v1/audit/events", token).status_code == 403

    def test_exchanged_again_it_stays_narrow(self, deployment, name):
        narrow = deployment.login(authorization_details=detail("gateway:*", resource=f"{name}*"))
        for more in (
            {},
            {"authorization_details": detail("gateway:*", resource="*")},
            {"scope": "gateway:PublishVersion gateway:CreateResource"},
        ):
            again = deployment.login(narrow, "access_token", **more)
            assert open_push(deployment, again, OTHER).status_code == 403
            assert open_push(deployment, again, name).status_code == 201
        assert deployment.ask("GET", "/v1/whoami", again).json()["narrowed"]

    def test_a_scope_leaves_its_actions_alone(self, deployment, name):
        token = deployment.login(scope="gateway:ReadFile")
        assert open_push(deployment, token, name).status_code == 403

    def test_an_issuers_access_token_can_be_narrowed(self, deployment, name):
        token = deployment.login(deployment.access_token(), "access_token", scope="gateway:ReadFile")
        assert open_push(deployment, token, name).status_code == 403

    @pytest.mark.parametrize(
        ("more", "error"),
        [
            ({"scope": "openid"}, "invalid_scope"),
            ({"authorization_details": "[]"}, "invalid_authorization_details"),
            ({"authorization_details": '[{"type":"x"}]'}, "invalid_authorization_details"),
            ({"audience": "https://elsewhere.example"}, "invalid_target"),
        ],
    )
    def test_what_cannot_be_granted_is_refused(self, deployment, more, error):
        answer = deployment.exchange(deployment.id_token(), **more)
        assert (answer.status_code, answer.json()["error"]) == (400, error)


class TestStepUp:
    def test_a_denial_that_a_stronger_login_would_lift_asks_for_it(self, deployment):
        answer = open_push(deployment, deployment.login(), "dataset/guarded/x")
        assert (answer.status_code, answer.json()["code"]) == (401, "insufficient-user-authentication")
        challenge = answer.headers["www-authenticate"]
        assert 'error="insufficient_user_authentication"' in challenge
        assert 'acr_values="gold"' in challenge
        assert 'max_age="300"' in challenge

    def test_the_login_that_was_asked_for_gets_in(self, deployment):
        now = int(deployment.clock().timestamp())
        token = deployment.login(deployment.id_token(acr="gold", auth_time=now - 300))
        assert open_push(deployment, token, "dataset/guarded/x").status_code == 201

    def test_what_no_login_would_lift_is_a_plain_refusal(self, deployment):
        token = deployment.login(deployment.id_token(groups=["strangers"]))
        assert open_push(deployment, token, "dataset/guarded/x").status_code == 403


class TestBound:
    def test_a_bound_token_is_good_with_its_proof_alone(self, deployment, prover, thief):
        token = prover.login(deployment.id_token())
        assert prover.ask("GET", "/v1/whoami", token).json()["bound"]
        bare = deployment.ask("GET", "/v1/whoami", token)
        assert (bare.status_code, bare.json()["code"]) == (401, "invalid-dpop-proof")
        assert bare.headers["www-authenticate"].startswith("DPoP ")
        thief.nonce = prover.nonce
        assert thief.ask("GET", "/v1/whoami", token).json()["code"] == "invalid-dpop-proof"

    def test_a_proof_is_good_once_on_all_gateways(self, deployment, prover):
        token = prover.login(deployment.id_token())
        proof = prover.proof("GET", "/v1/whoami", token)
        one, other = deployment.urls
        assert prover.ask("GET", "/v1/whoami", token, url=other, proof=proof).status_code == 200
        for url in (one, other):
            replayed = prover.ask("GET", "/v1/whoami", token, url=url, proof=proof)
            assert (replayed.status_code, replayed.json()["code"]) == (401, "invalid-dpop-proof")

    def test_a_proof_for_another_address_is_refused(self, deployment, prover):
        token = prover.login(deployment.id_token())
        proof = prover.proof("GET", "/v1/resources", token)
        assert prover.ask("GET", "/v1/whoami", token, proof=proof).status_code == 401

    def test_without_the_nonce_the_call_is_told_it(self, deployment, prover):
        token = prover.login(deployment.id_token())
        prover.nonce = None
        refused = prover.ask("GET", "/v1/whoami", token)
        assert (refused.status_code, refused.json()["code"]) == (401, "use-dpop-nonce")
        prover.nonce = refused.headers["dpop-nonce"]
        assert prover.ask("GET", "/v1/whoami", token).status_code == 200

    def test_an_issuer_that_requires_proofs_gets_no_bearer_token(self, deployment, prover):
        issuer = deployment.web.issuer("bound")
        refused = deployment.exchange(deployment.id_token(iss=issuer))
        assert refused.json()["error"] == "invalid_dpop_proof"
        assert prover.login(deployment.id_token(iss=issuer))
        direct = deployment.ask("GET", "/v1/whoami", deployment.access_token(iss=issuer))
        assert direct.json()["code"] == "invalid-dpop-proof"

    def test_a_stolen_bound_token_is_exchanged_for_nothing(self, deployment, prover):
        token = prover.login(deployment.id_token())
        assert deployment.exchange(token, "access_token").json()["error"] == "invalid_dpop_proof"

    def test_the_next_nonce_is_announced_in_time(self, deployment, prover):
        token = prover.login(deployment.id_token())
        deployment.clock.advance(minutes=5)
        answer = prover.ask("GET", "/v1/whoami", token)
        assert answer.status_code == 200
        assert answer.headers["dpop-nonce"] not in {"", prover.nonce}


class TestRevoked:
    @pytest.mark.parametrize("kind", ["subject", "token", "client", "issuer"])
    def test_within_five_seconds_no_gateway_takes_it(self, deployment, kind):
        me = secrets.token_hex(4)
        mine = {"sub": me, "azp": me, "jti": me}
        if kind == "issuer":
            mine |= {"iss": deployment.web.issuer("strong"), "acr": "gold"}
        theirs = deployment.login(deployment.id_token(sub="somebody"))
        id_token = deployment.id_token(**mine)
        token = deployment.login(id_token)
        one, other = deployment.urls
        assert deployment.ask("GET", "/v1/whoami", token, url=other).status_code == 200
        alias = "strong" if kind == "issuer" else "people"
        value = {"token": me, "issuer": alias}.get(kind, f"{alias}/{me}")
        admin = deployment.login(deployment.id_token(sub="admin"))
        revoked = deployment.ask("POST", "/v1/revocations", admin, json={"kind": kind, "value": value})
        assert revoked.status_code == 201, revoked.text
        deadline = time.monotonic() + 5
        while deployment.ask("GET", "/v1/whoami", token, url=other).status_code != 401:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for url in (one, other):
            answer = deployment.ask("GET", "/v1/whoami", token, url=url)
            assert (answer.status_code, answer.json()["code"]) == (401, "token-revoked")
            assert deployment.exchange(id_token, url=url).json()["code"] == "token-revoked"
            assert deployment.ask("GET", "/v1/whoami", theirs, url=url).status_code == 200
