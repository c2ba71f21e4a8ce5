import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.client.demand import Demand
from gateway.client.dpop import ProofKey
from gateway.client.platform import from_file
from gateway.client.profile import Login, ProfileStore
from gateway.client.tokens import Credential, GatewayToken, StaticToken, StoredToken, WorkloadToken
from gateway.errors import (
    GatewayUnavailable,
    IssuerUnavailable,
    LocalFileError,
    LoginFailed,
    StepUpRequired,
    TokenExpired,
    Unauthenticated,
)

HOUR = timedelta(hours=1)


class Exchange:
    """Gives a token an hour long for each call, until told otherwise."""

    def __init__(self, clock):
        self.clock = clock
        self.shown = []
        self.failure = None

    def __call__(self, workload_token, key):
        self.shown.append(workload_token)
        if self.failure:
            raise self.failure
        now = self.clock()
        return GatewayToken(f"gateway-{len(self.shown)}", issued_at=now, expires_at=now + HOUR)


@pytest.fixture
def store(tmp_path):
    return ProfileStore(tmp_path)


@pytest.fixture
def exchange(clock):
    return Exchange(clock)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "token"
    path.write_text("workload-1\n")
    return path


@pytest.fixture
def source(file, exchange, clock):
    return WorkloadToken(from_file(file), exchange, clock=clock)


def test_without_a_login_the_next_step_is_said(store, clock):
    with pytest.raises(Unauthenticated, match="Nobody") as caught:
        StoredToken(store, "default", clock=clock).credential()
    assert "gateway login" in caught.value.hint


def test_a_login_ends_at_its_expiry(store, clock):
    store.save("default", Login("https://g", "people", clock() + HOUR, "t"))
    source = StoredToken(store, "default", clock=clock)
    clock.advance(minutes=59, seconds=59)
    assert source.credential().token == "t"
    clock.advance(seconds=1)
    with pytest.raises(TokenExpired, match="https://g") as caught:
        source.credential()
    assert "gateway login" in caught.value.hint


def test_a_new_login_takes_hold_under_way(store, clock):
    store.save("default", Login("https://g", "people", clock() + HOUR, "old"))
    source = StoredToken(store, "default", clock=clock)
    clock.advance(hours=1)
    store.save("default", Login("https://g", "people", clock() + HOUR, "new"))
    assert source.credential().token == "new"


@pytest.mark.parametrize("ask", [lambda one: one.credential(), lambda one: one.step_up(Credential("old"), Demand())])
def test_a_profile_that_moved_to_another_gateway_gives_it_no_token(store, clock, ask):
    store.save("default", Login("https://g", "people", clock() + HOUR, "old"))
    source = StoredToken(store, "default", clock=clock)
    clock.advance(hours=1)
    store.save("default", Login("https://other", "people", clock() + HOUR, "of-other"))
    with pytest.raises(Unauthenticated, match="Nobody"):
        ask(source)


def test_a_workload_token_is_read_afresh_at_each_renewal(source, file, exchange, clock):
    assert source.credential().token == source.credential().token == "gateway-1"
    file.write_text("workload-2")
    clock.advance(minutes=47, seconds=59)
    assert source.credential().token == "gateway-1"
    clock.advance(seconds=1)
    assert source.credential().token == "gateway-2"
    assert exchange.shown == ["workload-1", "workload-2"]


@pytest.mark.parametrize(("life", "used"), [(3600, 2880), (60, 30), (4, 2)])
def test_a_token_is_renewed_while_there_is_time_left_in_it(clock, life, used):
    token = GatewayToken("t", issued_at=clock(), expires_at=clock() + timedelta(seconds=life))
    assert token.renew_at - clock() == timedelta(seconds=used)


def test_while_the_gateway_is_away_the_old_token_serves_to_its_end(source, exchange, clock):
    source.credential()
    exchange.failure = GatewayUnavailable("away")
    clock.advance(minutes=59)
    assert source.credential().token == "gateway-1"
    clock.advance(minutes=1)
    with pytest.raises(GatewayUnavailable):
        source.credential()


def test_a_refusal_is_not_papered_over_with_the_old_token(source, exchange, clock):
    source.credential()
    exchange.failure = Unauthenticated("revoked")
    clock.advance(minutes=50)
    with pytest.raises(Unauthenticated):
        source.credential()


