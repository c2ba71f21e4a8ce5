import os

import pytest

from gateway.client.bulk import BulkTransport, Span
from gateway.client.throttle import Throttle, parse_rate
from gateway.errors import InvalidInput


@pytest.mark.parametrize("text", ["", "0", "-5M", "fast", "5T", "1e9", "0.0001"])
def test_what_is_no_rate_is_refused(text):
    with pytest.raises(InvalidInput, match="no rate"):
        parse_rate(text)


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.mark.parametrize("pieces", [[10_000] * 20, [200_000], [1] * 1000])
def test_bytes_take_the_time_that_the_rate_gives_them(pieces):
    clock = Clock()
    throttle = Throttle(100_000, monotonic=clock, sleep=clock.sleep)
    for size in pieces:
        throttle.pay(size)
    assert clock.now == pytest.approx(max(0, sum(pieces) / 100_000 - 0.1))


def test_a_pause_saves_nothing_up():
    clock = Clock()
    throttle = Throttle(100_000, monotonic=clock, sleep=clock.sleep)
    clock.now = 1000.0
    throttle.pay(100_000)
    assert clock.now == pytest.approx(1000.9)


def test_both_ways_are_held_back(sim):
    clock = Clock()
    bulk = BulkTransport(Throttle(100_000, monotonic=clock, sleep=clock.sleep))
    sim.objects["obj/1"] = content = os.urandom(200_000)
    assert b"".join(bulk.get(f"{sim.url}/s3/obj/1?s=1", Span.whole(len(content)))) == content
    assert clock.now == pytest.approx(1.9)
    bulk.put(f"{sim.url}/s3/obj/2?size=200000", {"content-length": "200000"}, [content])
    assert clock.now == pytest.approx(3.9)
    assert sim.objects["obj/2"] == content
    bulk.close()
