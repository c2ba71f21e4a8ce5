import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gateway.client.bulk import BulkTransport, Span
from gateway.client.tls import tls_context
from gateway.errors import ConnectionLost, LinkRefused, StorageUnavailable


@pytest.fixture
def bulk():
    transport = BulkTransport()
    yield transport
    transport.close()


def test_a_range_that_is_ignored_is_refused(sim, bulk):
    sim.objects["obj/1"] = b"x" * 100
    sim.fault("GET", "^/s3/", status=200, body=b"x" * 100)
    with pytest.raises(StorageUnavailable, match="answered a request for a range with 200"):
        list(bulk.get(f"{sim.url}/s3/obj/1?s=1", Span(10, 20, 100)))


def test_nobody_there_is_a_lost_connection(bulk):
    with pytest.raises(ConnectionLost, match=r"127\.0\.0\.1:1 was lost"):
        list(bulk.get("http://127.0.0.1:1/s3/x?s=1", Span.whole(1)))


def test_connections_are_kept(sim, bulk):
    sim.objects["obj/1"] = b"x" * 100
    for _ in range(5):
        assert b"".join(bulk.get(f"{sim.url}/s3/obj/1?s=1", Span.whole(100))) == b"x" * 100
    assert sum(map(len, bulk._idle.values())) == 1


def test_a_kept_connection_that_died_is_not_used_twice(sim, bulk):
    sim.objects["obj/1"] = b"x"
    list(bulk.get(f"{sim.url}/s3/obj/1?s=1", Span.whole(1)))
    for kept in bulk._idle.values():
        kept[0]._socket.shutdown(2)
    with pytest.raises(ConnectionLost):
        list(bulk.get(f"{sim.url}/s3/obj/1?s=1", Span.whole(1)))
    assert list(bulk.get(f"{sim.url}/s3/obj/1?s=1", Span.whole(1))) == [b"x"]


class Rude(BaseHTTPRequestHandler):
    """Answers before it has read the body, and closes."""

    def do_PUT(self):
        self.send_response(403)
        self.send_header("content-length", "29")
        self.end_headers()
        self.wfile.write(b"<Code>EntityTooLarge</Code>..")

    def log_message(self, *args):
        """Keep quiet."""


def test_what_s3_said_before_it_closed_is_told(bulk):
    with ThreadingHTTPServer(("127.0.0.1", 0), Rude) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with pytest.raises(LinkRefused, match="EntityTooLarge"):
                bulk.put(
                    f"http://127.0.0.1:{server.server_port}/s3/x?s=1",
                    {"content-length": str(64 << 20)},
                    (bytes(1 << 20) for _ in range(64)),
                )
        finally:
            server.shutdown()
            thread.join()


def test_certificates_and_host_names_are_verified():
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
