"""What the OpenAPI promises, asked of a running gateway with generated requests: no 5xx, only described answers."""

import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import FailureGroup

pytestmark = pytest.mark.integration

EXAMPLES = 8
"""Requests for each operation, caller and mode."""
PROMISES = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
]


@schemathesis.serializer("application/x-ndjson")
def as_lines(_, value):
    return value if isinstance(value, bytes) else str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def description(shared):
    return schemathesis.openapi.from_url(f"{shared.url}/openapi.json")


@pytest.fixture
def existing(ada, api, name, folder):
    """The parts of paths that lead to something: generated names hardly ever do."""
    ada.push(folder({"a": b"a"}), name)
    push = api("ada").post(f"/v1/{name}/pushes", json={}).json()["push_id"]
    kind, namespace, own = name.split("/")
    token = ada.link(f"{name}/a").url.rpartition("/")[2]
    return {
        "kind": kind,
        "namespace": namespace,
        "name": own,
        "ref": "v1",
        "tag": "prod",
        "push_id": push,
        "number": 0,
        "token": token,
    }


@pytest.mark.parametrize("who", [None, "ada"])
def test_every_operation_answers_as_it_is_described(description, shared, token_for, existing, who):
    headers = {"authorization": f"Bearer {token_for(shared, who)}"} if who else {}
    checks = CHECKS.get_by_names(PROMISES)
    seen = set()
    turn = itertools.cycle([{}, existing])

    def ask(case):
        known = next(turn)
        case.path_parameters |= {part: known.get(part, made) for part, made in (case.path_parameters or {}).items()}
        response = case.call(headers=headers, timeout=20)
        seen.add(response.status_code)
        case.validate_response(response, checks=checks, headers=headers)

    within = settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    faults = {}
    for found in description.get_all_operations():
        operation = found.ok()
        for mode in GenerationMode:  # requests that fit the description, and requests that do not
            try:
                within(given(operation.as_strategy(generation_mode=mode))(ask))()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE  # nothing about a request without parameters can be wrong
            except (Exception, FailureGroup) as error:  # noqa: BLE001 -- all operations are asked, then all faults are told
                told = getattr(error, "exceptions", [error])
                faults[f"{mode.value} {operation.label}"] = "; ".join(str(one)[:1000] for one in told)
    assert not faults, "\n\n".join(f"{label}: {fault}" for label, fault in faults.items())
    assert seen >= ({200, 401} if who is None else {200, 403, 422}), seen
