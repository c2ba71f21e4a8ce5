import json
import socket

import pytest

from gateway.client import Gateway, StaticToken
from gateway.client.connection import Connection
from gateway.errors import (
    AccessDenied,
    GatewayError,
    GatewayUnavailable,
    Unauthenticated,
    UnknownResource,
    VaultUnavailable,
)

NAME = "dataset/vision/digits"
VAULT_AWAY = json.dumps({"code": "vault-unavailable", "detail": "Vault is sealed.", "hint": "Unseal it."}).encode()


@pytest.fixture
def waits():
    return []


@pytest.fixture
def connection(sim, waits):
    found = Connection(sim.url, StaticToken("made-up-token"), sleep=waits.append)
    yield found
    found.close()


class TestRefusals:
    def test_no_gateway_is_said_with_its_url(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            with (
                Gateway(url, token_source=StaticToken("t")) as gateway,
                pytest.raises(GatewayUnavailable, match=f"No gateway answers at {url} \\(connection refused\\)"),
            ):
                gateway.whoami()

    @pytest.mark.parametrize("url", ["127.0.0.1:80", "ftp://host", "http://[", "nonsense"])
    def test_a_url_that_is_none_is_named(self, url):
        with pytest.raises(GatewayUnavailable), Gateway(url, token_source=StaticToken("t")) as gateway:
            gateway.whoami()

    def test_a_wrong_token_is_unauthenticated_and_not_shown(self, sim):
        with (
            Gateway(sim.url, token_source=StaticToken("very-secret")) as gateway,
            pytest.raises(Unauthenticated) as caught,
        ):
            gateway.whoami()
        assert "very-secret" not in repr(caught.value)

    def test_a_problem_becomes_the_error_of_its_code_with_its_hint(self, gateway):
        with pytest.raises(UnknownResource, match="There is no dataset/vision/nothing") as caught:
            gateway.describe("dataset/vision/nothing")
        assert caught.value.hint == "Do this."

    def test_a_code_of_a_later_release_is_still_an_error(self, sim, gateway):
        sim.fault("GET", "/whoami", status=418, body=b'{"code":"teapot","detail":"Short and stout."}')
        with pytest.raises(GatewayError, match="Short and stout"):
            gateway.whoami()

    @pytest.mark.parametrize("body", [b"403 Forbidden", b"<html>", b"[]", b'{"code":"access-denied"}', b""])
    def test_a_refusal_that_is_no_problem_document_is_not_taken_for_the_gateways(self, sim, gateway, body):
        sim.fault("GET", "/whoami", status=403, body=body)
        with pytest.raises(GatewayUnavailable, match="answered 403"):
            gateway.whoami()

    @pytest.mark.parametrize(
        "body",
        [
            b"null",
            b"[]",
            b"{}",
            b'{"issuer":1,"subject":"s","kind":"user","name":"n","groups":[],"expires_at":null}',
            b'{"issuer":"i","subject":"s","kind":"god","name":"n","groups":[],"expires_at":null}',
            b'{"issuer":"i","subject":"s","kind":"user","name":"n","groups":[],"expires_at":"2026-01-01"}',
        ],
    )
    def test_an_answer_that_is_not_as_agreed_is_refused(self, sim, gateway, body):
        sim.fault("GET", "/whoami", status=200, body=body)
        with pytest.raises(GatewayUnavailable, match="does not understand"):
            gateway.whoami()

    def test_an_answer_that_is_no_json_is_refused(self, sim, gateway):
        sim.fault("GET", "/whoami", status=200, body=b"<html>welcome</html>")
        with pytest.raises(GatewayUnavailable, match="answered 200 in a way"):
            gateway.whoami()

    def test_a_redirect_is_not_followed(self, sim, gateway):
        sim.fault("GET", "/whoami", status=302, headers={"location": "http://127.0.0.1:1/"})
        with pytest.raises(GatewayUnavailable, match="answered 302"):
            gateway.whoami()

    def test_an_endless_answer_is_cut_off(self, sim, gateway, monkeypatch):
        monkeypatch.setattr("gateway.client.connection.MAX_ANSWER_BYTES", 1000)
        sim.fault("GET", "/whoami", status=200, body=b"x" * 1001)
        with pytest.raises(GatewayUnavailable, match="over 1,000 bytes"):
            gateway.whoami()


class TestRepetition:
    def test_503_is_asked_again_when_it_says_when(self, sim, connection, waits):
        sim.fault("GET", "/whoami", times=2, status=503, headers={"retry-after": "2"}, body=VAULT_AWAY)
        assert connection.get("/v1/whoami")["name"] == "ada"
        assert waits == [2.0, 2.0]

    def test_it_is_given_up_after_a_while_with_the_gateways_reason(self, sim, connection, waits):
        sim.fault("GET", "/whoami", times=9, status=503, headers={"retry-after": "999"}, body=VAULT_AWAY)
        with pytest.raises(VaultUnavailable, match="sealed"):
            connection.get("/v1/whoami")
        assert sim.asked("GET", "/whoami") == 4
        assert waits == [15.0] * 3

    def test_503_without_a_time_is_not_repeated(self, sim, connection, waits):
        sim.fault("GET", "/whoami", status=503, body=VAULT_AWAY)
        with pytest.raises(VaultUnavailable):
            connection.get("/v1/whoami")
        assert waits == []

    def test_what_must_not_be_done_twice_is_not_repeated(self, sim, connection, waits):
        sim.fault("POST", "keys:rotate", status=503, headers={"retry-after": "1"}, body=VAULT_AWAY)
        with pytest.raises(VaultUnavailable):
            connection.post(f"/v1/{NAME}/keys:rotate", {}, repeatable=False)
        assert waits == []

    def test_a_refusal_is_not_repeated(self, sim, connection):
        sim.fault("GET", "/whoami", status=403, body=b'{"code":"access-denied","detail":"No."}')
        with pytest.raises(AccessDenied):
            connection.get("/v1/whoami")
        assert sim.asked("GET", "/whoami") == 1

    def test_a_lost_answer_is_asked_for_again(self, sim, connection, waits):
        sim.fault("GET", "/whoami", cut_at=10)
        assert connection.get("/v1/whoami")["name"] == "ada"
        assert waits == [1.0]


class TestAnswers:
    def test_who_we_are(self, gateway):
        me = gateway.whoami()
        assert (me.name, me.groups, me.expires_at) == ("ada", ("ml-research",), None)

    def test_resources_and_their_versions(self, sim, gateway):
        sim.publish(NAME, {"a": b"1"})
        sim.publish(NAME, {"a": b"2"})
        [found] = gateway.resources()
        assert (str(found.name), found.latest.number) == (NAME, 2)
        details = gateway.describe(NAME)
        assert [version.number for version in details.versions] == [2, 1]
        assert details.tags == {"latest": 2}

    def test_a_tag_moves(self, sim, gateway):
        sim.publish(NAME, {"a": b"1"})
        assert gateway.tag(f"{NAME}@v1", "prod") == 1
        assert sim.tags[NAME]["prod"] == 1

    def test_a_rotation(self, gateway):
        done = gateway.rotate_keys(NAME)
        assert (done.kek_version, done.rewrapped) == (2, 1)

    def test_journal_lines_are_cut_at_line_feeds_alone(self, gateway):
        first, second = gateway.audit_lines(after=0)
        assert json.loads(first) == {"seq": 1, "note": "a\u2028b"}
        assert second == b'{"seq":2}'

    def test_a_failure_in_the_journal_is_told(self, sim, gateway):
        sim.fault("GET", "/audit", status=503, headers={"retry-after": "1"}, body=VAULT_AWAY)
        with pytest.raises(VaultUnavailable):
            list(gateway.audit_lines())
