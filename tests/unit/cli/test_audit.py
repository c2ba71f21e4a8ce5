"""`gateway audit` on real journals: in a folder, and over HTTP from a server that records each look at it."""

import asyncio
import base64
import json
import shutil
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.audit.cosignature import WitnessKey, cosigned_message
from gateway.audit.event import decided
from gateway.audit.journal import Journal
from gateway.audit.notary import Notary
from gateway.audit.note import VerifierKey, split_note
from gateway.audit.segments import list_segments, read_lines
from gateway.audit.tree import FOLDER, GrowingTree
from gateway.cli import main
from gateway.model import AccessRequest, Decision, Outcome, Principal, PrincipalKind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OTTO = Principal("people", "otto-1", PrincipalKind.USER, "otto")
MAIN = "import sys; from gateway.cli import main; sys.exit(main())"
ME = {"issuer": "people", "subject": "otto-1", "kind": "user", "name": "otto", "groups": [], "expires_at": None}


def event_of(action, resource="dataset/vision/digits"):
    request = AccessRequest(OTTO, action, resource)
    return decided(
        request, Decision(Outcome.ALLOW, ("a#b",), "ab" * 32), at=NOON, request_id="r", source_ip="192.0.2.1"
    )


def append(directory, *actions, instance="gateway-1", at=NOON):
    async def run():
        async with Journal(directory, instance=instance, clock=lambda: at) as journal:
            await journal.append_all([event_of(action) for action in actions])

    asyncio.run(run())


@pytest.fixture
def directory(tmp_path):
    """A journal of four records: opened, two decisions, closed."""
    append(tmp_path, "gateway:ReadFile", "gateway:ListFiles")
    return tmp_path


