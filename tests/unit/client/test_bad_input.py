"""Files, folders and disks that are not as one would like: named errors, nothing lost, nothing outside the folder."""

import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from gateway.client.folder import TargetFolder
from gateway.client.names import require_fitting
from gateway.client.progress import Silent
from gateway.client.pull import Pull
from gateway.errors import AccessDenied, InvalidPath, LocalFileError, UnknownPath, UnknownVersion

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20
NOBODY = 65534


@contextmanager
def powerless(folder):
    """A folder that we have no permission to, though tests may run as root."""
    folder.chmod(0)
    if root := os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class TestPush:
    def test_a_thousand_levels_are_refused_by_name(self, sim, gateway, tmp_path):
        deep = tmp_path / "deep"
        deep.mkdir()
        place = deep
        for _ in range(1000):
            place = place / "d"
            place.mkdir()
        (place / "file").write_bytes(b"x")
        try:
            with pytest.raises(InvalidPath, match=r"'d/d/.* is no valid path: it is longer than 1,024 bytes"):
                gateway.push(deep, NAME)
        finally:
            subprocess.run(["rm", "-rf", deep], check=True)  # Python's own removal calls itself for each level
        assert sim.requests == []

    def test_two_normal_forms_of_one_name_are_refused(self, gateway, tmp_path):
        (tmp_path / "é").write_bytes(b"1")
        (tmp_path / "e\u0301").write_bytes(b"2")
        with pytest.raises(InvalidPath, match="would both be published as 'é'"):
            gateway.push(tmp_path, NAME)

    def test_what_may_not_be_read_is_named(self, sim, gateway, tmp_path):
        (tmp_path / "closed").mkdir()
        (tmp_path / "closed" / "a").write_bytes(b"x")
        with powerless(tmp_path / "closed"), pytest.raises(LocalFileError, match="cannot be read: permission denied"):
            gateway.push(tmp_path / "closed", NAME)
        assert sim.requests == []

    def test_what_is_left_out_may_be_anything(self, sim, gateway, tmp_path):
        (tmp_path / "a.bin").write_bytes(b"x")
        (tmp_path / "link").symlink_to("nowhere")
        os.mkfifo(tmp_path / "pipe.tmp")
        gateway.push(tmp_path, NAME, exclude=["link", "*.tmp"])
        assert sim.versions[NAME][0].keys() == {"a.bin"}

    def test_what_a_pull_left_half_done_is_not_published(self, sim, gateway, tmp_path):
        (tmp_path / ".gateway-partial").mkdir()
        (tmp_path / ".gateway-partial" / "0.new").write_bytes(b"half")
        (tmp_path / "a.bin").write_bytes(b"x")
        gateway.push(tmp_path, NAME)
        assert sim.versions[NAME][0].keys() == {"a.bin"}

    def test_a_sparse_file_is_what_it_reads_as(self, sim, gateway, tmp_path):
        (tmp_path / "source").mkdir()
        with (tmp_path / "source" / "sparse").open("wb") as file:
            file.truncate(3 * SEGMENT)
            file.seek(SEGMENT)
            file.write(b"island")
        gateway.push(tmp_path / "source", NAME)
        gateway.pull(NAME, tmp_path / "target")
        content = (tmp_path / "target" / "sparse").read_bytes()
        assert content == (tmp_path / "source" / "sparse").read_bytes()

    def test_what_s3_gets_otherwise_than_it_was_sent_is_sent_again(self, sim, gateway, tmp_path):
        (tmp_path / "a.bin").write_bytes(b"x")
        sim.fault("PUT", "^/s3/", status=400, body=b"<Error><Code>BadDigest</Code></Error>")
        gateway.push(tmp_path, NAME)
        assert sim.asked("PUT", "^/s3/") == 2


