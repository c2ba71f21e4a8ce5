import json
from datetime import timedelta

import anyio
import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.audit.sinks.archive import ArchiveTarget
from gateway.audit.sinks.files import FileTarget, StdoutTarget
from gateway.audit.sinks.fleet import Outside, Sinks, deliveries_of, target_of
from gateway.audit.sinks.syslog import SyslogTarget
from gateway.audit.sinks.webhook import HecTarget, WebhookTarget
from gateway.errors import InvalidConfiguration, SinkUnavailable
from gateway.settings import SinkSettings
from gateway.storage.memory import MemoryObjectStore

pytestmark = pytest.mark.anyio

SINKS = TypeAdapter(list[SinkSettings])


@pytest.fixture
def outside(journal, tmp_path, noon):
    return Outside(journal, MemoryObjectStore(), lambda: noon, tmp_path / "sinks")


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("made-up-secret-of-32-bytes------\n")
    return str(file)


def sinks(*settings):
    return SINKS.validate_python(settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "a", "kind": "carrier-pigeon"},
        {"name": "../a", "kind": "stdout"},
        {"name": "a", "kind": "stdout", "surprise": 1},
        {"name": "a", "kind": "stdout", "batch": 0},
        {"name": "a", "kind": "archive", "format": "cef"},
        {"name": "a", "kind": "webhook", "url": "file:///etc/passwd", "secret_file": "s"},
    ],
)
def test_settings_that_make_no_sink_are_refused(settings):
    with pytest.raises(ValidationError):
        sinks(settings)


async def test_two_of_a_name_are_refused(outside):
    with pytest.raises(InvalidConfiguration, match="'a'"):
        deliveries_of(sinks({"name": "a", "kind": "stdout"}, {"name": "a", "kind": "stdout"}), outside)
    with pytest.raises(InvalidConfiguration, match="'detection'"):
        deliveries_of(sinks({"name": "detection", "kind": "stdout"}), outside)


@pytest.mark.parametrize("content", [None, b"", b"short", b"\xff" * 40])
async def test_a_secret_that_will_not_do_is_refused(outside, tmp_path, content):
    file = tmp_path / "made-up"
    if content is not None:
        file.write_bytes(content)
    [sink] = sinks({"name": "a", "kind": "webhook", "url": "https://siem", "secret_file": str(file)})
    with pytest.raises(InvalidConfiguration, match="made-up"):
        target_of(sink, outside)


async def test_an_archive_without_duckdb_is_said_at_start(outside, monkeypatch):
    monkeypatch.setattr("gateway.audit.parquet.find_spec", lambda _: None)
    with pytest.raises(InvalidConfiguration, match="DuckDB"):
        target_of(sinks({"name": "a", "kind": "archive"})[0], outside)


async def test_a_cursor_that_cannot_be_read_is_said_at_start(outside):
    outside.folder.mkdir()
    (outside.folder / "a.json").write_text("{")
    with pytest.raises(SinkUnavailable):
        deliveries_of(sinks({"name": "a", "kind": "stdout"}), outside)


async def test_each_kind_makes_its_target(outside, secret, tmp_path):
    made = [
        target_of(sink, outside)
        for sink in sinks(
            {"name": "a", "kind": "file", "path": str(tmp_path / "x"), "format": "ecs"},
            {"name": "b", "kind": "stdout"},
            {"name": "c", "kind": "webhook", "url": "https://siem", "secret_file": secret},
            {"name": "d", "kind": "splunk", "url": "https://siem", "token_file": secret},
            {"name": "e", "kind": "splunk", "url": "https://siem", "token_file": secret, "format": "cef"},
            {"name": "f", "kind": "syslog", "host": "siem"},
            {"name": "g", "kind": "archive"},
        )
    ]
    kinds = [FileTarget, StdoutTarget, WebhookTarget, HecTarget, HecTarget, SyslogTarget, ArchiveTarget]
    assert [type(one) for one in made] == kinds
    assert [made[3]._sourcetype, made[4]._sourcetype] == ["ocsf:json", "cef"]
    for one in made:
        await one.close()


async def test_sinks_run_side_by_side_and_one_that_is_away_holds_up_no_other(outside, tmp_path, uids):
    settings = sinks(
        {"name": "away", "kind": "file", "path": str(tmp_path / "missing" / "x")},
        {"name": "here", "kind": "file", "path": str(tmp_path / "here.ndjson")},
        {"name": "archive", "kind": "archive", "linger": 900},
    )
    async with Sinks(deliveries_of(settings, outside)) as running:
        with anyio.fail_after(10):
            while (found := await running.standings())[1].waiting or not found[0].fault:  # noqa: ASYNC110  # a state, not an event, is waited for
                await anyio.sleep(0.01)
    assert [one.name for one in found] == ["away", "here", "archive"]
    assert "No such file" in found[0].fault
    assert found[2].waiting == 11  # it lingers
    assert [json.loads(line)["metadata"]["uid"] for line in (tmp_path / "here.ndjson").read_text().splitlines()] == uids
    assert settings[2].linger == timedelta(minutes=15)