@pytest.fixture
def served(directory, monkeypatch):
    """The journal over HTTP, and each look at it in it; the environment names the server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def log_message(self, *args):
            """Keep quiet."""

        def do_GET(self):
            url = urlsplit(self.path)
            body = json.dumps(ME).encode() if url.path == "/v1/whoami" else self.lines(parse_qs(url.query))
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def lines(self, query):
            lines = list(read_lines(directory / "gateway-1"))
            append(directory, "gateway:ReadAudit")
            after, limit = int(query["after"][0]), int(query["limit"][0])
            return b"".join(lines[after:][:limit])  # a negative `after` counts from the end here as well

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("GATEWAY_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GATEWAY_TOKEN", "made-up-token")
    yield directory
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def follow():
    """Start `gateway audit tail -f`; it is killed at the end."""
    running = []

    def follow(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", MAIN, "audit", "tail", "-f", *arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield follow
    for process in running:
        process.kill()
        process.communicate()


def run(capsys, *arguments):
    code = main(["audit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_no_journal_is_an_error(tmp_path, capsys):
    code, out, err = run(capsys, "verify", "--journal", tmp_path / "nowhere")
    assert (code, out) == (81, "")
    assert "There is no journal at" in err


def test_a_changed_journal_is_an_error_that_names_the_record(directory, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    segment.write_bytes(segment.read_bytes().replace(b"ListFiles", b"ReadFiles"))
    code, out, err = run(capsys, "verify", "--journal", directory)
    assert (code, out) == (65, "")
    assert "Record 3 was altered" in err


def test_an_event_that_is_no_json_is_a_changed_journal(directory, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    segment.write_bytes(segment.read_bytes().replace(b'"activity_id":2', b'"activity_id":x'))
    for command in (["verify", "--list"], ["tail"]):
        code, _, err = run(capsys, *command, "--journal", directory)
        assert code == 65
        assert "Record 2 was altered" in err


def test_a_head_that_the_journal_does_not_contain_is_an_error(directory, capsys):
    assert run(capsys, "verify", "--journal", directory, "--head", f"9:{'0' * 64}")[0] == 65
    assert run(capsys, "verify", "--journal", directory, "--head", f"2:{'0' * 64}")[0] == 65


@pytest.fixture
def signed(directory, tmp_path):
    """The journal with signed checkpoints, and the file that its key is in."""
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()

    class Signer:
        async def checkpoint_keys(self):
            return [public]

        async def sign_checkpoint(self, message):
            return public, private.sign(message)

    async def sign():
        journal = Journal(directory, instance="gateway-1", clock=lambda: NOON)
        await journal.open()
        options = {"origin": "gw.example/audit/gateway-1", "interval": timedelta(seconds=10), "events": 100}
        notary = Notary(journal, Signer(), None, lambda: NOON, **options)
        await notary.round()
        await notary.close()

    asyncio.run(sign())
    file = tmp_path / "gateway.vkey"
    file.write_text(f"{VerifierKey('gw.example/audit/gateway-1', public)}\n")
    return file


STRANGER = "gw.example/audit/gateway-1+f00d"


def test_a_journal_that_another_key_signed_is_an_error(directory, signed, capsys, tmp_path):
    other = tmp_path / "other.vkey"
    other.write_text(f"{VerifierKey('gw.example/audit/gateway-1', bytes(32))}\n")
    code, out, err = run(capsys, "verify", "--journal", directory, "--public-key", other)
    assert (code, out) == (65, "")
    assert "Checkpoint 1, after the one over 0 records, is forged" in err


def test_what_is_no_key_or_no_file_of_keys_is_refused(directory, signed, capsys, tmp_path):
    assert run(capsys, "verify", "--journal", directory, "--public-key", STRANGER)[0] == 66
    assert run(capsys, "verify", "--journal", directory, "--public-key", tmp_path / "none")[0] == 81
    large = tmp_path / "large"
    large.write_bytes(bytes(1 << 17))
    code, _, err = run(capsys, "verify", "--journal", directory, "--public-key", large)
    assert (code, "larger than 65,536 bytes" in err) == (81, True)


def test_a_checkpoint_needs_a_key(directory, signed, capsys):
    note = directory / "gateway-1/tree/checkpoint"
    code, _, err = run(capsys, "verify", "--journal", directory, "--checkpoint", note)
    assert (code, "shows nothing without the log's key" in err) == (10, True)


def test_a_journal_cut_to_whole_records_contradicts_its_checkpoints(directory, signed, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    segment.write_bytes(b"".join(list(read_lines(segment))[:3]))
    code, _, err = run(capsys, "verify", "--journal", directory)
    assert (code, "it ends at record 3, and 5 were signed" in err) == (65, True)


def test_a_checkpoint_kept_elsewhere_shows_what_was_rolled_back(directory, signed, capsys, tmp_path):
    kept = tmp_path / "kept"
    kept.write_bytes((directory / "gateway-1/tree/checkpoint").read_bytes())
    assert run(capsys, "verify", "--journal", directory, "--public-key", signed, "--checkpoint", kept)[0] == 0
    shutil.rmtree(directory / "gateway-1/tree")
    segment = list_segments(directory / "gateway-1")[0]
    segment.write_bytes(b"".join(list(read_lines(segment))[:3]))
    code, _, err = run(capsys, "verify", "--journal", directory, "--public-key", signed, "--checkpoint", kept)
    assert (code, "rolled back: it ends at record 3, and a checkpoint over 6 is known" in err) == (65, True)


@pytest.fixture
def cosigned(directory, signed):
    """The signed journal, whose newest checkpoint a witness has cosigned; and the witness's key."""
    private = Ed25519PrivateKey.generate()
    key = WitnessKey("witness.example/w1", private.public_key().public_bytes_raw())
    tree = GrowingTree(directory / "gateway-1" / FOLDER)
    note = tree.newest()
    text, _ = split_note(note)
    at = int(NOON.timestamp())
    data = base64.b64encode(key.id + at.to_bytes(8, "big") + private.sign(cosigned_message(text, at)))
    tree.cosign(note + f"— {key.name} ".encode() + data + b"\n", [key])
    return key


def test_a_witness_that_has_not_cosigned_is_an_error(directory, cosigned, signed, capsys):
    stranger = WitnessKey("witness.example/w2", bytes(32))
    options = ("--journal", directory, "--public-key", signed, "--witness", stranger)
    code, _, err = run(capsys, "verify", *options)
    assert (code, "witness.example/w2 has cosigned no newest checkpoint" in err) == (66, True)
    assert run(capsys, "verify", "--journal", directory, "--witness", "no key")[0] == 81
    assert run(capsys, "verify", "--journal", directory, "--witness", STRANGER)[0] == 66