class TestPull:
    def test_a_refused_pull_leaves_no_folder(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        sim.fault("POST", "/links:batch$", status=403, body=b'{"code":"access-denied","detail":"No."}')
        with pytest.raises(AccessDenied):
            gateway.pull(NAME, tmp_path / "target")
        with pytest.raises(UnknownPath):
            gateway.pull(f"{NAME}/nothing", tmp_path / "target")
        with pytest.raises(UnknownPath, match="no file that the patterns mean"):
            gateway.pull(NAME, tmp_path / "target", include=["*.csv"])
        assert not (tmp_path / "target").exists()

    def test_names_that_differ_by_case_alone_are_refused_where_case_is_folded(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"Readme": b"1", "readme": b"2"})
        folder = TargetFolder(tmp_path, folds_case=True)
        with pytest.raises(InvalidPath, match="'Readme' and 'readme' are one name on this disk"):
            Pull(gateway.snapshot(NAME), folder, gateway._bulk, Silent(), threads=1).run()
        assert files_below(tmp_path) <= {"Readme"}

    def test_this_disk_tells_them_apart(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"Readme": b"1", "readme": b"2"})
        gateway.pull(NAME, tmp_path)
        assert files_below(tmp_path) == {"Readme", "readme"}

    @pytest.mark.parametrize("name", ["con", "LPT1.txt", "aux.tar.gz", "a:b", "what?", "end.", "end "])
    def test_names_that_windows_cannot_have_are_refused_there(self, name):
        with pytest.raises(InvalidPath, match="cannot be a file on this system"):
            require_fitting(f"train/{name}", system="nt")
        require_fitting(f"train/{name}", system="posix")

    def test_a_name_that_no_disk_can_have_is_refused(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"n" * 256: b"x", "a": b"y"})
        with pytest.raises(InvalidPath, match="longer than 255 bytes"):
            gateway.pull(NAME, tmp_path)
        gateway.pull(NAME, tmp_path, exclude=["nnn*"])
        assert files_below(tmp_path) == {"a"}

    def test_the_deepest_path_is_pulled(self, sim, gateway, tmp_path):
        path = "d/" * 511 + "f"
        sim.publish(NAME, {path: b"x"})
        gateway.pull(NAME, tmp_path / "t")
        found = (tmp_path / "t" / path).read_bytes()
        subprocess.run(["rm", "-rf", tmp_path / "t"], check=True)
        assert found == b"x"

    def test_a_file_in_a_folders_place_is_named(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"sub/a.bin": b"x"})
        (tmp_path / "sub").write_bytes(b"mine")
        with pytest.raises(LocalFileError, match=r"sub.* cannot be written"):
            gateway.pull(NAME, tmp_path)
        assert (tmp_path / "sub").read_bytes() == b"mine"

    def test_a_folder_that_may_not_be_written_is_named(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"x"})
        (tmp_path / "closed").mkdir()
        with (
            powerless(tmp_path / "closed"),
            pytest.raises(LocalFileError, match="cannot be written: permission denied"),
        ):
            gateway.pull(NAME, tmp_path / "closed" / "target")

    @pytest.mark.parametrize("size", [3 * SEGMENT, 9 * SEGMENT])
    def test_a_limit_that_is_met_in_the_middle_is_named_and_leaves_no_half_file(self, sim, tmp_path, size):
        sim.publish(NAME, {"a.bin": os.urandom(size)})

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (2 * SEGMENT, 2 * SEGMENT))

        done = subprocess.run(
            [sys.executable, "-m", "gateway", "pull", NAME, tmp_path / "target"],
            env=os.environ | {"GATEWAY_URL": sim.url, "GATEWAY_TOKEN": "made-up-token"},
            preexec_fn=limit,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 81
        assert "a.bin cannot be written: file too large" in done.stderr
        assert not (tmp_path / "target" / "a.bin").exists()

    def test_a_version_that_is_removed_meanwhile_is_named(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"1", "b.bin": b"2"})

        def remove(method, path):
            if path.startswith("/s3/"):
                sim.objects.clear()
                sim.versions[NAME].clear()

        sim.hook = remove
        with pytest.raises(UnknownVersion, match=r"v1|latest"):
            gateway.pull(NAME, tmp_path, threads=1)
        assert files_below(tmp_path) == set()

    @pytest.mark.parametrize("minutes", [-5, 5])
    def test_a_clock_that_is_minutes_off_changes_nothing(self, sim, gateway, tmp_path, minutes):
        sim.expires_at = (datetime.now(UTC) + timedelta(minutes=5 + minutes)).isoformat()
        (tmp_path / "source").mkdir()
        (tmp_path / "source" / "a.bin").write_bytes(b"x")
        gateway.push(tmp_path / "source", NAME)
        gateway.pull(NAME, tmp_path / "target")
        assert sim.asked("POST", "/objects$") == 1
        assert sim.asked("POST", "/links") == 1

    def test_what_reads_back_as_something_else_takes_no_name(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"right"})

        class Forgetful:
            """Says that it wrote, and writes something else."""

            def __init__(self, path):
                self._file = open(path, "xb", buffering=0)  # noqa: PTH123, SIM115 -- closed as a file is
                self.name, self.fileno = path, self._file.fileno

            def write(self, data):
                return self._file.write(b"wrong")

            def __enter__(self):
                return self

            def __exit__(self, *_):
                self._file.close()

        folder = TargetFolder(tmp_path / "target", verify=True, create=Forgetful)
        with pytest.raises(LocalFileError, match=r"a\.bin was written, and reads back as something else"):
            Pull(gateway.snapshot(NAME), folder, gateway._bulk, Silent(), threads=1).run()
        assert files_below(tmp_path / "target") == set()

    def test_files_that_are_read_back_are_whole(self, sim, gateway, tmp_path):
        sim.publish(NAME, {"a.bin": b"short", "b.bin": os.urandom(9 * SEGMENT)})
        assert gateway.pull(NAME, tmp_path, verify=True, fsync=True).pulled == 2
