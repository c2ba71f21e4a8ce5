"""Events in their one encoding (FORMAT.md, section 2), so that a record's hash covers one spelling. Pure."""

from collections.abc import Mapping

import orjson

from gateway.audit.record import EventJson
from gateway.errors import JournalBroken

_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER  # above 2^53 readers disagree on what a number is
    | orjson.OPT_PASSTHROUGH_DATACLASS  # only what JSON knows is written, nothing by way of a guess
    | orjson.OPT_PASSTHROUGH_DATETIME
)


def encode_event(event: Mapping[str, object]) -> EventJson:
    r"""Return the event in its one encoding: keys sorted, no spaces, UTF-8. Its numbers are integers.

    >>> encode_event({"time": 1, "message": "é"})
    b'{"message":"\xc3\xa9","time":1}'

    Raises:
        TypeError: it is not made of what JSON and Unicode can say, or an integer has more than 53 bits.
    """
    return EventJson(orjson.dumps(event, option=_OPTIONS))


def decode_event(event: EventJson) -> dict[str, object]:
    """Return what was encoded, as `Record.read_event` does, and twice as fast: for whoever reads every event.

    >>> decode_event(encode_event({"time": 1}))
    {'time': 1}

    Raises:
        JournalBroken: it is no JSON, so we did not write it.
    """
    try:
        return dict(orjson.loads(event))
    except (TypeError, ValueError) as error:
        raise JournalBroken("A record was altered: its event is no JSON.") from error
