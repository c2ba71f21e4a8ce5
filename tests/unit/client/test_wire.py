import socket
import threading
from contextlib import suppress

import pytest

from gateway.client.bulk import BulkTransport, Span
from gateway.client.wire import MAX_HEAD_BYTES
from gateway.errors import ConnectionLost, LinkRefused, StorageUnavailable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nETag: e\r\n\r\nabc"


@pytest.fixture
def serve():
    """Answers each connection with the given bytes, closes it, and remembers what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads, asked = [], []

    def answer(*answers):
        def run():
            for given in answers:
                connection, _ = listener.accept()
                with connection, suppress(OSError):  # who is refused may hang up
                    asked.append(connection.recv(1 << 16))
                    connection.sendall(given)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(1 << 16):
                        pass

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/x?s=1"

    answer.asked = asked
    answer.port = listener.getsockname()[1]
    yield answer
    for thread in threads:
        thread.join(10)
    listener.close()


@pytest.fixture
def bulk():
    transport = BulkTransport()
    yield transport
    transport.close()


class TestRefusals:
    @pytest.mark.parametrize(
        "given",
        [
            b"",
            b"HTTP/1.1 200",
            b"220 ready\r\n\r\n",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"x" * (MAX_HEAD_BYTES + 1),
        ],
    )
    def test_what_is_no_http_is_a_lost_connection(self, serve, bulk, given):
        with pytest.raises(ConnectionLost):
            list(bulk.get(serve(given), Span.whole(3)))

    def test_a_body_that_ends_early_is_a_lost_connection(self, serve, bulk):
        with pytest.raises(ConnectionLost):
            list(bulk.get(serve(OK[:-1]), Span.whole(3)))

    def test_a_refusal_in_chunks_is_read(self, serve, bulk):
        body = b"<Code>SignatureDoesNotMatch</Code>"
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        with pytest.raises(LinkRefused, match="SignatureDoesNotMatch"):
            list(bulk.get(serve(b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks), Span.whole(3)))

    def test_a_refusal_without_end_is_cut(self, serve, bulk):
        with pytest.raises(StorageUnavailable, match="status 500"):
            list(bulk.get(serve(b"HTTP/1.1 500 No\r\n\r\n" + b"x" * (1 << 20)), Span.whole(3)))

    def test_a_proxy_that_refuses_is_a_lost_connection(self, serve, bulk, monkeypatch):
        serve(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{serve.port}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ConnectionLost, match=r"s3\.example was lost"):
            list(bulk.get("https://s3.example/x?s=1", Span.whole(3)))
        assert serve.asked[0].startswith(b"CONNECT s3.example:443 HTTP/1.1\r\n")

    def test_a_proxy_that_says_nothing_is_a_lost_connection(self, serve, bulk, monkeypatch):
        serve(b"")
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{serve.port}")
        monkeypatch.setenv("no_proxy", "")
        with pytest.raises(ConnectionLost):
            list(bulk.get("https://s3.example/x?s=1", Span.whole(3)))

    def test_what_is_no_tls_is_a_lost_connection(self, serve, bulk, monkeypatch):
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        with pytest.raises(ConnectionLost, match="SSL"):
            list(bulk.get(serve(OK).replace("http:", "https:"), Span.whole(3)))


class TestAnswers:
    def test_an_interim_answer_is_passed_over(self, serve, bulk):
        assert bulk.put(serve(b"HTTP/1.1 100 Continue\r\n\r\n" + OK), {}, [b"x"]) == "e"

    def test_a_connection_that_the_server_will_close_is_not_kept(self, serve, bulk):
        closing = OK.replace(b"ETag: e", b"Connection: close")
        old = OK.replace(b"HTTP/1.1", b"HTTP/1.0")
        url = serve(closing, old, OK)
        for _ in range(3):
            assert list(bulk.get(url, Span.whole(3))) == [b"abc"]
        assert len(serve.asked) == 3

    def test_plain_http_asks_no_proxy(self, serve, bulk, monkeypatch):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        assert list(bulk.get(serve(OK), Span.whole(3))) == [b"abc"]
        assert serve.asked[0].startswith(b"GET /x?s=1 HTTP/1.1\r\nhost: 127.0.0.1:")
