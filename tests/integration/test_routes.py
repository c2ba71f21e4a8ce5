"""Every route of the API against one table: which are public, and which action each other one asks the policy for."""

import json
import tomllib

import pytest

pytestmark = pytest.mark.integration

RESOURCE = "/v1/{kind}/{namespace}/{name}"
PUSH = f"{RESOURCE}/pushes/{{push_id}}"
PUBLIC = {
    "GET /v1/login",
    "POST /oauth2/token",
    "GET /.well-known/jwks.json",
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/oauth-protected-resource",
    "GET /d/{token}",  # the link is the permission, and its issue was decided
    "HEAD /d/{token}",
    "GET /healthz",
    "GET /readyz",
}
"""What anybody may ask."""
OF_ONESELF = {"GET /v1/whoami"}
"""What needs a token, and no policy."""
ACTIONS = {
    "GET /v1/resources": ("ListResources", None),
    f"GET {RESOURCE}": ("DescribeResource", None),
    f"GET {RESOURCE}/versions/{{ref}}/files": ("ListFiles", None),
    f"GET {RESOURCE}/versions/{{ref}}/files:stream": ("ListFiles", None),
    f"GET {RESOURCE}/log": ("DescribeResource", None),
    f"GET {RESOURCE}/versions/{{ref}}/diff": ("ListFiles", None),
    f"DELETE {RESOURCE}/versions/{{ref}}": ("DeleteVersion", None),
    f"GET {RESOURCE}/versions/{{ref}}/check": ("CheckVersion", None),
    f"POST {RESOURCE}/garbage:collect": ("CollectGarbage", {}),
    f"PUT {RESOURCE}/tags/{{tag}}": ("MoveTag", {"version": "v1"}),
    f"PATCH {RESOURCE}/resource-tags": ("TagResource", {"put": {"sensitivity": "low"}}),
    f"POST {RESOURCE}/versions/{{ref}}/links": ("ReadFile", {"paths": ["a"]}),
    "POST /v1/links:batch": ("ReadFile", {"resource": "dataset/vision/x", "paths": ["a"]}),
    "GET /v1/leases": ("ListLeases", None),
    "POST /v1/leases": (
        "CreateLease",
        {"resources": ["dataset/vision/x"], "purpose": "run-1", "ttl_seconds": 60},
    ),
    "DELETE /v1/leases/{lease_id}": ("RevokeLease", None),
    "POST /v1/revocations": ("Revoke", {"kind": "principal", "value": "people/x"}),
    f"POST {RESOURCE}/pushes": ("PublishVersion", {}),
    f"POST {PUSH}/objects": ("PublishVersion", {"sizes": [1]}),
    f"POST {PUSH}/objects/{{number}}/parts": ("PublishVersion", {"size": 1, "parts": [1]}),
    f"POST {PUSH}/objects/{{number}}/complete": ("PublishVersion", {"etags": ["x"]}),
    f"POST {PUSH}/commit": ("PublishVersion", None),
    f"DELETE {PUSH}": ("PublishVersion", None),
    f"GET {RESOURCE}/keys": ("DescribeKeys", None),
    f"POST {RESOURCE}/keys:rotate": ("RotateKey", None),
    "POST /v1/keys:rotate-due": ("ListResources", {"older_than_seconds": 0}),
    f"POST {RESOURCE}/keys:new-epoch": ("RotateKey", None),
    f"POST {RESOURCE}/keys:retire": ("RotateKey", None),
    f"POST {RESOURCE}/reencryption": ("ReencryptObjects", {}),
    f"GET {RESOURCE}/reencryption": ("DescribeKeys", None),
    f"DELETE {RESOURCE}/reencryption": ("ReencryptObjects", None),
    f"POST {RESOURCE}/shred": ("ShredKey", {"confirm": "x", "reason": "x"}),
    f"GET {RESOURCE}/shred": ("DescribeKeys", None),
    f"POST {RESOURCE}/shred:approve": ("ApproveShred", {"confirm": "x"}),
    f"DELETE {RESOURCE}/shred": ("UndoShred", None),
    "GET /v1/audit/events": ("ReadAudit", None),
    "GET /v1/audit/events:search": ("ReadAudit", None),
    "GET /v1/audit/sinks": ("ReadAudit", None),
    "GET /v1/audit/checkpoint": ("ReadAudit", None),
    "GET /v1/audit/tile/entries/{place}": ("ReadAudit", None),
    "GET /v1/audit/tile/{level}/{place}": ("ReadAudit", None),
    "GET /v1/audit/proofs/{seq}": ("ReadAudit", None),
    "POST /v1/policy:explain": (
        "ExplainDecision",
        {"principal": {"user": "ada"}, "action": "gateway:ReadFile", "resource": "dataset/vision/x/v1/a"},
    ),
}
"""For each route that policy decides: the action, and a body that it reads."""
PLACES = {
    "kind": "dataset",
    "namespace": "vision",
    "name": "x",
    "ref": "v1",
    "tag": "prod",
    "push_id": "0" * 32,
    "lease_id": "0" * 32,
    "number": 0,
    "place": "000",
    "level": 0,
    "seq": 1,
}


@pytest.fixture
def denying(start_gateway, tmp_path):
    """A gateway whose policies allow nothing to anybody."""
    policies = tmp_path / "policies"
    policies.mkdir()
    statement = {"Effect": "Deny", "Principal": "*", "Action": "gateway:*", "Resource": "*"}
    (policies / "nothing.json").write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    served = start_gateway(policies=policies)
    assert tomllib.loads((served.folder / "gateway.toml").read_text())["policy"]["directory"] == str(policies)
    return served


def send(http, route, body=None):
    method, _, path = route.partition(" ")
    return http.request(method, path.format(**PLACES, token="x"), json=body)


def test_every_route_is_in_the_table(web, shared):
    paths = web.get(f"{shared.url}/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert routes - PUBLIC == OF_ONESELF | set(ACTIONS)


@pytest.mark.parametrize("route", sorted(OF_ONESELF | set(ACTIONS)))
@pytest.mark.parametrize("header", [{}, {"authorization": "Bearer x"}, {"authorization": "Basic eDp5"}])
def test_every_other_route_refuses_whoever_shows_no_good_token(api, route, header):
    http = api(None)
    http.headers.update(header)
    answer = send(http, route, ACTIONS.get(route, (None, None))[1])
    assert (answer.status_code, answer.json()["status"]) == (401, 401)
    assert answer.headers["www-authenticate"]


def test_every_route_asks_the_policy_for_its_own_action(denying, api):
    http = api("ada", denying)
    asked = {}
    for route, (_, body) in ACTIONS.items():
        answer = send(http, route, body)
        assert (answer.status_code, answer.json()["code"]) == (403, "access-denied"), (route, answer.text)
        told = denying.told_of(answer.headers["x-request-id"])
        assert {entry.decision for entry in told} == {"Denied"}, route
        asked[route] = {entry.action.removeprefix("gateway:") for entry in told}
    assert asked == {route: {action} for route, (action, _) in ACTIONS.items()}
