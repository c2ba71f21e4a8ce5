import os
import pickle
import threading

import fsspec
import pytest

from gateway.client import Gateway
from gateway.client.filesystem import GatewayFileSystem
from gateway.client.python_errors import python_errors
from gateway.errors import AccessDenied, GatewayUnavailable, InvalidConfiguration, NotFound, UnknownPath

NAME = "dataset/vision/digits"
SEGMENT = 1 << 20


@pytest.fixture
def digits(sim):
    """Two versions of a dataset."""
    sim.publish(NAME, {"a.csv": b"one", "train/b.csv": b"two", "train/deep/c.csv": b"three"})
    sim.publish(NAME, {"a.csv": b"another"})
    return f"gateway://{NAME}@v1"


class TestRefusals:
    @pytest.mark.parametrize("path", [f"{NAME}@v1/none", f"{NAME}@v7/a.csv", "dataset/vision/none/a", "x/y/z", "x"])
    def test_what_is_not_there_is_a_missing_file(self, fs, digits, path):
        assert not fs.exists(path)
        with pytest.raises(OSError, match=r".") as caught:
            fs.open(path)
        assert isinstance(caught.value, FileNotFoundError) == (not path.startswith("x"))

    def test_errors_are_pythons_and_ours(self, fs, digits):
        with pytest.raises(FileNotFoundError) as caught:
            fs.cat_file(f"{digits}/none")
        assert isinstance(caught.value, NotFound)
        assert caught.value.code == "unknown-path"
        assert isinstance(caught.value.__cause__, UnknownPath)

    @pytest.mark.parametrize("kind", [AccessDenied("no"), GatewayUnavailable("away", hint="wait")])
    def test_errors_go_from_process_to_process(self, kind):
        with pytest.raises(OSError, match=r"no|away") as caught, python_errors():
            raise kind
        found = pickle.loads(pickle.dumps(caught.value))
        assert (type(found), found.message, found.hint, found.code) == (
            type(caught.value),
            kind.message,
            kind.hint,
            kind.code,
        )
        assert isinstance(found, PermissionError) == isinstance(kind, AccessDenied)

    def test_ranges_fail_one_by_one(self, fs, digits):
        found = fs.cat_ranges([f"{digits}/a.csv", f"{digits}/none"], 0, 2)
        assert found[0] == b"on"
        assert isinstance(found[1], FileNotFoundError)
        with pytest.raises(FileNotFoundError):
            fs.cat_ranges([f"{digits}/a.csv", f"{digits}/none"], 0, 2, on_error="raise")
        with pytest.raises(ValueError, match="as many"):
            fs.cat_ranges([f"{digits}/a.csv"], [0, 1], [2, 2])

    def test_a_bound_that_is_no_number_is_refused(self, fs, monkeypatch):
        monkeypatch.setenv("GATEWAY_CACHE_BYTES", "16G")
        with pytest.raises(InvalidConfiguration, match="'16G'"):
            fsspec.filesystem("gateway", skip_instance_cache=True)

    def test_no_token_is_handed_on(self, fs, digits):
        fs.cat_file(f"{digits}/a.csv")
        for shown in (pickle.dumps(fs), fs.to_json().encode(), repr(fs).encode()):
            assert b"made-up-token" not in shown


class TestListing:
    def test_above_resources_are_kinds_and_namespaces(self, fs, sim, digits):
        sim.publish("model/nlp/tiny", {"w": b""})
        assert fs.ls("gateway://", detail=False) == ["dataset", "model"]
        assert fs.ls("gateway://model", detail=False) == ["model/nlp"]
        assert fs.ls("gateway://model/nlp", detail=False) == ["model/nlp/tiny"]
        assert fs.isdir("gateway://model/nlp")
        assert fs.glob("gateway://model/*/*") == ["model/nlp/tiny"]

    def test_names_are_as_they_were_asked_for(self, fs, digits):
        assert fs.ls(f"{digits}/train", detail=False) == [f"{NAME}@v1/train/b.csv", f"{NAME}@v1/train/deep"]
        assert fs.ls(f"{digits}/train/b.csv", detail=False) == [f"{NAME}@v1/train/b.csv"]
        assert fs.ls(NAME, detail=False) == [f"{NAME}/a.csv"]

    def test_what_is_known_of_a_file(self, fs, digits):
        fs.ls(digits)
        info = fs.info(f"{digits}/a.csv")
        assert (info["size"], info["version"], info["type"]) == (3, 1, "file")
        assert info["ETag"] == info["sha256"]
        assert fs.checksum(f"{digits}/a.csv") == int(info["sha256"], 16)
        assert fs.created(f"{digits}/a.csv") == fs.modified(f"{digits}/a.csv") == info["created"]

    def test_all_files_are_one_listing(self, fs, sim, digits):
        assert fs.find(digits) == [f"{NAME}@v1/{path}" for path in ("a.csv", "train/b.csv", "train/deep/c.csv")]
        assert sim.asked("GET", "/files") == 1
        assert fs.find(f"{digits}/train", withdirs=True) == [
            f"{NAME}@v1/{path}" for path in ("train", "train/b.csv", "train/deep", "train/deep/c.csv")
        ]
        assert fs.find(digits, maxdepth=1) == [f"{NAME}@v1/a.csv"]
        assert fs.find("gateway://dataset/vision/none") == []

    def test_a_large_folder_beside_costs_one_request(self, fs, sim):
        many = {f"a/{number:05d}": b"" for number in range(3500)}
        sim.publish(NAME, {**many, "b": b"", "a0": b""})
        assert fs.ls(NAME, detail=False) == [f"{NAME}/{name}" for name in ("a", "a0", "b")]
        assert sim.asked("GET", "/files") == 2

    def test_a_listing_is_remembered_until_it_is_to_be_forgotten(self, fs, sim, digits):
        before = fs.ls(NAME, detail=False)
        sim.publish(NAME, {"new.csv": b""})
        assert fs.ls(NAME, detail=False) == before
        fs.invalidate_cache(f"gateway://{NAME}")
        assert fs.ls(NAME, detail=False) == [f"{NAME}/new.csv"]


