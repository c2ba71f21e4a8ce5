import base64
import json

import httpx
import pytest

from gateway.client.authorization import CallerAuth
from gateway.client.dpop import ProofKey
from gateway.client.tokens import Credential, StaticToken, TokenSource
from gateway.errors import StepUpRequired

CHALLENGE = 'Bearer error="insufficient_user_authentication", error_description="Too weak.", acr_values="mfa"'


class Api:
    """Answers in turn, the last answer for ever, and keeps what was sent."""

    def __init__(self, *answers):
        self._answers = list(answers)
        self.sent = []

    def __call__(self, request):
        scheme, _, token = request.headers["authorization"].partition(" ")
        self.sent.append((scheme, token, claims(request.headers.get("dpop")), request.read()))
        status, headers = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return httpx.Response(status, headers=headers, json={})


def claims(proof):
    return proof and json.loads(base64.urlsafe_b64decode(proof.split(".")[1] + "=="))


class Person(TokenSource):
    """Logs in more strongly when asked, with a key or without."""

    def __init__(self, key=None):
        self._key = key
        self.demands = []

    def credential(self):
        return Credential("weak", self._key)

    def step_up(self, refused, demand):
        self.demands.append((refused.token, demand))
        return Credential("strong", self._key)


@pytest.fixture
def ask():
    """Sends a POST to an API as somebody."""

    def send(api, tokens, content=b"body"):
        with httpx.Client(transport=httpx.MockTransport(api), auth=CallerAuth(tokens)) as http:
            return http.post("https://gateway.example.org/v1/x?a=b", content=content)

    return send


def test_a_demand_that_nobody_can_meet_is_the_callers_to_see(ask):
    api = Api((401, {"www-authenticate": CHALLENGE}))
    with pytest.raises(StepUpRequired, match="Too weak") as caught:
        ask(api, StaticToken("secret"))
    assert len(api.sent) == 1
    assert "secret" not in str(caught.value) + caught.value.hint


def test_a_gateway_that_always_wants_more_is_asked_twice(ask):
    api, person = Api((401, {"www-authenticate": CHALLENGE})), Person()
    assert ask(api, person).status_code == 401
    assert [token for _, token, _, _ in api.sent] == ["weak", "strong"]
    assert len(person.demands) == 1


def test_another_401_asks_no_person(ask):
    api, person = Api((401, {"www-authenticate": 'Bearer error="invalid_token"'})), Person()
    assert ask(api, person).status_code == 401
    assert (len(api.sent), person.demands) == (1, [])


def test_nonces_that_never_end_are_bounded(ask):
    nonces = iter(range(100))

    class Endless(Api):
        def __call__(self, request):
            super().__call__(request)
            return httpx.Response(401, headers={"dpop-nonce": f"n-{next(nonces)}"})

    api = Endless((401, {}))
    assert ask(api, StaticToken("t", key=ProofKey.generate())).status_code == 401
    assert [proof.get("nonce") for _, _, proof, _ in api.sent] == [None, "n-0"]


def test_after_a_stronger_login_the_same_request_is_sent_again(ask):
    api, person = Api((401, {"www-authenticate": CHALLENGE}), (200, {})), Person()
    assert ask(api, person).status_code == 200
    assert [sent[1:] for sent in api.sent] == [("weak", None, b"body"), ("strong", None, b"body")]
    ((refused, demand),) = person.demands
    assert (refused, demand.acr_values) == ("weak", ("mfa",))


def test_a_body_that_can_be_read_twice_is_sent_twice(ask):
    class Lines:
        def __iter__(self):
            yield from (b"1\n", b"2\n")

    api = Api((401, {"www-authenticate": CHALLENGE}), (200, {}))
    ask(api, Person(), content=Lines())
    assert [body for *_, body in api.sent] == [b"1\n2\n"] * 2


def test_a_nonce_and_a_stronger_login_may_both_be_wanted(ask):
    api = Api((401, {"dpop-nonce": "n-1"}), (401, {"www-authenticate": CHALLENGE}), (200, {}))
    assert ask(api, Person(ProofKey.generate())).status_code == 200
    assert [(scheme, token, proof.get("nonce")) for scheme, token, proof, _ in api.sent] == [
        ("DPoP", "weak", None),
        ("DPoP", "weak", "n-1"),
        ("DPoP", "strong", "n-1"),
    ]
    proofs = [proof for _, _, proof, _ in api.sent]
    assert len({proof["jti"] for proof in proofs}) == 3
    assert proofs[0]["ath"] == proofs[1]["ath"] != proofs[2]["ath"]
    assert {proof["htu"] for proof in proofs} == {"https://gateway.example.org/v1/x"}


def test_a_stronger_login_may_be_without_a_key(ask):
    class Loosened(Person):
        def step_up(self, refused, demand):
            return Credential("strong")

    api = Api((401, {"www-authenticate": CHALLENGE}), (200, {}))
    ask(api, Loosened(ProofKey.generate()))
    assert [(scheme, proof is None) for scheme, _, proof, _ in api.sent] == [("DPoP", False), ("Bearer", True)]
