"""A process that is killed, and the next one, which goes on: what S3 sees tells what was sent again."""

import os
import subprocess
import sys
import threading
import time
from collections import Counter

import pytest

from gateway.errors import ContentMismatch

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))


@pytest.fixture
def command(sim):
    """Starts the command line, which dies with the test."""
    environment = os.environ | {"GATEWAY_URL": sim.url, "GATEWAY_TOKEN": "made-up-token"}
    started = []

    def start(*words):
        line = [sys.executable, "-m", "gateway", *map(str, words)]
        started.append(subprocess.Popen(line, env=environment, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        kill(process)


def kill(process):
    process.kill()
    process.wait()


def whole_files(folder):
    """What has its name, without what is half done."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".gateway-partial" not in path.parts
    }


def segments_on_disk(folder):
    return sum(sum(place.read_bytes()) for place in folder.glob(".gateway-partial/*.map"))


def killed_pull(sim, command, target, *, segments):
    """Pull until so many segments are on the disk, and kill it there."""
    under_way = threading.Event()
    sim.fault("GET", "^/s3/", cut_at=segments * SEGMENT + 1000, hold=under_way)
    process = command("pull", NAME, target)
    assert under_way.wait(30)
    while segments_on_disk(target) < segments:
        assert process.poll() is None
        time.sleep(0.005)
    kill(process)
    sim.sent = 0


class TestPull:
    def test_after_a_kill_only_what_is_missing_is_fetched(self, sim, gateway, command, tmp_path):
        content = os.urandom(12 * SEGMENT)
        sim.publish(NAME, {"long.bin": content})
        killed_pull(sim, command, tmp_path, segments=9)
        assert whole_files(tmp_path / "target") == {}
        gateway.pull(NAME, tmp_path)
        assert whole_files(tmp_path)["long.bin"] == content
        assert sim.sent <= 4 * SEGMENT
        assert not (tmp_path / ".gateway-partial").exists()

    def test_what_the_disk_has_not_kept_is_fetched_again(self, sim, gateway, command, tmp_path):
        content = os.urandom(9 * SEGMENT)
        sim.publish(NAME, {"long.bin": content})
        killed_pull(sim, command, tmp_path, segments=3)
        [partial] = (path for path in tmp_path.glob(".gateway-partial/*") if path.stat().st_size == len(content))
        with partial.open("r+b") as opened:
            opened.write(b"damage")
        gateway.pull(NAME, tmp_path)
        assert whole_files(tmp_path)["long.bin"] == content

    def test_what_never_becomes_right_is_refused_and_removed(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"long.bin": bytes(9 * SEGMENT)})
        sim.store(b"x" * (9 * SEGMENT), sim.versions[NAME][0]["long.bin"].object)
        with pytest.raises(ContentMismatch, match=r"^long\.bin: "):
            gateway.pull(NAME, tmp_path)
        assert list(tmp_path.iterdir()) == []

    def test_a_broken_pull_of_another_version_is_cleared_away(self, sim, gateway, command, tmp_path):
        sim.publish(NAME, {"long.bin": os.urandom(9 * SEGMENT)})
        killed_pull(sim, command, tmp_path, segments=3)
        sim.publish(NAME, {"short.bin": b"new"})
        gateway.pull(NAME, tmp_path)
        assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["short.bin"]

    def test_two_pulls_into_one_folder_do_not_meet(self, sim, gateway, tmp_path):
        content = os.urandom(9 * SEGMENT)
        sim.publish(NAME, {"long.bin": content})
        pulls = [threading.Thread(target=gateway.pull, args=(NAME, tmp_path / "target")) for _ in range(2)]
        for pull in pulls:
            pull.start()
        for pull in pulls:
            pull.join()
        assert whole_files(tmp_path / "target") == {"long.bin": content}
        assert [path.name for path in (tmp_path / "target").iterdir()] == ["long.bin"]


def kill_at(sim, process, method, word):
    """Kill it when it asks for this, and break the connection."""

    def hook(asked, path):
        if asked == method and word in path and process[0].poll() is None:
            kill(process[0])
            raise ConnectionResetError

    sim.hook = hook


class TestPush:
    @pytest.fixture
    def source(self, sim, tmp_path):
        sim.part_bytes = SEGMENT
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "long.bin").write_bytes(os.urandom(5 * SEGMENT))
        return tmp_path / "source"

    def killed_push(self, sim, command, source, method, word):
        process = []
        kill_at(sim, process, method, word)
        process.append(command("push", source, NAME))
        process[0].wait(30)
        sim.hook = lambda *_: None
        assert NAME not in sim.versions

    def is_published(self, sim, gateway, source, tmp_path):
        gateway.pull(NAME, tmp_path / "target")
        assert whole_files(tmp_path / "target") == whole_files(source)
        assert sim.pushes == {}

    @pytest.mark.parametrize(
        ("method", "word"),
        [
            ("POST", "/objects"),
            ("PUT", "partNumber=1"),
            ("PUT", "partNumber=4"),
            ("POST", "/complete"),
            ("POST", "commit"),
        ],
    )
    def test_after_a_kill_at_most_one_part_is_sent_again(self, sim, gateway, command, source, tmp_path, method, word):
        self.killed_push(sim, command, source, method, word)
        assert gateway.push(source, NAME).uploaded == 1
        asked = Counter(path.partition("&partNumber=")[2] for kind, path in sim.requests if kind == "PUT")
        assert sum(asked.values()) <= 6 + 1
        assert len(sim.puts) == 6  # five segments of plaintext are a little more than five parts
        self.is_published(sim, gateway, source, tmp_path)

    def test_no_nonce_meets_two_plaintexts_though_the_file_changed_without_a_trace(
        self, sim, gateway, command, source, tmp_path
    ):
        self.killed_push(sim, command, source, "PUT", "partNumber=4")
        file = source / "long.bin"
        before = file.stat()
        with file.open("r+b") as opened:
            opened.seek(2 * SEGMENT)
            opened.write(b"other")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        gateway.push(source, NAME)
        assert len({(object_id, part) for object_id, part, _ in sim.puts}) == len(sim.puts)
        assert len({object_id for object_id, _, _ in sim.puts}) == 2
        self.is_published(sim, gateway, source, tmp_path)

    def test_short_files_that_were_sent_are_not_sent_again(self, sim, gateway, command, tmp_path):
        source = tmp_path / "source"
        source.mkdir()
        for n in range(40):
            (source / f"{n:02}").write_bytes(bytes([n]) * 100)
        seen = []

        def hook(method, path):
            seen.append(path) if method == "PUT" else None
            if len(seen) == 30 and process.poll() is None:
                kill(process)

        sim.hook = hook
        process = command("push", source, NAME, "--threads", "1")
        process.wait(30)
        sim.hook = lambda *_: None
        gateway.push(source, NAME)
        assert len(sim.puts) <= 41
        self.is_published(sim, gateway, source, tmp_path)

    def test_a_push_that_the_gateway_has_forgotten_begins_anew(self, sim, gateway, command, source, tmp_path):
        self.killed_push(sim, command, source, "PUT", "partNumber=4")
        sim.pushes.clear()
        gateway.push(source, NAME)
        self.is_published(sim, gateway, source, tmp_path)

    def test_a_journal_that_was_cut_is_read_as_far_as_it_goes(self, sim, gateway, command, source, tmp_path):
        self.killed_push(sim, command, source, "PUT", "partNumber=4")
        [journal] = (path for path in (tmp_path / "home" / "pushes").iterdir() if not path.suffix)
        journal.write_bytes(journal.read_bytes()[:-20])
        gateway.push(source, NAME)
        self.is_published(sim, gateway, source, tmp_path)

    def test_the_journal_holds_no_key_and_is_its_owners_alone(self, sim, command, source, tmp_path):
        self.killed_push(sim, command, source, "PUT", "partNumber=4")
        [journal] = (path for path in (tmp_path / "home" / "pushes").iterdir() if not path.suffix)
        text = journal.read_text()
        assert journal.stat().st_mode & 0o777 == 0o600
        assert not any(key.hex() in text for key in sim.keys.values())
