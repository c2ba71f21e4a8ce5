import threading

import pytest

from gateway.client.fresh import FreshLinks

NAME = "dataset/vision/digits"


@pytest.fixture
def links(sim, gateway):
    sim.publish(NAME, {"a": b"1", "b": b"2"})
    now = [1000.0]
    found = FreshLinks(gateway.snapshot(NAME), ["a", "b"], ttl_seconds=100, monotonic=lambda: now[0])
    found.now = now
    return found


def renewals(sim):
    return sim.asked("POST", "/links$")


def test_links_are_asked_for_once_and_together(sim, links):
    assert links.link("a").file.path == "a"
    assert links.link("b").file.path == "b"
    assert renewals(sim) == 1


def test_they_are_renewed_ahead_of_their_expiry(sim, links):
    old = links.link("a")
    links.now[0] += 79
    assert links.link("a") is old
    links.now[0] += 1
    assert links.link("a") is not old
    assert renewals(sim) == 2


def test_what_is_done_is_not_asked_for_again(sim, links):
    links.link("a")
    links.done("a")
    links.now[0] += 100
    links.link("b")
    assert renewals(sim) == 2
    with pytest.raises(KeyError):
        links.link("a")


def test_of_many_threads_with_a_refused_link_one_renews(sim, links):
    refused = links.link("a")
    found = []
    threads = [threading.Thread(target=lambda: found.append(links.replace(refused))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert renewals(sim) == 2
    assert len({link.url for link in found}) == 1
