import socket
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from gateway.client.callback import listening
from gateway.errors import LoginFailed

SOON = timedelta(seconds=5)


@pytest.fixture
def browse():
    with httpx.Client(trust_env=False) as browser:
        yield browser.get


def test_no_answer_in_time_is_a_failed_login():
    with listening() as listener, pytest.raises(LoginFailed, match=r"within 0\.05 s"):
        listener.wait(timedelta(seconds=0.05))


@pytest.mark.parametrize("suffix", ["", "?", "?code=a&code=b", "/../other?code=a", "/x?code=a", "?" + "&a=1" * 30])
def test_other_requests_are_not_taken_for_the_answer(browse, suffix):
    with listening() as listener:
        assert browse(listener.redirect_uri + suffix).status_code == 404
        browse(listener.redirect_uri + "?code=real&state=s")
        assert listener.wait(SOON) == {"code": "real", "state": "s"}


def test_the_first_answer_counts_and_a_reload_changes_nothing(browse):
    with listening() as listener:
        for code in ("first", "second"):
            assert browse(f"{listener.redirect_uri}?code={code}").status_code == 200
        assert listener.wait(SOON) == {"code": "first"}


def test_a_browser_that_says_nothing_does_not_hold_up_the_answer(browse):
    with listening() as listener, socket.create_connection(("127.0.0.1", urlsplit(listener.redirect_uri).port)):
        browse(f"{listener.redirect_uri}?code=c")
        assert listener.wait(SOON) == {"code": "c"}


def test_the_page_says_what_to_do_and_keeps_the_code_to_itself(browse):
    with listening() as listener:
        page = browse(f"{listener.redirect_uri}?code=the-code&error=<script>")
    assert "terminal" in page.text
    assert "the-code" not in page.text
    assert "<script>" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in page.headers["content-security-policy"]


def test_it_listens_on_loopback_alone_and_only_for_the_block(browse):
    with listening() as listener:
        assert urlsplit(listener.redirect_uri).hostname == "127.0.0.1"
    with pytest.raises(httpx.ConnectError):
        browse(listener.redirect_uri)


def test_the_request_line_which_holds_the_code_is_not_logged(browse, capfd):
    with listening() as listener:
        browse(f"{listener.redirect_uri}?code=the-code")
        browse(f"{listener.redirect_uri}/elsewhere?code=the-code")
    assert "the-code" not in "".join(capfd.readouterr())
