"""Revoking takes a policy's leave, names one thing in its one spelling, and can hold new requests off."""

import pytest

pytestmark = pytest.mark.anyio

DIGITS = "dataset/vision/digits"


async def revoke(house, who="ada", **what):
    return await house.ask(who, "POST", "/v1/revocations", what)


@pytest.mark.parametrize("kind", ["link", "lease", "principal", "resource"])
async def test_who_may_not_revoke_is_refused_and_recorded(digits, kind):
    value = {"principal": "people/ada", "resource": DIGITS}.get(kind, "0a" * 16)
    assert (await revoke(digits, "trainer", kind=kind, value=value)).status_code == 403
    assert (await digits.codes())[-1] == "access-denied"


@pytest.mark.parametrize(
    "what",
    [
        {"kind": "link", "value": "0A" * 16},
        {"kind": "link", "value": "0a"},
        {"kind": "lease", "value": "people/ada"},
        {"kind": "principal", "value": "ada"},
        {"kind": "principal", "value": "people/"},
        {"kind": "principal", "value": "people/a\nb"},
        {"kind": "resource", "value": "dataset/vision"},
        {"kind": "resource", "value": f"{DIGITS}/v1"},
        {"kind": "resource", "value": ""},
        {"kind": "planet", "value": "x"},
        {"kind": "issuer", "value": "people/ada"},
        {"kind": "subject", "value": "people"},
        {"kind": "token", "value": "a\x00b"},
        {"kind": "resource", "value": DIGITS, "freeze_seconds": -1},
        {"kind": "resource", "value": DIGITS, "freeze_seconds": 31 * 86_400},
        {"kind": "resource", "value": DIGITS, "freeze_seconds": 10**15},
        {"kind": "resource", "value": DIGITS, "more": 1},
    ],
)
async def test_what_names_nothing_is_refused(digits, what):
    assert (await revoke(digits, **what)).status_code in {400, 422}


async def test_for_five_seconds_what_other_instances_still_issue_is_revoked_as_well(digits):
    assert (await revoke(digits, kind="resource", value=DIGITS)).json()["issued_before"] == "2030-01-01T00:00:05Z"
    digits.time.advance(5)
    assert (await digits.links("ada", {"paths": ["a.csv"]})).json()["code"] == "revoked"
    digits.time.advance(0.1)
    assert (await digits.links("ada", {"paths": ["a.csv"]})).status_code == 200


@pytest.mark.parametrize(("kind", "value"), [("principal", "people/ada"), ("resource", DIGITS)])
async def test_what_is_frozen_gets_nothing_new(digits, kind, value):
    assert (await revoke(digits, kind=kind, value=value, freeze_seconds=3600)).status_code == 201
    digits.time.advance(3600)
    assert (await digits.links("ada", {"paths": ["a.csv"]})).json()["code"] == "revoked"
    lease = {"resources": [DIGITS], "purpose": "run-1", "ttl_seconds": 60}
    assert (await digits.ask("ada", "POST", "/v1/leases", lease)).json()["code"] == "revoked"
    digits.time.advance(1)
    assert (await digits.links("ada", {"paths": ["a.csv"]})).status_code == 200


async def test_others_keep_what_they_have(digits):
    url = await digits.stream_link("ivan")
    await revoke(digits, kind="principal", value="people/ada", freeze_seconds=60)
    assert (await digits.follow(url)).status_code == 200
    assert (await digits.links("ivan", {"paths": ["a.csv"]})).status_code == 200


async def test_the_journal_tells_who_revoked_what_before_it_is_done(digits):
    await revoke(digits, kind="principal", value="people/ivan")
    intended, done, _ = (await digits.events())[-3:]
    assert (intended["status"], done["status"]) == ("Intended", "Success")
    assert done["resources"][0]["uid"] == "principal/people/ivan"
    assert done["actor"]["user"]["name"] == "ada"


async def test_only_what_was_issued_up_to_a_moment_can_be_revoked(digits):
    digits.time.advance(60)
    answer = await revoke(digits, kind="resource", value=DIGITS, issued_before="2030-01-01T00:00:30Z")
    assert answer.json()["issued_before"] == "2030-01-01T00:00:30Z"
    assert (await digits.links("ada", {"paths": ["a.csv"]})).status_code == 200


@pytest.mark.parametrize(
    "more",
    [
        {"issued_before": "2030-01-02T00:00:00Z"},
        {"issued_before": "2029-01-01T00:00:00"},
        {"issued_before": "yesterday"},
        {"issued_before": "2029-01-01T00:00:00Z", "freeze_seconds": 60},
    ],
)
async def test_a_moment_that_is_to_come_or_has_no_zone_is_refused(digits, more):
    assert (await revoke(digits, kind="resource", value=DIGITS, **more)).status_code in {400, 422}


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        ("principal", "people/ada", [("people", "ada")]),
        ("subject", "people/1", [("people", "1")]),
        ("issuer", "people", [("people", "everybody")]),
        ("client", "people/web", [("people", "everybody at the client web")]),
        ("token", "jti-1", [(None, "the holder of the token jti-1")]),
        ("resource", DIGITS, []),
    ],
)
async def test_an_account_that_is_shut_out_is_an_account_change(digits, kind, value, told):
    assert (await revoke(digits, kind=kind, value=value)).status_code == 201
    changes = [one for one in await digits.events() if one["class_uid"] == 3001]
    assert [(one["user"].get("domain"), one["user"]["name"]) for one in changes] == told
