import threading

import pytest

from gateway.client.crew import Crew, Stopped


def fail(error):
    raise error


def test_the_first_failure_is_raised_and_the_rest_stops():
    stopped = threading.Event()

    def work(crew, failed):
        failed.wait(10)
        try:
            while True:
                crew.check()
        except Stopped:
            stopped.set()
            raise

    failed = threading.Event()
    crew = Crew(2)

    def run():
        with crew:
            crew.submit(work, crew, failed)
            crew.submit(fail, ValueError("broken"))
            failed.set()

    with pytest.raises(ValueError, match="broken"):
        run()
    assert stopped.is_set()


def test_nothing_is_taken_after_a_failure():
    done = []

    def run():
        with Crew(1, ahead=0) as crew:
            crew.submit(fail, ValueError("broken"))
            for number in range(3):
                crew.submit(done.append, number)

    with pytest.raises(ValueError, match="broken"):
        run()
    assert done == []


def test_an_interruption_cancels_what_waits():
    release, done = threading.Event(), []

    def run():
        with Crew(1) as crew:
            crew.submit(release.wait, 10)
            crew.submit(done.append, 1)
            threading.Timer(0.1, release.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert done == []
