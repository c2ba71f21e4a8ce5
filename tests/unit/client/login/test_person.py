import io
import sys
import webbrowser
from datetime import timedelta

import pytest

from gateway.client.device import DeviceCode
from gateway.client.person import Terminal, find_person


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def opened(monkeypatch):
    urls = []
    monkeypatch.setattr(webbrowser, "open", urls.append)
    return urls


@pytest.mark.parametrize("stream", ["stdin", "stderr"])
def test_nobody_is_reached_through_a_pipe(monkeypatch, stream):
    for name in ("stdin", "stderr"):
        monkeypatch.setattr(sys, name, io.StringIO() if name == stream else Screen())
    assert find_person() is None


def test_nobody_is_reached_where_there_are_no_streams(monkeypatch):
    closed = Screen()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stdin", stream)
        assert find_person() is None


def test_a_person_at_a_terminal_is_reached(monkeypatch):
    for name in ("stdin", "stderr"):
        monkeypatch.setattr(sys, name, Screen())
    assert isinstance(find_person(), Terminal)


def test_the_address_is_shown_in_case_no_browser_opens(capsys, opened):
    Terminal().open("https://login.example.org/authorize?x=y")
    assert "https://login.example.org/authorize?x=y\n" in capsys.readouterr().err
    assert opened == ["https://login.example.org/authorize?x=y"]


@pytest.mark.parametrize("complete", ["", "https://login.example.org/device?user_code=WDJB-MJHT"])
def test_a_code_stands_on_a_line_of_its_own(capsys, complete):
    one = timedelta(seconds=1)
    Terminal().tell(DeviceCode("WDJB-MJHT", "https://login.example.org/device", complete, one, one, "secret"))
    shown = capsys.readouterr().err
    assert "\n    WDJB-MJHT\n" in shown
    assert "\n    https://login.example.org/device\n" in shown
    assert ("straight" in shown) == bool(complete)
    assert "secret" not in shown