def test_a_cosigned_checkpoint_of_another_journal_is_a_contradiction(directory, cosigned, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    lines = list(read_lines(segment))
    shutil.rmtree(directory / "gateway-1/tree/tile")
    (directory / "gateway-1/tree/checkpoints").unlink()
    segment.write_bytes(b"".join(lines[:3]))
    code, _, err = run(capsys, "verify", "--journal", directory)
    assert (code, "rolled back" in err) == (65, True)


def test_cosignatures_are_shown_with_their_time(directory, cosigned, capsys):
    code, out, _ = run(capsys, "verify", "--journal", directory, "--witness", cosigned)
    assert code == 0
    assert "The witness witness.example/w1 has cosigned it up to record 6, at 2026-03-01 12:00:00 UTC." in out
    assert "--witness" not in out
    assert "--witness" in run(capsys, "verify", "--journal", directory)[1]
    found = json.loads(run(capsys, "verify", "--journal", directory, "--json")[1])
    assert found["cosignatures"] == [{"witness": "witness.example/w1", "at": "2026-03-01T12:00:00+00:00"}]


def test_two_journals_of_one_instance_are_named(directory, capsys):
    shutil.copytree(directory / "gateway-1", directory / "gateway-2")
    code, _, err = run(capsys, "verify", "--journal", directory)
    assert (code, "Two journals have one identity" in err) == (65, True)


def test_every_journal_is_verified_and_each_fault_is_named(directory, capsys):
    for name in ("gateway-0", "gateway-2"):
        shutil.copytree(directory / "gateway-1", directory / name)
        segment = list_segments(directory / name)[0]
        segment.write_bytes(segment.read_bytes().replace(b"ListFiles", b"ReadFiles"))
    code, out, err = run(capsys, "verify", "--journal", directory)
    assert code == 65
    assert "The journal of gateway-1 is whole" in out
    assert err.count("Record 3 was altered") == 2
    assert str(directory / "gateway-0") in err


def test_a_head_is_of_one_journal(directory, capsys):
    shutil.copytree(directory / "gateway-1", directory / "gateway-2")
    code, _, err = run(capsys, "verify", "--journal", directory, "--head", f"2:{'0' * 64}")
    assert (code, "of one journal, and there are 2" in err) == (10, True)


@pytest.fixture
def killed(directory, tmp_path):
    """A journal whose gateway was killed in the middle of a write after three records, and ran again two hours on."""
    segment = list_segments(directory / "gateway-1")[0]
    lines = list(read_lines(segment))
    segment.write_bytes(b"".join(lines[:3]) + lines[3][:100])
    append(directory, "gateway:ReadFile", at=NOON + timedelta(hours=2))
    append(directory, at=NOON + timedelta(hours=4))
    return directory


def test_kills_and_the_times_without_a_gateway_are_listed(killed, capsys):
    code, out, _ = run(capsys, "verify", "--journal", killed)
    assert code == 0
    assert "3 runs of the gateway are in it." in out
    assert (
        "It was not closed after record 3 (2026-03-01 12:00:00): it was killed, and opened anew with record 4; "
        "100 half-written bytes were cut. Nothing was recorded until 2026-03-01 14:00:00."
    ) in out
    assert "It was closed with record 6 (2026-03-01 14:00:00). Nothing was recorded until 2026-03-01 16:00:00." in out
    found = json.loads(run(capsys, "verify", "--journal", killed, "--json")[1])["runs"]
    assert [(one["closed"], one["torn_bytes"]) for one in found] == [(False, 100), (True, 0), (True, 0)]


def test_another_instance_that_ran_meanwhile_leaves_no_gap(killed, capsys):
    append(killed, instance="gateway-2", at=NOON + timedelta(hours=1))
    out = run(capsys, "verify", "--journal", killed)[1]
    assert "No gateway was running from 2026-03-01 12:00:00 to 2026-03-01 13:00:00." in out
    assert "No gateway was running from 2026-03-01 14:00:00 to 2026-03-01 16:00:00." in out
    last = run(capsys, "verify", "--journal", killed, "--json")[1].splitlines()[-1]
    assert [gap["until"][11:16] for gap in json.loads(last)["gaps"]] == ["13:00", "14:00", "16:00"]


def test_a_proof_without_a_key_or_of_nothing_is_an_error(directory, signed, capsys, tmp_path):
    proof = tmp_path / "x.tlog-proof"
    assert run(capsys, "prove", 2, "--journal", directory, "-o", proof)[0] == 0
    assert run(capsys, "check-proof", proof)[0] == 10
    assert run(capsys, "check-proof", tmp_path / "none", "--public-key", signed)[0] == 81
    assert run(capsys, "check-proof", signed, "--public-key", signed)[0] == 66
    assert run(capsys, "prove", 7, "--journal", directory)[0] == 40
    assert run(capsys, "prove", 2, "--journal", tmp_path / "none")[0] == 10
    assert run(capsys, "prove", 2, "--journal", directory, "-o", tmp_path / "none" / "x")[0] == 81


def test_a_signed_journal_is_summed_up_with_its_checkpoints(directory, signed, capsys):
    _, out, _ = run(capsys, "verify", "--journal", directory, "--public-key", signed)
    assert "2 signed checkpoints agree with it, up to record 6." in out
    assert "name yours" not in out
    _, out, _ = run(capsys, "verify", "--journal", directory)
    assert "checked with the key that lies beside the journal" in out
    found = json.loads(run(capsys, "verify", "--journal", directory, "--json")[1])
    assert (found["checkpoints"], found["covered"]) == (2, 6)


def test_an_event_is_proved_to_a_third_party(directory, signed, capsys, tmp_path):
    proof = tmp_path / "x.tlog-proof"
    proof.write_text(run(capsys, "prove", 2, "--journal", directory)[1])
    code, out, _ = run(capsys, "check-proof", proof, "--public-key", signed.read_text().strip())
    assert code == 0
    assert "Record 2 is in the log gw.example/audit/gateway-1, as its checkpoint over 6 records says" in out
    assert "2026-03-01 12:00:00 UTC  otto  gateway:ReadFile  dataset/vision/digits  Allowed  Success" in out
    checked = json.loads(run(capsys, "check-proof", proof, "--public-key", signed, "--json")[1])
    assert (checked["holds"], checked["seq"], checked["checkpoint"]["size"]) == (True, 2, 6)


def test_what_is_no_head_is_refused(directory, capsys):
    assert run(capsys, "verify", "--journal", directory, "--head", "2:abc")[0] == 10


def test_tail_wants_one_journal(directory, capsys):
    code, _, err = run(capsys, "tail", "--journal", list_segments(directory / "gateway-1")[0])
    assert code == 10
    assert str(directory / "gateway-1") in err


def test_a_journal_that_cannot_be_read_is_an_error(directory, capsys):
    segment = list_segments(directory / "gateway-1")[0]
    segment.unlink()
    segment.mkdir()
    for command in ("verify", "tail"):
        assert run(capsys, command, "--journal", directory / "gateway-1")[0] == 81


def test_a_whole_journal_is_summed_up(directory, capsys):
    code, out, _ = run(capsys, "verify", "--journal", directory)
    assert code == 0
    assert "The journal of gateway-1 is whole: 4 records, from 2026-03-01 12:00:00" in out


def test_a_noted_head_verifies_later(directory, capsys):
    noted = json.loads(run(capsys, "verify", "--journal", directory, "--json")[1])["head"]
    append(directory, "gateway:ReadFile")
    assert run(capsys, "verify", "--journal", directory, "--head", noted)[0] == 0


def test_events_are_listed(directory, capsys):
    out = run(capsys, "verify", "--journal", directory, "--list")[1]
    assert "2\t2026-03-01 12:00:00\totto\tgateway:ReadFile\tdataset/vision/digits\tAllowed\tSuccess\t192.0.2.1\n" in out
    listed = json.loads(run(capsys, "verify", "--journal", directory, "--list", "--json")[1])
    assert (listed["whole"], listed["records"], len(listed["events"])) == (True, 4, 4)


def test_the_newest_are_shown(directory, capsys):
    out = run(capsys, "tail", "--journal", directory, "-n", 2)[1]
    assert [line.split("\t")[3] for line in out.splitlines()] == ["gateway:ListFiles", "Stop"]
    [line] = run(capsys, "tail", "--journal", directory, "-n", 1, "--json")[1].splitlines()
    assert json.loads(line)["event"]["activity_name"] == "Stop"


def test_the_gateways_journal_is_verified_over_many_pages(served, capsys, monkeypatch):
    append(served, *["gateway:ReadFile"] * 20)
    monkeypatch.setattr("gateway.cli.audit_verify._PAGE", 7)
    found = json.loads(run(capsys, "verify", "--json")[1])
    assert (found["whole"], found["instance"]) == (True, "gateway-1")
    assert found["records"] > 26


def test_the_gateways_newest_are_shown(served, capsys):
    out = run(capsys, "tail", "-n", 3)[1]
    assert [line.split("\t")[0] for line in out.splitlines()] == ["2", "3", "4"]


def test_following_shows_what_is_new(directory, follow):
    process = follow("--journal", str(directory), "-n", "1")
    assert process.stdout.readline().startswith("4\t")
    append(directory, "gateway:RotateKey")
    assert [process.stdout.readline().split("\t")[3] for _ in range(3)] == ["Start", "gateway:RotateKey", "Stop"]
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_following_does_not_show_its_own_looks(served, follow):
    process = follow("-n", "1", "--json")
    assert json.loads(process.stdout.readline())["seq"] == 4
    shown = [json.loads(process.stdout.readline())["event"] for _ in range(4)]
    assert {event["activity_name"] for event in shown} == {"Start", "Stop"}
