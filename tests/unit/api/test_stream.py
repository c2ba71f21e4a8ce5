"""Stream links over HTTP: what they refuse, what they send, and what a browser's page may do with them."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.client.dpop import ProofKey
from gateway.errors import StateUnavailable
from gateway.model import ResourceName, marks_of

pytestmark = pytest.mark.anyio

PAGE = "https://labels.example.org"


class TestRefusals:
    async def test_an_altered_link_is_refused_and_recorded(self, digits):
        url = await digits.stream_link()
        assert (await digits.follow(url[:-1] + ("A" if url[-1] != "A" else "B"))).status_code == 403
        assert (await digits.codes())[-1] == "link-refused"

    async def test_an_expired_link_is_refused_and_recorded(self, digits):
        url = await digits.stream_link(ttl_seconds=60)
        digits.time.advance(60)
        answer = await digits.follow(url)
        assert (answer.status_code, answer.json()["code"]) == (410, "link-expired")
        assert (await digits.codes())[-1] == "link-expired"

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
    async def test_another_method_is_refused_and_recorded(self, digits, method):
        answer = await digits.follow(await digits.stream_link(), method)
        assert (answer.status_code, answer.headers["allow"], answer.json()["code"]) == (
            405,
            "GET, HEAD",
            "link-refused",
        )
        assert (await digits.codes())[-1] == "link-refused"

    async def test_a_link_is_refused_from_another_network_and_recorded(self, digits):
        url = await digits.stream_link(network="10.1.0.0/16")
        assert (await digits.follow(url)).status_code == 200
        for elsewhere in ("10.2.0.1", "2001:db8::1", "::ffff:10.2.0.1", "", "testclient"):
            digits.source_ip = elsewhere
            assert (await digits.follow(url)).json()["code"] == "link-refused"
        assert (await digits.codes())[-5:] == ["link-refused"] * 5
        digits.source_ip = "::ffff:10.1.9.9"
        assert (await digits.follow(url)).status_code == 200

    @pytest.mark.parametrize(
        "sent",
        [{}, {"range": "bytes=0-99"}, {"range": "bytes=99-199"}, {"range": "bytes=100-200"}, {"range": "bytes=-1"},
         {"range": "bytes=150-"}, {"range": "bytes=100-199", "if_range": '"another"'},
         {"range": "bytes=100-110,120-130"}, {"range": "lines=100-199"}],
    )  # fmt: skip
    async def test_a_link_for_some_bytes_is_refused_for_others_and_recorded(self, digits, sent):
        url = await digits.stream_link(range=[100, 199])
        assert (await digits.follow(url, **sent)).json()["code"] == "link-refused"
        assert (await digits.codes())[-1] == "link-refused"
        denied = (await digits.events())[-1]
        assert (denied["action"], denied["actor"]["user"]["name"]) == ("Denied", "ada")

    async def test_a_link_is_refused_once_it_was_used_as_often_as_it_may(self, digits, content):
        url = await digits.stream_link(uses=2)
        for _ in range(2):
            assert (await digits.follow(url)).content == content
        assert (await digits.follow(url, "HEAD")).status_code == 200
        assert (await digits.follow(url)).json()["code"] == "link-refused"
        assert (await digits.follow(url, range="bytes=0-0")).status_code == 403

    @pytest.mark.parametrize(
        "asked",
        [{"range": [5, 4]}, {"range": [-1, 4]}, {"range": [1]}, {"uses": 0}, {"uses": 1_000_001},
         {"network": "everywhere"}, {"network": "10.0.0.1/8"}, {"lease": "x"}, {"jkt": "x"}],
    )  # fmt: skip
    async def test_restrictions_that_mean_nothing_are_refused(self, digits, asked):
        answer = await digits.links("ada", {"paths": ["a.csv"], "mode": "stream"} | asked)
        assert answer.status_code in {400, 422}

    @pytest.mark.parametrize("asked", [{"range": [0, 9]}, {"uses": 1}, {"network": "10.0.0.0/8"}, {"bound": True}])
    async def test_a_direct_link_cannot_be_restricted_and_says_so(self, digits, asked):
        answer = await digits.links("ada", {"paths": ["a.csv"]} | asked)
        assert answer.status_code == 400
        assert "S3 cannot hold" in answer.json()["detail"]

    async def test_a_link_for_a_path_that_was_never_decided_cannot_be_had(self, digits):
        answer = await digits.links("ivan", {"paths": ["a.csv", "held-out/b.csv"], "mode": "stream"}, ref="latest")
        assert answer.status_code == 403
        assert "url" not in answer.text

    @pytest.mark.parametrize("mark", range(5))
    async def test_a_revoked_link_is_refused_and_recorded(self, digits, mark):
        url = await digits.stream_link()
        claims = digits.stream_links.open(url.rpartition("/")[2], source_ip="")
        revoked = marks_of(claims.grant.principal, claims.grant.resource, link=claims.token_id.hex())[mark]
        answer = await digits.ask("ada", "POST", "/v1/revocations", {"kind": revoked.kind, "value": revoked.value})
        assert answer.status_code == 201, answer.text
        assert (await digits.follow(url)).json()["code"] == "revoked"
        denied = (await digits.events())[-1]
        assert (denied["action"], denied["status_code"]) == ("Denied", "revoked")
        digits.time.advance(6)
        assert (await digits.follow(await digits.stream_link())).status_code == 200

    async def test_a_download_under_way_ends_when_its_link_is_revoked(self, digits):
        url = await digits.stream_link(path="train/größe 1.bin")
        claims = digits.stream_links.open(url.rpartition("/")[2], source_ip="")
        pieces = await digits.app.state.broker.streams.read(claims, 0, 3_000_000, digits.came_from())
        got = [await anext(pieces)]
        answer = await digits.ask(
            "ada", "POST", "/v1/revocations", {"kind": "resource", "value": "dataset/vision/digits"}
        )
        assert answer.status_code == 201
        with pytest.raises(Exception, match="was revoked"):
            got += [piece async for piece in pieces]
        assert sum(map(len, got)) < 3_000_000
        ended = (await digits.events())[-1]
        assert (ended["status_code"], ended["unmapped"]["bytes_sent"]) == ("revoked", sum(map(len, got)))
        assert digits.objects.open == 0


class TestBound:
    """Links that are bound to a key of their user's."""

    @pytest.fixture
    def key(self, time):
        return ProofKey(ec.generate_private_key(ec.SECP256R1()), clock=time)

    @pytest.fixture
    def bound(self, digits, key):
        digits.people["ada"] = replace(digits.people["ada"], key_thumbprint=key.thumbprint)
        return digits

    async def test_a_link_without_its_proof_is_refused_and_recorded(self, bound):
        answer = await bound.follow(await bound.stream_link(bound=True))
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid-dpop-proof")
        assert (await bound.codes())[-1] == "invalid-dpop-proof"
        assert (await bound.events())[-1]["action"] == "Denied"

    async def test_a_proof_of_another_key_call_or_link_is_refused(self, bound, key, time):
        url = await bound.stream_link(bound=True)
        other_link = await bound.stream_link(bound=True)
        other_key = ProofKey(ec.generate_private_key(ec.SECP256R1()), clock=time)
        for proof in (other_key.proof("GET", url), key.proof("HEAD", url), key.proof("GET", other_link), "", "a.b.c"):
            answer = await bound.follow(url, dpop=proof)
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid-dpop-proof")

    async def test_a_proof_is_good_once(self, bound, key, content):
        url = await bound.stream_link(bound=True)
        proof = key.proof("GET", url)
        assert (await bound.follow(url, dpop=proof)).content == content
        assert (await bound.follow(url, dpop=proof)).json()["code"] == "invalid-dpop-proof"
        assert (await bound.follow(url, dpop=key.proof("GET", url))).content == content

    async def test_a_token_without_a_key_binds_no_link(self, digits):
        answer = await digits.links("ada", {"paths": ["a.csv"], "mode": "stream", "bound": True})
        assert (answer.status_code, "bound to no key" in answer.json()["detail"]) == (400, True)

    async def test_a_link_that_was_not_asked_to_be_bound_needs_no_proof(self, bound, content):
        assert (await bound.follow(await bound.stream_link())).content == content

    async def test_batches_are_bound_too(self, bound, key):
        asked = {"resource": "dataset/vision/digits", "prefix": "a.csv", "mode": "stream", "bound": True}
        answer = await bound.ask("ada", "POST", "/v1/links:batch", asked)
        url = json.loads(answer.text.splitlines()[1])["url"]
        assert (await bound.follow(url)).status_code == 401
        assert (await bound.follow(url, dpop=key.proof("GET", url))).status_code == 200


