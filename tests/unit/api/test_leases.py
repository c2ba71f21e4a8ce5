"""Leases: links are renewed under them by their holder alone, for their resources and purpose, and end with them."""

import pytest

pytestmark = pytest.mark.anyio

DIGITS = "dataset/vision/digits"
LEASE = {"resources": [DIGITS], "purpose": "run-4711", "ttl_seconds": 3 * 86_400}
DAY = 86_400


async def make(house, who="trainer", **more):
    answer = await house.ask(who, "POST", "/v1/leases", LEASE | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def link(house, lease, who="trainer", **more):
    body = {"paths": ["a.csv"], "mode": "stream", "lease": lease["id"]} | more
    return await house.links(who, body)


class TestRefusals:
    async def test_a_lease_for_a_purpose_that_policy_does_not_know_is_refused(self, digits):
        answer = await digits.ask("trainer", "POST", "/v1/leases", LEASE | {"purpose": "curiosity"})
        assert answer.status_code == 403
        assert (await digits.codes())[-1] == "access-denied"

    async def test_one_resource_that_is_refused_refuses_the_lease(self, digits):
        both = [DIGITS, "dataset/medical/scans"]
        assert (await digits.ask("trainer", "POST", "/v1/leases", LEASE | {"resources": both})).status_code == 403
        assert (await digits.ask("trainer", "GET", "/v1/leases")).json() == {"leases": []}

    async def test_a_lease_on_nothing_that_exists_is_refused(self, digits):
        answer = await digits.ask("ada", "POST", "/v1/leases", LEASE | {"resources": ["dataset/vision/none"]})
        assert answer.json()["code"] == "unknown-resource"

    @pytest.mark.parametrize(
        "more",
        [{"ttl_seconds": 0}, {"ttl_seconds": 7 * DAY + 1}, {"ttl_seconds": 10**12}, {"resources": []},
         {"resources": ["digits"]}, {"resources": [DIGITS] * 101}, {"purpose": ""}, {"purpose": "a\nb"},
         {"purpose": " x"}, {"purpose": "x" * 201}],
    )  # fmt: skip
    async def test_a_lease_out_of_bounds_is_refused(self, digits, more):
        assert (await digits.ask("ada", "POST", "/v1/leases", LEASE | more)).status_code in {400, 422}

    async def test_nobody_else_may_use_a_lease(self, digits):
        lease = await make(digits)
        answer = await link(digits, lease, who="ada")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-lease")
        assert (await link(digits, lease, who="other-job")).status_code == 403
        assert (await digits.codes())[-2:] == ["unknown-lease", "access-denied"]

    async def test_a_lease_is_for_its_resources_alone(self, digits):
        await digits.publish("dataset/vision/other", {"a.csv": b""})
        lease = await make(digits)
        body = {"paths": ["a.csv"], "lease": lease["id"]}
        assert (await digits.links("trainer", body, resource="dataset/vision/other")).status_code == 403

    async def test_without_its_lease_a_job_that_needs_a_purpose_is_refused(self, digits):
        await make(digits)
        assert (await digits.links("trainer", {"paths": ["a.csv"]})).status_code == 403

    async def test_a_lease_that_has_ended_gives_no_link(self, digits):
        lease = await make(digits, ttl_seconds=DAY)
        digits.time.advance(DAY)
        assert (await link(digits, lease)).status_code == 403
        assert (await link(digits, lease, who="ada")).json()["code"] == "unknown-lease"
        assert (await digits.ask("trainer", "GET", "/v1/leases")).json() == {"leases": []}

    async def test_a_revoked_lease_gives_no_link_and_its_links_die(self, digits):
        lease = await make(digits)
        url = (await link(digits, lease)).json()["links"][0]["url"]
        assert (await digits.follow(url)).status_code == 200
        assert (await digits.ask("trainer", "DELETE", f"/v1/leases/{lease['id']}")).status_code == 204
        assert (await digits.follow(url)).json()["code"] == "revoked"
        assert (await link(digits, lease)).status_code == 403
        assert (await digits.ask("trainer", "GET", "/v1/leases")).json() == {"leases": []}

    @pytest.mark.parametrize(
        "revoked",
        [
            {"kind": "principal", "value": "people/trainer"},
            {"kind": "subject", "value": "people/s-trainer"},
            {"kind": "issuer", "value": "people"},
            {"kind": "resource", "value": DIGITS},
        ],
    )
    async def test_a_lease_ends_with_its_holder_and_its_resource(self, digits, revoked):
        lease = await make(digits)
        assert (await digits.ask("ada", "POST", "/v1/revocations", revoked)).status_code == 201
        digits.time.advance(6)
        assert (await link(digits, lease)).status_code == 403
        assert (await link(digits, await make(digits))).status_code == 200

    async def test_somebody_elses_lease_cannot_be_revoked_or_seen(self, digits):
        lease = await make(digits)
        refused = await digits.ask("other-job", "DELETE", f"/v1/leases/{lease['id']}")
        unknown = await digits.ask("other-job", "DELETE", f"/v1/leases/{'0' * 32}")
        assert refused.status_code == unknown.status_code == 403
        assert refused.json()["detail"].replace(lease["id"], "0" * 32) == unknown.json()["detail"]
        assert (await digits.ask("other-job", "GET", "/v1/leases")).json() == {"leases": []}

    async def test_a_lease_that_is_not_there_is_said_to_who_may_know(self, digits):
        assert (await digits.ask("ada", "DELETE", f"/v1/leases/{'0' * 32}")).json()["code"] == "unknown-lease"
        assert (await digits.ask("ada", "DELETE", "/v1/leases/none")).status_code == 422


class TestUse:
    async def test_links_are_renewed_for_as_long_as_the_lease_runs(self, digits, content):
        lease = await make(digits, ttl_seconds=3 * DAY)
        for _ in range(3):
            answer = await link(digits, lease, ttl_seconds=3600)
            assert (await digits.follow(answer.json()["links"][0]["url"])).content == content
            digits.time.advance(DAY - 1)

    async def test_a_link_ends_with_its_lease_and_says_so(self, digits):
        lease = await make(digits, ttl_seconds=600)
        digits.time.advance(500)
        for mode in ("stream", "direct"):
            (issued,) = (await link(digits, lease, ttl_seconds=3600, mode=mode)).json()["links"]
            assert issued["expires_at"] == lease["expires_at"]

    async def test_a_lease_is_listed_to_its_holder_and_to_who_looks_after_leases(self, digits):
        lease = await make(digits)
        assert lease | {"holder": "people/trainer", "resources": [DIGITS], "purpose": "run-4711"} == lease
        for who in ("trainer", "ada"):
            assert (await digits.ask(who, "GET", "/v1/leases")).json() == {"leases": [lease]}

    async def test_who_looks_after_leases_may_revoke_one(self, digits):
        lease = await make(digits)
        assert (await digits.ask("ada", "DELETE", f"/v1/leases/{lease['id']}")).status_code == 204
        assert (await link(digits, lease)).status_code == 403

    async def test_the_journal_tells_of_the_lease(self, digits):
        lease = await make(digits)
        await link(digits, lease)
        made, used = (await digits.events())[-2:]
        assert made["api"]["operation"] == "gateway:CreateLease"
        assert made["api"]["response"]["data"]["lease"] == lease["id"]
        assert used["api"]["response"]["data"]["lease"] == lease["id"]
