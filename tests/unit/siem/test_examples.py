"""The example configurations: well-formed, joined up, and about fields that events have."""

import json
import re
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from gateway.audit.canonical import encode_event
from gateway.audit.event import journal_started
from gateway.audit.record import Record
from gateway.audit.sinks.formats import ecs, ocsf
from gateway.settings import SinkSettings

FOLDER = Path(__file__).parents[3] / "infra" / "siem"
RECORD = Record(1, b"", encode_event(journal_started("gateway-1", at=datetime(2026, 3, 1, tzinfo=UTC))), b"")


def read(name):
    return yaml.safe_load((FOLDER / name).read_text())


@pytest.mark.parametrize("name", ["vector.yaml", "fluent-bit.yaml"])
def test_no_secret_is_in_an_example(name):
    for line in (FOLDER / name).read_text().splitlines():
        if re.search(r"^\s*(token|http_passwd|http_user):", line):
            assert re.search(r"\$\{[A-Z_]+\}$", line), line


def test_vectors_parts_are_joined():
    found = read("vector.yaml")
    parts = {**found["sources"], **found["transforms"], **found["sinks"]}
    taken = {name for part in parts.values() for name in part.get("inputs", [])}
    assert taken == set(parts) - set(found["sinks"])


def test_vector_tells_events_by_their_id():
    event = json.loads(ocsf(RECORD))
    for path in read("vector.yaml")["transforms"]["once"]["fields"]["match"]:
        outer, inner = path.split(".")
        assert event[outer][inner]


def test_fluent_bit_tells_events_by_their_id_and_time():
    found = read("fluent-bit.yaml")
    event = json.loads(ecs(RECORD))
    [output], [lifted] = found["pipeline"]["outputs"], found["pipeline"]["filters"]
    assert event[lifted["nested_under"]][output["id_key"].removeprefix(lifted["add_prefix"])]
    assert event[found["parsers"][0]["time_key"]]


def test_the_settings_that_are_shown_are_settings():
    [shown] = re.findall(r"```toml\n(.*?)```", (FOLDER / "README.md").read_text(), re.DOTALL)
    assert len(TypeAdapter(list[SinkSettings]).validate_python(tomllib.loads(shown)["sinks"])) == 4
