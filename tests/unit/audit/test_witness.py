"""A witness that checks as c2sp.org/tlog-witness has it, over HTTP, and what becomes of its word."""

import base64
import re
import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit.cosignature import WitnessKey, cosigned_message, read_cosignatures
from gateway.audit.merkle import node_hash
from gateway.audit.note import split_note
from gateway.audit.tree import FOLDER, Tree
from gateway.audit.witness import Witness, witnesses_of
from gateway.errors import InvalidConfiguration, InvalidProof, WitnessUnavailable
from gateway.settings import WitnessSettings

pytestmark = pytest.mark.anyio

NAME = "witness.example/w1"
SECONDS = 1_772_366_400


def goes_on(old, old_root, size, root, path):
    """Tell whether a consistency proof holds, step by step as RFC 9162 2.1.4.2 has it."""
    if old == size:
        return not path and old_root == root
    if not path:
        return old == 0
    if old & (old - 1) == 0:
        path = [old_root, *path]
    first, last = old - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    one = other = path[0]
    for beside in path[1:]:
        if last == 0:
            return False
        if first & 1 or first == last:
            one, other = node_hash(beside, one), node_hash(beside, other)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            other = node_hash(other, beside)
        first, last = first >> 1, last >> 1
    return (one, other, last) == (old_root, root, 0)


class Strict:
    """A witness of one log. It keeps the newest tree that it cosigned, and every answer's status."""

    def __init__(self, log_keys):
        self._private = Ed25519PrivateKey.generate()
        self.key = WitnessKey(NAME, self._private.public_key().public_bytes_raw())
        self._log_keys = {(key.name, key.id): key for key in log_keys}
        self.size, self.root = 0, b""
        self.statuses = []
        self.instead = None
        """An answer to give in place of the right one."""

    def answer(self, body):
        status, text = self.instead or self._answer(body)
        self.statuses.append(status)
        return status, text if isinstance(text, bytes) else text.encode()

    def _answer(self, body):
        proof, _, note = body.partition(b"\n\n")
        first, *lines = proof.decode().split("\n")
        old = re.fullmatch(r"old (0|[1-9][0-9]*)", first)
        path = [base64.b64decode(line, validate=True) for line in lines]
        if not old or len(path) > 63:
            return 400, ""
        text, signatures = split_note(note)
        origin, size, root = text.splitlines()
        size, root = int(size), base64.b64decode(root)
        if origin not in {name for name, _ in self._log_keys}:
            return 404, ""
        if not any(self._is_by_the_log(name, data, text) for name, data in signatures):
            return 403, ""
        return self._add(int(old[1]), path, size, root, text)

    def _add(self, old, path, size, root, text):
        if old > size:
            return 400, ""
        if old != self.size or (old == size and root != self.root):
            return 409, f"{self.size}\n"
        if not goes_on(old, self.root, size, root, path):
            return 422, ""
        self.size, self.root = size, root
        return 200, self.line(text)

    def _is_by_the_log(self, name, data, text):
        key = self._log_keys.get((name, data[:4]))
        try:
            return key and Ed25519PublicKey.from_public_bytes(key.public).verify(data[4:], text.encode()) is None
        except InvalidSignature:
            return False

    def line(self, text):
        signature = self._private.sign(cosigned_message(text, SECONDS))
        return f"— {NAME} {base64.b64encode(self.key.id + SECONDS.to_bytes(8, 'big') + signature).decode()}\n"


@pytest.fixture
def strict(signer):
    return Strict(signer.verifiers())


@pytest.fixture
def url(strict):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            """Keep quiet."""

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            status, answer = strict.answer(body) if self.path == "/log/add-checkpoint" else (404, b"")
            self.send_response(status)
            if status == 409:
                self.send_header("content-type", "text/x.tlog.size")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/log"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
async def witness(strict, url):
    witness = Witness(strict.key, url, timeout=timedelta(seconds=5))
    yield witness
    await witness.close()


@pytest.fixture
async def cosigning(notarise, witness, an_event):
    """Returns a journal's notary, and what appends so many events and makes a round."""
    journal, notary = await notarise(witnesses=[witness])

    async def grow(count):
        await journal.append_all([an_event() for _ in range(count)])
        await notary.round()

    yield grow
    await notary.close()


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "gateway-1" / FOLDER)