def test_all_threads_share_one_renewal(source, exchange):
    threads = [threading.Thread(target=source.credential) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(exchange.shown) == 1


STRONG = Demand(acr_values=("mfa",), reason="Too weak.")


@pytest.fixture
def weak(store, clock):
    store.save("default", Login("https://g", "people", clock() + HOUR, "weak"))
    return StoredToken(store, "default", clock=clock)


def test_a_token_that_somebody_else_got_cannot_be_made_stronger():
    source = StaticToken("t")
    with pytest.raises(StepUpRequired, match="Too weak") as caught:
        source.step_up(source.credential(), STRONG)
    assert caught.value.acr_values == ("mfa",)


@pytest.mark.parametrize(
    ("device", "key", "way"), [(False, "", ""), (True, ProofKey.generate().dump(), "--device --dpop ")]
)
def test_without_a_person_the_command_to_type_is_said(store, clock, device, key, way):
    store.save("default", Login("https://g", "people", clock() + HOUR, "weak", key, device=device))
    source = StoredToken(store, "default", clock=clock)
    with pytest.raises(StepUpRequired, match="Too weak") as caught:
        source.step_up(source.credential(), STRONG)
    assert caught.value.hint.endswith(f"gateway login --profile default --issuer people {way}--acr-values mfa")


def test_a_person_is_asked_once_for_all_threads_and_the_stronger_login_is_kept(store, clock, weak):
    asked = []

    def again(login, demand):
        asked.append((login.token, demand))
        return Login("https://g", "people", clock() + HOUR, "strong")

    source = StoredToken(store, "default", log_in_again=again, clock=clock)
    refused = source.credential()
    found = []
    threads = [threading.Thread(target=lambda: found.append(source.step_up(refused, STRONG).token)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["strong"] * 9
    assert asked == [("weak", STRONG)]
    assert store.find("default").token == source.credential().token == "strong"


def test_a_stronger_login_of_another_process_does(store, clock, weak):
    refused = weak.credential()
    store.save("default", Login("https://g", "people", clock() + HOUR, "strong"))
    assert weak.step_up(refused, STRONG).token == "strong"


def test_a_bound_login_has_one_key_object_for_its_life(store, clock):
    key = ProofKey.generate()
    store.save("default", Login("https://g", "people", clock() + HOUR, "t", key.dump()))
    source = StoredToken(store, "default", clock=clock)
    assert source.credential().key is source.credential().key
    assert source.credential().key.thumbprint == key.thumbprint


def test_a_credential_is_not_shown():
    assert "secret" not in repr(StaticToken("secret", key=ProofKey.generate()).credential())


class Renewal:
    """Gives the login another hour, until told otherwise."""

    def __init__(self, clock):
        self.clock = clock
        self.shown = []
        self.failure = None

    def __call__(self, login):
        self.shown.append(login.refresh_token)
        if self.failure:
            raise self.failure
        return renewable(self.clock, token=f"token-{len(self.shown)}", refresh_token=f"refresh-{len(self.shown)}")


def renewable(clock, **more):
    values = {"token": "token-0", "refresh_token": "refresh-0"} | more
    return Login(
        "https://g", "people", clock() + HOUR, renew_at=clock() + HOUR * 0.8, provider="https://login", **values
    )


@pytest.fixture
def renewal(clock):
    return Renewal(clock)


@pytest.fixture
def person(store, clock, renewal):
    store.save("default", renewable(clock))
    return StoredToken(store, "default", renew=renewal, clock=clock)


@pytest.mark.parametrize("failure", [IssuerUnavailable("away"), LoginFailed("ended"), LocalFileError("full")])
def test_a_login_that_cannot_be_renewed_serves_to_its_end_and_asks_seldom(person, renewal, clock, failure):
    renewal.failure = failure
    clock.advance(minutes=50)
    assert [person.credential().token for _ in range(3)] == ["token-0"] * 3
    assert len(renewal.shown) == 1
    clock.advance(seconds=10)
    person.credential()
    assert len(renewal.shown) == 2
    clock.advance(minutes=10)
    with pytest.raises(type(failure)):
        person.credential()


def test_a_login_without_a_refresh_token_is_not_renewed(store, clock, renewal):
    store.save("default", renewable(clock, refresh_token=""))
    source = StoredToken(store, "default", renew=renewal, clock=clock)
    clock.advance(minutes=59)
    assert (source.credential().token, renewal.shown) == ("token-0", [])


def test_a_login_is_renewed_ahead_of_its_end_by_one_thread_for_all(person, renewal, clock, store):
    assert person.credential().token == "token-0"
    clock.advance(minutes=48)
    found = []
    threads = [threading.Thread(target=lambda: found.append(person.credential().token)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (set(found), renewal.shown) == ({"token-1"}, ["refresh-0"])
    assert store.find("default").refresh_token == "refresh-1"


def test_a_login_that_ended_while_nobody_looked_is_renewed(person, clock):
    clock.advance(hours=3)
    assert person.credential().token == "token-1"


def test_two_processes_use_a_refresh_token_once(store, person, renewal, clock):
    other = StoredToken(store, "default", renew=renewal, clock=clock)
    clock.advance(minutes=50)
    assert [person.credential().token, other.credential().token] == ["token-1"] * 2
    assert renewal.shown == ["refresh-0"]


def test_a_renewed_login_keeps_its_key_object(store, clock, renewal):
    pem = ProofKey.generate().dump()
    store.save("default", renewable(clock, proof_key=pem))
    source = StoredToken(store, "default", renew=lambda login: replace(renewal(login), proof_key=pem), clock=clock)
    before = source.credential()
    clock.advance(minutes=50)
    after = source.credential()
    assert (after.token, after.key is before.key) == ("token-1", True)


def test_a_job_asks_a_platform_that_is_away_seldom(source, exchange, clock):
    source.credential()
    exchange.failure = GatewayUnavailable("away")
    clock.advance(minutes=50)
    for _ in range(3):
        source.credential()
    assert len(exchange.shown) == 2
