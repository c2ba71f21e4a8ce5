import os
import socket
import threading
import unicodedata

import pytest

from gateway.client.progress import Silent
from gateway.client.source import LocalFile, find_files
from gateway.errors import (
    AccessDenied,
    GatewayUnavailable,
    IncompleteUpload,
    InvalidName,
    InvalidPath,
    LinkRefused,
    LocalFileError,
    SourceChanged,
    StorageUnavailable,
    VersionExists,
)

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20


def write(folder, files):
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def published(sim):
    return {path: (file.size, file.sha256) for path, file in sim.versions[NAME][-1].items()}


class Meddler:
    """Listens to a push, and does something to a file once it is under way."""

    def __init__(self, act):
        self.act = act

    def expect(self, files, size):
        pass

    def moved(self, size):
        if size > 0:
            self.act()

    def finished(self, path):
        pass


class TestRefusals:
    def test_a_symbolic_link_is_refused_by_name(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        (tmp_path / "b.bin").symlink_to(tmp_path / "a.bin")
        with pytest.raises(LocalFileError, match=r"b\.bin is a symbolic link"):
            gateway.push(tmp_path, NAME)
        assert sim.requests == []

    def test_a_pipe_is_refused_by_name(self, gateway, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(LocalFileError, match="pipe is a device or pipe"):
            gateway.push(tmp_path, NAME)

    def test_a_socket_is_refused_by_name(self, gateway, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind("s")
            with pytest.raises(LocalFileError, match="s is a socket"):
                gateway.push(tmp_path, NAME)

    def test_what_is_missing_is_named(self, gateway, tmp_path):
        with pytest.raises(LocalFileError, match="nowhere cannot be read: no such file"):
            gateway.push(tmp_path / "nowhere", NAME)

    def test_an_empty_folder_is_refused(self, gateway, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(LocalFileError, match="holds no file"):
            gateway.push(tmp_path, NAME)

    def test_a_name_that_no_version_may_hold_is_refused(self, gateway, tmp_path):
        write(tmp_path, {"a\\b": b"x"})
        with pytest.raises(InvalidPath, match="backslash"):
            gateway.push(tmp_path, NAME)

    def test_two_files_of_one_name_are_refused(self, gateway, tmp_path):
        write(tmp_path, {"one/a.bin": b"1", "two/a.bin": b"2"})
        with pytest.raises(InvalidPath, match=r"would both be published as 'a\.bin'"):
            gateway.push([tmp_path / "one" / "a.bin", tmp_path / "two" / "a.bin"], NAME)

    def test_a_wrong_tag_is_refused_before_anything_is_sent(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        with pytest.raises(InvalidName, match="reads as a version number"):
            gateway.push(tmp_path, NAME, tags=["v7"])
        assert sim.requests == []

    def test_a_file_that_changes_meanwhile_is_refused_and_nothing_published(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x" * 5000})
        with pytest.raises(SourceChanged, match=r"a\.bin changed"):
            gateway.push(tmp_path, NAME, progress=Meddler(lambda: (tmp_path / "a.bin").write_bytes(b"y" * 5000)))
        assert not sim.versions[NAME]
        assert sim.pushes == {}

    def test_a_file_that_shrinks_meanwhile_is_refused_at_once(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": os.urandom(3 * SEGMENT)})
        with pytest.raises(SourceChanged):
            gateway.push(tmp_path, NAME, progress=Meddler(lambda: os.truncate(tmp_path / "a.bin", SEGMENT)))
        assert sim.pushes == {}

    def test_a_file_that_grows_meanwhile_is_refused_at_once(self, tmp_path):
        write(tmp_path, {"a.bin": b"x" * 100})
        [file] = find_files([tmp_path])
        grown = LocalFile(file.path, file.place, 50, file.stamp)
        with pytest.raises(SourceChanged), grown.opened(Silent()):
            pass

    def test_the_same_content_again_is_a_conflict(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        gateway.push(tmp_path, NAME)
        with pytest.raises(VersionExists):
            gateway.push(tmp_path, NAME)
        assert len(sim.versions[NAME]) == 1
        assert sim.pushes == {}

    def test_a_refused_push_sends_nothing(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        sim.fault("POST", "/pushes$", status=403, body=b'{"code":"access-denied","detail":"No.","hint":"Ask."}')
        with pytest.raises(AccessDenied):
            gateway.push(tmp_path, NAME)
        assert len(sim.requests) == 1

    def test_an_upload_that_s3_keeps_refusing_aborts_the_push(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        sim.fault("PUT", "^/s3/", times=10, status=403, body=b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        with pytest.raises(LinkRefused, match=r"^a\.bin: .*SignatureDoesNotMatch"):
            gateway.push(tmp_path, NAME)
        assert sim.pushes == {}

    def test_a_failed_commit_aborts_the_push(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        sim.fault("POST", "/commit", status=409, body=b'{"code":"incomplete-upload","detail":"Not whole."}')
        with pytest.raises(IncompleteUpload):
            gateway.push(tmp_path, NAME)
        assert sim.pushes == {}

    def test_the_first_failure_is_told_when_the_abort_fails_as_well(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        sim.fault("POST", "/commit", status=409, body=b'{"code":"incomplete-upload","detail":"Not whole."}')
        sim.fault("DELETE", "/pushes/", status=403, body=b'{"code":"access-denied","detail":"No."}')
        with pytest.raises(IncompleteUpload):
            gateway.push(tmp_path, NAME)

    def test_an_etag_is_required(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"x"})
        sim.fault("PUT", "^/s3/", times=10, status=200)
        with pytest.raises(StorageUnavailable, match="ETag"):
            gateway.push(tmp_path, NAME)

    def test_parts_of_another_size_than_said_are_refused(self, sim, gateway, tmp_path):
        sim.part_bytes = SEGMENT
        write(tmp_path, {"a.bin": bytes(2 * SEGMENT)})
        sim.fault(
            "POST",
            "/parts$",
            status=200,
            body=b'{"links":[{"part":1,"size":1,"url":"http://127.0.0.1","headers":{},'
            b'"expires_at":"2026-01-01T00:00:00+00:00"}]}',
        )
        with pytest.raises(GatewayUnavailable, match="another size"):
            gateway.push(tmp_path, NAME)


class TestPushes:
    @pytest.mark.parametrize("size", [0, 1, SEGMENT - 57, SEGMENT - 56, SEGMENT - 55, 2 * SEGMENT + 17])
    @pytest.mark.parametrize("part_bytes", [64 << 20, SEGMENT])
    def test_a_file_of_any_size_comes_back_as_it_was(self, sim, gateway, tmp_path, size, part_bytes):
        sim.part_bytes = part_bytes
        source = write(tmp_path / "source", {"a.bin": os.urandom(size)})
        report = gateway.push(source, NAME)
        assert (report.uploaded, report.uploaded_bytes, report.kept) == (1, size, 0)
        gateway.pull(NAME, tmp_path / "target")
        assert (tmp_path / "target" / "a.bin").read_bytes() == (source / "a.bin").read_bytes()

    def test_s3_never_sees_plaintext(self, sim, gateway, tmp_path):
        gateway.push(write(tmp_path, {"a.bin": b"a known plaintext"}), NAME)
        assert not any(b"known" in stored for stored in sim.objects.values())

    def test_tags_and_many_files(self, sim, gateway, tmp_path):
        files = {f"d{n % 3}/{n}.bin": os.urandom(n) for n in range(300)}
        report = gateway.push(write(tmp_path, files), NAME, tags=["prod"], message="first")
        assert report.version.number == 1
        assert published(sim).keys() == files.keys()
        assert sim.tags[NAME] == {"latest": 1, "prod": 1}

    def test_files_that_the_newest_version_has_are_not_sent_again(self, sim, gateway, tmp_path):
        write(tmp_path, {"a.bin": b"same", "b.bin": b"old!"})
        gateway.push(tmp_path, NAME)
        (tmp_path / "a.bin").rename(tmp_path / "moved.bin")
        write(tmp_path, {"b.bin": b"new!"})
        report = gateway.push(tmp_path, NAME)
        assert (report.uploaded, report.kept) == (1, 1)
        assert sim.asked("PUT", "^/s3/") == 3
        assert sim.versions[NAME][1]["moved.bin"] == sim.versions[NAME][0]["a.bin"]

    def test_who_may_not_list_sends_everything(self, sim, gateway, tmp_path):
        gateway.push(write(tmp_path, {"a.bin": b"same"}), NAME)
        write(tmp_path, {"b.bin": b"new"})
        sim.fault("GET", "/files", status=403, body=b'{"code":"access-denied","detail":"No."}')
        assert gateway.push(tmp_path, NAME).uploaded == 2

    def test_an_expired_upload_link_is_replaced(self, sim, gateway, tmp_path):
        sim.fault("PUT", "^/s3/", status=403, body=b"<Error><Message>Request has expired</Message></Error>")
        gateway.push(write(tmp_path, {"a.bin": b"x"}), NAME)
        assert sim.asked("POST", "/objects$") == 2

    def test_a_part_that_failed_is_sent_again_byte_for_byte(self, sim, gateway, tmp_path):
        sim.part_bytes = SEGMENT
        sim.fault("PUT", "^/s3/", times=2, status=500)
        source = write(tmp_path / "source", {"a.bin": os.urandom(2 * SEGMENT)})
        gateway.push(source, NAME)
        gateway.pull(NAME, tmp_path / "target")
        assert (tmp_path / "target" / "a.bin").read_bytes() == (source / "a.bin").read_bytes()

    def test_names_are_published_in_normal_form_c(self, sim, gateway, tmp_path):
        write(tmp_path, {unicodedata.normalize("NFD", "é.bin"): b"x"})
        gateway.push(tmp_path, NAME)
        assert list(published(sim)) == [unicodedata.normalize("NFC", "é.bin")]

    def test_several_sources_keep_their_names(self, sim, gateway, tmp_path):
        write(tmp_path, {"train/a.bin": b"1", "readme.md": b"2"})
        gateway.push([tmp_path / "train", str(tmp_path / "readme.md")], NAME)
        assert sorted(published(sim)) == ["readme.md", "train/a.bin"]

    def test_an_interruption_aborts_the_push(self, sim, gateway, tmp_path):
        write(tmp_path, {f"{n}.bin": b"x" for n in range(50)})

        def interrupt():
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            gateway.push(tmp_path, NAME, progress=Meddler(interrupt), threads=2)
        assert sim.pushes == {}
        assert not [t for t in threading.enumerate() if t.name.startswith("gateway")]
