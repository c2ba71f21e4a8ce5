import io
import json

import pytest

from gateway.audit.sinks.files import FileTarget, StdoutTarget
from gateway.audit.sinks.formats import ocsf
from gateway.audit.sinks.target import batch_of
from gateway.errors import SinkUnavailable

pytestmark = pytest.mark.anyio


@pytest.fixture
async def batch(journal):
    return batch_of("gateway-1", await journal.lines(after=0, limit=100))


async def test_a_file_that_cannot_be_written_is_unavailable(tmp_path, batch):
    with pytest.raises(SinkUnavailable, match="cannot be written: Is a directory"):
        await FileTarget(tmp_path, ocsf).send(batch)


async def test_a_closed_output_is_unavailable(batch):
    out = io.BytesIO()
    out.close()
    with pytest.raises(SinkUnavailable):
        await StdoutTarget(ocsf, out).send(batch)


async def test_a_file_holds_every_event_once(tmp_path, delivery_to, settle, uids):
    path = tmp_path / "events.ndjson"
    await settle(delivery_to(FileTarget(path, ocsf)))
    assert [json.loads(line)["metadata"]["uid"] for line in path.read_text().splitlines()] == uids


async def test_a_rotated_file_is_begun_anew(tmp_path, delivery_to):
    path = tmp_path / "events.ndjson"
    delivery = delivery_to(FileTarget(path, ocsf))
    await delivery.step()
    path.rename(tmp_path / "events.1")
    await delivery.step()
    assert len(path.read_text().splitlines()) == 4


async def test_the_standard_output_takes_lines(capfdbinary, batch, uids):
    target = StdoutTarget(ocsf)
    await target.send(batch)
    await target.close()
    assert [json.loads(line)["metadata"]["uid"] for line in capfdbinary.readouterr().out.splitlines()] == uids