async def test_a_witness_that_is_away_stops_nothing_and_is_named_once(notarise, an_event, strict, tree, caplog):
    away = Witness(strict.key, "http://127.0.0.1:9", timeout=timedelta(seconds=5))
    journal, notary = await notarise(witnesses=[away])
    for _ in range(3):
        await journal.append(an_event())
        await notary.round()
        await notary.check()
    await notary.close()
    assert tree.newest()
    assert tree.cosigned() is None
    assert caplog.text.count(f"The witness {NAME} does not answer") == 1


@pytest.mark.parametrize(
    ("instead", "error"),
    [
        ((500, ""), WitnessUnavailable),
        ((404, ""), WitnessUnavailable),
        ((200, ""), InvalidProof),
        ((200, b"\xff"), InvalidProof),
        ((200, "x" * 20_000), InvalidProof),
        ((200, "— other.example AAAA\n"), InvalidProof),
        ((409, "one\n"), InvalidProof),
        ((409, "0\n"), InvalidProof),
        ((409, "99999\n"), InvalidProof),
        ((409, "1\n"), InvalidProof),
    ],
)
async def test_what_is_no_cosignature_is_refused(cosigning, witness, strict, tree, instead, error):
    await cosigning(2)
    note, known = tree.newest(), witness._seen
    strict.instead = instead
    witness._seen = 0
    with pytest.raises(error):
        await witness.cosign(note, 3, tree.nodes(3))
    assert known == 3


async def test_a_witness_that_says_another_size_each_time_is_not_asked_for_ever(cosigning, witness, strict, tree):
    await cosigning(4)
    sizes = iter((2, 3, 1))
    strict.answer = lambda _: (409, f"{next(sizes)}\n".encode())
    witness._seen = 1
    with pytest.raises(WitnessUnavailable, match="409"):
        await witness.cosign(tree.newest(), 5, tree.nodes(5))
    assert next(sizes) == 1


async def test_a_log_that_was_rolled_back_is_named(cosigning, witness, strict, caplog):
    strict.size = 99
    await cosigning(1)
    assert f"The witness {NAME} has cosigned 99 records of this log, which has 2. Either the journal was" in caplog.text


async def test_a_log_with_two_faces_gets_no_second_cosignature(cosigning, witness, strict, tree):
    await cosigning(2)
    strict.root = bytes(32)
    await cosigning(4)
    assert strict.statuses == [200, 422]
    assert b"\n3\n" in tree.cosigned()
    assert b"\n7\n" in tree.newest()


@pytest.mark.parametrize("counts", [[1, 1, 1, 1, 5, 7], [300, 1, 255, 1], [2, 6, 8, 16, 1]])
async def test_each_checkpoint_is_cosigned_and_goes_on_from_the_one_before(cosigning, strict, tree, counts):
    for count in counts:
        await cosigning(count)
    assert strict.statuses == [200] * len(counts)
    assert strict.size == 1 + sum(counts)
    [found] = read_cosignatures(tree.newest(), [strict.key])
    assert (found.name, found.at.timestamp()) == (NAME, SECONDS)
    assert tree.newest() == tree.cosigned()
    assert tree.witnesses() == [strict.key]


async def test_after_a_restart_the_witness_says_where_to_go_on(notarise, strict, url, an_event):
    for count in (3, 10):
        witness = Witness(strict.key, url, timeout=timedelta(seconds=5))
        journal, notary = await notarise(witnesses=[witness])
        await journal.append_all([an_event() for _ in range(count)])
        await notary.close()
    assert strict.statuses == [200, 409, 200]


async def test_the_archive_has_the_cosigned_checkpoint(cosigning, objects, strict, tree):
    await cosigning(1)
    assert await objects.get("audit/gateway.example.com/audit/gateway-1/checkpoint") == tree.cosigned()


def test_settings_that_name_no_witness_are_refused(strict):
    good = WitnessSettings(key=str(strict.key), url="https://witness.example")
    with pytest.raises(InvalidConfiguration, match="key is none"):
        witnesses_of([WitnessSettings(key="x", url="https://witness.example")])
    with pytest.raises(InvalidConfiguration, match="one name"):
        witnesses_of([good, good])
    assert [one.key for one in witnesses_of([good])] == [strict.key]