class TestAnswers:
    async def test_the_whole_file_is_sent_with_what_tells_of_it(self, digits, content):
        answer = await digits.follow(await digits.stream_link())
        assert (answer.status_code, answer.content) == (200, content)
        sent = answer.headers
        assert sent["content-length"] == str(len(content))
        assert sent["accept-ranges"] == "bytes"
        assert sent["etag"].startswith('"')
        assert sent["cache-control"] == "private, no-store"
        assert sent["referrer-policy"] == "no-referrer"
        assert sent["content-type"] == "application/octet-stream"
        assert sent["x-content-type-options"] == "nosniff"
        assert sent["content-disposition"].startswith("attachment")
        assert "content-range" not in sent
        assert "access-control-allow-origin" not in sent

    @pytest.mark.parametrize("path", ["a.csv", "train/größe 1.bin", "empty"])
    async def test_head_says_what_get_says(self, digits, path):
        url = await digits.stream_link(path=path)
        get, head = await digits.follow(url), await digits.follow(url, "HEAD")
        assert head.status_code == get.status_code
        assert head.content == b""
        assert {**head.headers, "x-request-id": ""} == {**get.headers, "x-request-id": ""}

    async def test_an_empty_file_is_sent(self, digits):
        answer = await digits.follow(await digits.stream_link(path="empty"))
        assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")

    @pytest.mark.parametrize(
        ("asked", "start", "end"),
        [
            ("bytes=0-0", 0, 1),
            ("bytes=0-499", 0, 500),
            ("bytes=4000-", 4000, 4096),
            ("bytes=4000-9999", 4000, 4096),
            ("bytes=-1", 4095, 4096),
            ("bytes=-500", 3596, 4096),
            ("bytes=-9999", 0, 4096),
            ("BYTES=1-1", 1, 2),
            ("bytes= 1-1 ,", 1, 2),
            ("bytes=4095-4095", 4095, 4096),
            ("bytes=0-99999999999999999999999999", 0, 4096),
        ],
    )
    async def test_a_range_is_sent_exactly(self, digits, content, asked, start, end):
        answer = await digits.follow(await digits.stream_link(), range=asked)
        assert (answer.status_code, answer.content) == (206, content[start:end])
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/4096"
        assert answer.headers["content-length"] == str(end - start)

    @pytest.mark.parametrize(
        "asked",
        ["", "bytes", "bytes=", "bytes=a-b", "bytes=5-4", "bytes=--1", "bytes=1-2-3", "bytes=0-1,3-4", "rows=0-1",
         "bytes=0x1-0x2", "bytes=-", "bytes=1", "bytes=+1-2", "bytes=0-" + "9" * 300, "bytes=\u0661-\u0662"],
    )  # fmt: skip
    async def test_a_range_that_is_none_or_several_is_passed_over(self, digits, content, asked):
        answer = await digits.follow(await digits.stream_link(), range=asked.encode())
        assert (answer.status_code, answer.content) == (200, content)

    @pytest.mark.parametrize("asked", ["bytes=4096-", "bytes=4096-5000", "bytes=99999999999999999999-", "bytes=-0"])
    async def test_a_range_without_a_byte_of_the_file_is_told_its_size(self, digits, asked):
        answer = await digits.follow(await digits.stream_link(), range=asked)
        assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */4096")
        assert answer.json()["code"] == "range-not-satisfiable"

    async def test_a_range_of_an_empty_file(self, digits):
        url = await digits.stream_link(path="empty")
        assert (await digits.follow(url, range="bytes=0-")).status_code == 416
        assert (await digits.follow(url, range="bytes=-5")).status_code == 200

    async def test_head_passes_a_range_over(self, digits):
        answer = await digits.follow(await digits.stream_link(), "HEAD", range="bytes=0-9")
        assert (answer.status_code, answer.headers["content-length"]) == (200, "4096")

    async def test_conditions(self, digits, content):
        url = await digits.stream_link()
        etag = (await digits.follow(url, "HEAD")).headers["etag"]
        for sent, status in (
            ({"if_none_match": etag}, 304),
            ({"if_none_match": f'"x", W/{etag}'}, 304),
            ({"if_none_match": "*"}, 304),
            ({"if_none_match": '"x"'}, 200),
            ({"if_match": etag}, 200),
            ({"if_match": "*"}, 200),
            ({"if_match": f"W/{etag}"}, 412),
            ({"if_match": '"x"'}, 412),
            ({"if_match": '"x"', "if_none_match": etag}, 412),
            ({"if_none_match": etag, "range": "bytes=0-9"}, 304),
            ({"if_match": '"x"', "range": "bytes=9999-"}, 412),
            ({"if_range": etag, "range": "bytes=0-9"}, 206),
            ({"if_range": f"W/{etag}", "range": "bytes=0-9"}, 200),
            ({"if_range": "Tue, 01 Jan 2030 00:00:00 GMT", "range": "bytes=0-9"}, 200),
            ({"if_range": '"x"', "range": "bytes=9999-"}, 200),
        ):
            answer = await digits.follow(url, **sent)
            assert (answer.status_code, sent) == (status, sent)
            assert answer.headers["etag"] == etag
            assert answer.content == {304: b"", 412: b"", 206: content[:10], 200: content}[status]

    async def test_a_link_for_some_bytes_sends_them(self, digits, content):
        url = await digits.stream_link(range=[100, 199])
        for asked, start, end in (("bytes=100-199", 100, 200), ("bytes=150-150", 150, 151)):
            answer = await digits.follow(url, range=asked)
            assert (answer.status_code, answer.content) == (206, content[start:end])
        assert (await digits.follow(url, "HEAD")).headers["content-length"] == "4096"

    async def test_each_use_is_recorded_with_its_bytes(self, digits):
        url = await digits.stream_link()
        await digits.follow(url, range="bytes=10-19")
        served = (await digits.events())[-1]
        assert served["unmapped"] == {"bytes_sent": 10, "range": {"start": 10, "end": 20}}
        assert served["authorizations"][0]["policy"]["name"].startswith("link#")

    async def test_each_use_names_its_trace_the_version_and_how_sensitive_it_is(self, digits):
        resource = await digits.catalog.find_resource(ResourceName.parse("dataset/vision/digits"))
        await digits.catalog.change_resource_tags(resource, put={"sensitivity": "restricted"}, remove=[])
        url, trace = await digits.stream_link(), "0af7651916cd43dd8448eb211c80319c"
        await digits.follow(url, traceparent=f"00-{trace}-b7ad6b7169203331-01")
        intended, served = (await digits.events())[-2:]
        assert intended["trace"]["uid"] == served["unmapped"]["trace_uid"] == trace
        for thing in (intended["resources"][0], served["databucket"]):
            assert thing["version"] == "v1"
            assert thing["tags"] == [{"name": "sensitivity", "value": "restricted"}]

    async def test_a_link_is_served_without_the_database_and_its_event_says_less(self, digits, monkeypatch):
        url = await digits.stream_link()

        async def away(*_, **__):
            raise StateUnavailable("away")

        monkeypatch.setattr(type(digits.catalog), "find_resource", away)
        assert (await digits.follow(url)).status_code == 200
        assert "version" not in (await digits.events())[-1]["databucket"]

    async def test_a_link_ends_with_its_token_and_says_so(self, digits):
        person = digits.people["ada"]
        left = timedelta(seconds=100)
        digits.people["ada"] = type(person)(
            person.issuer, person.subject, person.kind, person.name, person.groups, expires_at=digits.time() + left
        )
        link = (await digits.links("ada", {"paths": ["a.csv"], "ttl_seconds": 3600})).json()["links"][0]
        assert link["expires_at"] == "2030-01-01T00:01:40Z"


