"""Every token of the corpus against a running gateway: refused in the standards' words, and nothing is fetched."""

import json
from pathlib import Path

import pytest

from gateway.errors import Unauthenticated, by_code

pytestmark = pytest.mark.integration

FOLDER = Path(__file__).parents[2] / "vectors" / "jwt"
CASES = sorted(file.stem for file in FOLDER.glob("[!_]*.json"))
REFUSALS = {code for code, kind in by_code().items() if issubclass(kind, Unauthenticated)}
FETCHED = {f"/{name}/{path}" for name in ("people", "jobs") for path in (".well-known/openid-configuration", "keys")}


@pytest.fixture(scope="module")
def cases(deployment):
    made = dict(deployment.corpus.corpus())
    assert made.keys() == set(CASES)
    return made


def text_of(case):
    token = case["token"]
    return token if isinstance(token, str) else token["start"] + token["fill"] * token["length"]


def fits_a_header(text):
    return text != "" and text.isprintable() and len(text) < 32_000


@pytest.mark.parametrize("name", CASES)
def test_each_attack_is_refused_as_a_bearer(deployment, cases, name):
    text = text_of(cases[name])
    if not fits_a_header(text):
        answer = deployment.exchange(text, "access_token")
        assert answer.status_code in {400, 413}
        return
    headers = {"authorization": b"Bearer " + text.encode()}
    answer = deployment.ask("GET", "/v1/whoami", headers=headers)
    # ID tokens, the good ones as well, are no access tokens.
    assert answer.status_code == 401
    assert answer.json()["code"] in REFUSALS
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="invalid_token", error_description="')
    assert f'resource_metadata="{deployment.url}/.well-known/oauth-protected-resource"' in challenge
    assert_nothing_leaks(text, answer.text + challenge)
    assert set(deployment.web.asked) <= FETCHED


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("own-")])
def test_each_attack_is_refused_at_the_token_endpoint(deployment, cases, name):
    case = cases[name]
    text = text_of(case)
    answer = deployment.exchange(text)
    if case["expected"] is None and name != "accepted-last-second-of-leeway":
        assert answer.status_code == 200, answer.text
        return
    assert answer.status_code in {400, 413}
    # An empty parameter counts as left out, and a very long one is stopped before it is read (RFC 6749 3.2).
    # A token within the leeway verifies, and a gateway token that lives no longer than it has no life left.
    others = {
        "empty": "invalid-request",
        "one-megabyte": "too-large",
        "accepted-last-second-of-leeway": "token-expired",
    }
    assert answer.json()["code"] == others.get(name, case["expected"]), answer.text
    assert_nothing_leaks(text, answer.text)
    assert set(deployment.web.asked) <= FETCHED


def assert_nothing_leaks(text, said):
    """Sixteen characters of the signature would be a leak."""
    signature = text.rpartition(".")[2][:400]
    assert not any(signature[at : at + 16] in said for at in range(max(0, len(signature) - 16)))


def test_the_files_are_of_the_script(cases):
    """The corpus that runs here is the one of the files: the same names and verdicts."""
    for name in CASES:
        file = json.loads((FOLDER / f"{name}.json").read_text())
        assert (cases[name]["expected"], cases[name]["verifier"]) == (file["expected"], file["verifier"])