class TestSameVersion:
    def test_a_name_stays_the_same_version(self, fs, sim, digits):
        assert fs.cat_file(f"{NAME}/a.csv") == b"another"
        sim.publish(NAME, {"a.csv": b"the next"})
        assert fs.cat_file(f"{NAME}/a.csv") == b"another"
        with fs.open(f"{NAME}/a.csv") as file:
            fs.invalidate_cache()
            assert file.read() == b"another"
        assert fs.cat_file(f"{NAME}/a.csv") == b"the next"

    def test_a_pickled_file_system_reads_the_same_version(self, fs, sim, digits):
        fs.info(f"{NAME}/a.csv")
        pickled = pickle.dumps(fs)
        sim.publish(NAME, {"a.csv": b"the next"})
        fs.invalidate_cache()
        GatewayFileSystem.clear_instance_cache()
        assert pickle.loads(pickled).cat_file(f"{NAME}/a.csv") == b"another"

    def test_a_pickled_file_goes_on_where_it_was(self, fs, digits):
        with fs.open(f"{digits}/a.csv") as file:
            file.read(1)
            with pickle.loads(pickle.dumps(file)) as other:
                assert other.read() == b"ne"

    def test_threads_share_what_names_stand_for(self, fs, sim, digits):
        fs.info(f"{NAME}/a.csv")
        sim.publish(NAME, {"a.csv": b"the next"})
        found = []

        def read():
            found.append(fsspec.filesystem("gateway").cat_file(f"{NAME}/a.csv"))

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        assert found == [b"another"]


class TestContent:
    @pytest.mark.parametrize("cache_type", ["segments", "readahead", "blockcache", "background", "bytes", "none"])
    def test_every_cache_reads_the_same(self, fs, sim, cache_type):
        content = os.urandom(4 * SEGMENT)
        sim.publish(NAME, {"a.bin": content})
        with fs.open(f"{NAME}/a.bin", block_size=SEGMENT, cache_type=cache_type) as file:
            assert file.read(100) == content[:100]
            file.seek(3 * SEGMENT)
            assert file.read() == content[3 * SEGMENT :]
            file.seek(50)
            assert file.read(3 * SEGMENT) == content[50 : 3 * SEGMENT + 50]

    def test_positions_are_as_in_slices(self, fs, digits):
        path = f"{digits}/train/deep/c.csv"
        assert fs.cat_file(path, 1, -1) == b"hre"
        assert fs.cat_ranges([path] * 3, [None, -2, 4], [2, None, 1]) == [b"th", b"ee", b""]

    def test_many_files_are_one_request_for_links(self, fs, sim):
        sim.publish(NAME, {f"{number:02d}": b"%d" % number for number in range(50)})
        paths = [f"{NAME}/{number:02d}" for number in range(50)]
        assert fs.cat_ranges(paths, None, None) == [b"%d" % number for number in range(50)]
        assert sim.asked("POST", "links$") == 1

    def test_a_link_can_be_handed_on(self, fs, digits):
        assert fs.sign(f"{digits}/a.csv").startswith("http")

    def test_the_environment_names_the_cache(self, fs, sim, digits, monkeypatch, tmp_path):
        monkeypatch.setenv("GATEWAY_CACHE", str(tmp_path / "cache"))
        for _ in range(2):
            GatewayFileSystem.clear_instance_cache()
            cached = fsspec.filesystem("gateway", skip_instance_cache=True, cache_bytes=1 << 30)
            assert cached.cat_file(f"{digits}/a.csv") == b"one"
        assert sim.asked("GET", "^/s3/") == 1

    def test_the_gateway_is_there_for_the_rest(self, fs):
        assert isinstance(fs.gateway, Gateway)


def test_a_folder_is_found_behind_names_that_sort_before_its_slash(fs, sim):
    sim.publish(NAME, {"train-old.csv": b"", "train/a.csv": b"", "alone-old.csv": b""})
    assert fs.isdir(f"{NAME}/train")
    assert not fs.exists(f"{NAME}/alone")