class TestPages:
    async def test_a_page_of_another_origin_learns_nothing(self, digits):
        url = await digits.stream_link()
        for origin in ("https://evil.example", "null", f"{PAGE}.evil.example", PAGE.upper(), f"{PAGE}:444"):
            answer = await digits.follow(url, origin=origin)
            assert "access-control-allow-origin" not in answer.headers
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"
            assert answer.headers["vary"] == "Origin"
            preflight = await digits.follow(url, "OPTIONS", origin=origin, access_control_request_method="GET")
            assert preflight.status_code == 403
            assert "access-control-allow-origin" not in preflight.headers

    async def test_a_page_of_an_allowed_origin_may_ask_for_ranges(self, digits):
        url = await digits.stream_link()
        preflight = await digits.follow(
            url,
            "OPTIONS",
            origin=PAGE,
            access_control_request_method="GET",
            access_control_request_headers="range,if-range",
        )
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == PAGE
        assert preflight.headers["access-control-allow-methods"] == "GET, HEAD"
        assert {"range", "if-range"} <= set(preflight.headers["access-control-allow-headers"].split(", "))
        answer = await digits.follow(url, origin=PAGE, range="bytes=0-9")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (206, PAGE)
        assert "content-range" in answer.headers["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in answer.headers

    @pytest.mark.parametrize(("status", "sent"), [(416, {"range": "bytes=9999-"}), (304, {"if_none_match": "*"})])
    async def test_such_a_page_can_read_every_answer(self, digits, status, sent):
        answer = await digits.follow(await digits.stream_link(), origin=PAGE, **sent)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, PAGE)

    async def test_the_rest_of_the_interface_is_for_no_page(self, digits):
        answer = await digits.follow("/healthz", origin=PAGE)
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers
