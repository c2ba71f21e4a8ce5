import errno
import os
from pathlib import Path

import pytest

from gateway.client.folder import TargetFolder, create_file
from gateway.client.progress import Silent
from gateway.client.pull import Pull
from gateway.errors import (
    CiphertextTampered,
    CiphertextTruncated,
    ConnectionLost,
    ContentMismatch,
    DiskFull,
    IntegrityError,
    InvalidPath,
    LinkExpired,
    LocalFileError,
    StorageUnavailable,
    UnknownPath,
    UnknownVersion,
    WrongKey,
)

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20


def files_below(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()
    }


def flip(at):
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


EXPIRED = b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>"


class TestRefusals:
    @pytest.mark.parametrize("at", [0, 20, 45, SEGMENT + 100, -1])
    def test_a_flipped_byte_leaves_no_file(self, sim, gateway, tmp_path, at):
        sim.publish(NAME, {"a.bin": os.urandom(SEGMENT + 5000)})
        sim.spoil(NAME, "a.bin", lambda data: flip(at % len(data))(data))
        with pytest.raises(CiphertextTampered, match=r"^a\.bin: "):
            gateway.pull(NAME, tmp_path)
        assert files_below(tmp_path) == {}

    def test_a_shorter_object_is_refused(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x" * 5000})
        sim.spoil(NAME, "a.bin", lambda data: data[:-1])
        with pytest.raises(CiphertextTruncated, match=r"^a\.bin: S3 holds"):
            gateway.pull(NAME, tmp_path)
        assert files_below(tmp_path) == {}

    def test_a_longer_object_is_refused(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x" * 5000})
        sim.spoil(NAME, "a.bin", lambda data: data + b"x")
        with pytest.raises(CiphertextTampered):
            gateway.pull(NAME, tmp_path)

    def test_a_wrong_key_is_refused_before_anything_is_read(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x" * 5000})
        sim.given_keys[sim.versions[NAME][0]["a.bin"].object] = bytes(32)
        with pytest.raises(WrongKey):
            gateway.pull(NAME, tmp_path)
        assert sim.asked("GET", "^/s3/") == 0
        assert files_below(tmp_path) == {}

    def test_other_content_under_the_right_key_is_refused(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"right"})
        sim.store(b"wrong", sim.versions[NAME][0]["a.bin"].object)
        with pytest.raises(ContentMismatch, match=r"^a\.bin: "):
            gateway.pull(NAME, tmp_path)
        assert files_below(tmp_path) == {}

    def test_a_lost_object_is_named(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        sim.objects.clear()
        with pytest.raises(IntegrityError, match=r"^a\.bin: .*NoSuchKey"):
            gateway.pull(NAME, tmp_path)

    @pytest.mark.parametrize("path", ["../outside", "/etc/outside", "a/../../outside", "a\\b", "a//b"])
    def test_a_path_that_leads_elsewhere_writes_nothing(self, sim, gateway, tmp_path, path):
        sim.publish(NAME, {path: b"x"})
        with pytest.raises(Exception, match="does not understand"):
            gateway.pull(NAME, tmp_path / "target")
        assert files_below(tmp_path) == {}

    def test_the_folder_checks_paths_by_itself(self, tmp_path):
        with pytest.raises(InvalidPath):
            TargetFolder(tmp_path).place("../outside")

    def test_no_file_is_written_through_a_symbolic_link(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"sub/a.bin": b"x"})
        (tmp_path / "outside").mkdir()
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "sub").symlink_to(tmp_path / "outside")
        with pytest.raises(LocalFileError, match="symbolic link"):
            gateway.pull(NAME, tmp_path / "target")
        assert files_below(tmp_path / "outside") == {}

    def test_a_symbolic_link_in_a_files_place_is_replaced_not_followed(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"new"})
        (tmp_path / "outside").write_bytes(b"old")
        (tmp_path / "target").mkdir()
        (tmp_path / "target" / "a.bin").symlink_to(tmp_path / "outside")
        gateway.pull(NAME, tmp_path / "target")
        assert (tmp_path / "outside").read_bytes() == b"old"
        assert not (tmp_path / "target" / "a.bin").is_symlink()

    def test_a_folder_in_a_files_place_is_named(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        (tmp_path / "a.bin").mkdir()
        with pytest.raises(LocalFileError, match=r"a\.bin cannot be written"):
            gateway.pull(NAME, tmp_path)

    def test_a_target_that_is_a_file_is_named(self, sim, gateway, tmp_path):
        (tmp_path / "target").write_bytes(b"")
        with pytest.raises(LocalFileError, match="target cannot be written"):
            gateway.pull(NAME, tmp_path / "target")

    def test_a_disk_that_fills_up_leaves_no_half_file(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x" * 100_000})

        def create_on_a_full_disk(path):
            create_file(path).close()
            return open("/dev/full", "wb")  # noqa: PTH123 -- the kernel's own full disk

        folder = TargetFolder(tmp_path, create=create_on_a_full_disk)
        pull = Pull(gateway.snapshot(NAME), folder, gateway._bulk, Silent(), threads=2)
        with pytest.raises(DiskFull, match=r"a\.bin needs 100,000 bytes.*free") as caught:
            pull.run()
        assert caught.value.__cause__.errno == errno.ENOSPC
        assert files_below(tmp_path) == {}

    def test_a_disk_without_room_is_refused_before_the_first_byte(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        sim.versions[NAME][0]["a.bin"].size = 1 << 60
        with pytest.raises(DiskFull, match=r"needs 1,152,921,504,606,846,976 bytes and has [\d,]+ free"):
            gateway.pull(NAME, tmp_path)
        assert sim.asked("GET", "^/s3/") == 0

    def test_s3_that_keeps_failing_is_given_up(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        sim.fault("GET", "^/s3/", times=10, status=500, body=b"<Error><Code>InternalError</Code></Error>")
        with pytest.raises(StorageUnavailable, match=r"^a\.bin: .*InternalError"):
            gateway.pull(NAME, tmp_path)
        assert sim.asked("GET", "^/s3/") == 4

    def test_a_body_that_never_comes_whole_is_given_up(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x" * 5000})
        sim.fault("GET", "^/s3/", times=10, cut_at=0)
        with pytest.raises(ConnectionLost):
            gateway.pull(NAME, tmp_path)
        assert files_below(tmp_path) == {}

    def test_a_link_that_is_refused_twice_is_given_up(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        sim.fault("GET", "^/s3/", times=10, status=403, body=EXPIRED)
        with pytest.raises(LinkExpired, match=r"^a\.bin: "):
            gateway.pull(NAME, tmp_path)
        assert sim.asked("POST", "/links(:batch)?$") == 2

    def test_no_refusal_shows_the_link(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        sim.fault("GET", "^/s3/", times=10, status=403, body=b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        with pytest.raises(Exception, match="SignatureDoesNotMatch") as caught:
            gateway.pull(NAME, tmp_path)
        assert "signature=" not in f"{caught.value!r}{caught.value.hint}"

    def test_an_unknown_path_is_named(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"train/a.bin": b"x"})
        with pytest.raises(UnknownPath, match="'trian'"):
            gateway.pull(f"{NAME}@v1/trian", tmp_path)

    def test_an_unknown_version_is_named(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        with pytest.raises(UnknownVersion, match="v7"):
            gateway.pull(f"{NAME}@v7", tmp_path)


class TestPulls:
    @pytest.mark.parametrize("size", [0, 1, SEGMENT - 57, SEGMENT - 56, SEGMENT - 55, 2 * SEGMENT + 17])
    def test_a_file_of_any_size_arrives_as_it_was(self, sim, gateway, tmp_path, size):
        content = os.urandom(size)
        sim.publish(NAME, {"a.bin": content})
        report = gateway.pull(NAME, tmp_path)
        assert files_below(tmp_path) == {"a.bin": content}
        assert (report.pulled, report.pulled_bytes, report.kept) == (1, size, 0)

    def test_many_files_arrive_in_their_folders(self, sim, gateway, tmp_path):
        sim.page = 7
        files = {f"d{n % 5}/é{n}.bin": os.urandom(n * 100) for n in range(40)}
        sim.publish(NAME, files)
        gateway.pull(NAME, tmp_path, fsync=True)
        assert files_below(tmp_path) == files

    def test_files_that_are_there_are_not_fetched_again(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"same.bin": b"same", "other.bin": b"new!"})
        (tmp_path / "same.bin").write_bytes(b"same")
        (tmp_path / "other.bin").write_bytes(b"old!")
        report = gateway.pull(NAME, tmp_path)
        assert (report.pulled, report.kept) == (1, 1)
        assert sim.asked("GET", "^/s3/") == 1
        assert files_below(tmp_path) == {"same.bin": b"same", "other.bin": b"new!"}

    def test_a_path_means_the_file_or_the_folder_and_no_neighbour(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"train/a": b"1", "train2/a": b"2", "train.csv": b"3"})
        gateway.pull(f"{NAME}/train", tmp_path / "folder")
        gateway.pull(f"{NAME}/train.csv", tmp_path / "file")
        assert files_below(tmp_path / "folder") == {"train/a": b"1"}
        assert files_below(tmp_path / "file") == {"train.csv": b"3"}

    def test_a_body_cut_short_goes_on_where_it_broke(self, sim, gateway, tmp_path):
        content = os.urandom(3 * SEGMENT)
        sim.publish(NAME, {"a.bin": content})
        sim.fault("GET", "^/s3/", times=2, cut_at=SEGMENT + 3333)
        gateway.pull(NAME, tmp_path)
        assert files_below(tmp_path) == {"a.bin": content}
        assert sim.asked("GET", "^/s3/") == 3

    def test_a_link_that_expired_midway_is_renewed_once(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"1", "b.bin": b"2"})
        sim.fault("GET", "^/s3/", status=403, body=EXPIRED)
        gateway.pull(NAME, tmp_path, threads=1)
        assert files_below(tmp_path) == {"a.bin": b"1", "b.bin": b"2"}
        assert sim.asked("POST", "/links(:batch)?$") == 2

    def test_it_stays_the_same_version_while_the_tag_moves(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"old"})
        snapshot = gateway.snapshot(NAME)
        assert snapshot.version.number == 1
        sim.publish(NAME, {"a.bin": b"new"})
        Pull(snapshot, TargetFolder(tmp_path), gateway._bulk, Silent(), threads=1).run()
        assert files_below(tmp_path) == {"a.bin": b"old"}
        assert sim.asked("POST", "/links:batch$") == 2  # by its tag, and then by its number
