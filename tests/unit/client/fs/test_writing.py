import io

import pytest

from gateway.errors import InvalidInput, InvalidPath

NAME = "dataset/vision/digits"


@pytest.fixture
def digits(sim):
    sim.publish(NAME, {"a.csv": b"one", "train/b.csv": b"two"})
    return f"gateway://{NAME}"


def newest(sim):
    return sorted(sim.versions[NAME][-1])


def read(fs, path):
    fs.invalidate_cache()
    return fs.cat_file(f"{NAME}/{path}")


class Broken(Exception):
    pass


class TestRefusals:
    @pytest.mark.parametrize("path", [f"{NAME}@v1/a.csv", f"{NAME}@prod/a.csv", NAME, f"{NAME}/../x"])
    def test_a_version_and_a_bad_path_cannot_be_written(self, fs, digits, path):
        with pytest.raises(OSError, match=r".") as caught:
            fs.pipe_file(path, b"x")
        assert isinstance(caught.value, InvalidInput)
        assert isinstance(caught.value.__cause__, InvalidPath)

    def test_nothing_is_appended(self, fs, digits):
        with pytest.raises(OSError, match="mode 'ab'"):
            fs.open(f"{digits}/a.csv", "ab")

    def test_a_new_file_is_not_put_over_another(self, fs, digits, tmp_path):
        (tmp_path / "local").write_bytes(b"x")
        with pytest.raises(FileExistsError):
            fs.put_file(tmp_path / "local", f"{digits}/a.csv", mode="create")

    @pytest.mark.parametrize("mode", ["wb", "w", "wt"])
    def test_a_block_that_fails_publishes_nothing(self, fs, sim, digits, mode):
        def write():
            with fs.open(f"{digits}/new", mode) as file:
                file.write("half" if mode != "wb" else b"half")
                raise Broken

        with pytest.raises(Broken):
            write()
        assert len(sim.versions[NAME]) == 1

    def test_a_file_that_nobody_closes_is_not_published(self, fs, sim, digits):
        file = fs.open(f"{digits}/new", "wb")
        file.write(b"half")
        del file
        assert len(sim.versions[NAME]) == 1

    def test_a_transaction_that_fails_publishes_nothing(self, fs, sim, digits):
        def change():
            with fs.transaction:
                fs.pipe_file(f"{digits}/new", b"x")
                fs.rm(f"{digits}/a.csv")
                raise Broken

        with pytest.raises(Broken):
            change()
        assert len(sim.versions[NAME]) == 1
        fs.pipe_file(f"{digits}/later", b"x")
        assert newest(sim) == ["a.csv", "later", "train/b.csv"]

    def test_a_folder_is_removed_with_all_that_is_in_it_or_not(self, fs, sim, digits):
        with pytest.raises(IsADirectoryError):
            fs.rm(f"{digits}/train")
        fs.rm(f"{digits}/train", recursive=True)
        assert newest(sim) == ["a.csv"]

    def test_the_last_file_stays(self, fs, sim, digits):
        with pytest.raises(OSError, match="names no file"):
            fs.rm(digits, recursive=True)
        assert len(sim.versions[NAME]) == 1


def test_what_is_not_named_stays(fs, sim, digits):
    with fs.open(f"{digits}/new.csv", "w", encoding="utf-8", newline="") as file:
        file.write("é\n")
    assert newest(sim) == ["a.csv", "new.csv", "train/b.csv"]
    assert read(fs, "new.csv") == "é\n".encode()


def test_a_transaction_is_one_version(fs, sim, digits):
    with fs.transaction as transaction:
        transaction.message, transaction.tags = "tidy up", ("prod",)
        fs.pipe({f"{digits}/x": b"1", f"{digits}/y": b"2"})
        fs.mv(f"{digits}/a.csv", f"{digits}/moved.csv")
        assert fs.exists(f"{digits}/a.csv")  # until it ends
    assert newest(sim) == ["moved.csv", "train/b.csv", "x", "y"]
    assert [version.number for version in transaction.versions] == [2]
    assert sim.tags[NAME]["prod"] == 2
    assert read(fs, "moved.csv") == b"one"


def test_what_changes_nothing_makes_no_version(fs, sim, digits):
    fs.pipe_file(f"{digits}/a.csv", b"one")
    with fs.transaction as transaction:
        pass
    assert len(sim.versions[NAME]) == 1
    assert transaction.versions == []


def test_a_copy_sends_nothing_also_from_an_older_version(fs, sim, digits):
    fs.rm(f"{digits}/a.csv")
    sent = sim.asked("PUT", "^/s3/")
    fs.copy(f"{NAME}@v1/a.csv", f"{digits}/back.csv")
    assert newest(sim) == ["back.csv", "train/b.csv"]
    assert sim.asked("PUT", "^/s3/") == sent


def test_a_copy_to_another_resource_is_read_and_written(fs, sim, digits):
    sim.publish("dataset/vision/other", {"x": b""})
    fs.copy(f"{digits}/a.csv", "gateway://dataset/vision/other/a.csv")
    assert fs.cat_file("dataset/vision/other/a.csv") == b"one"


def test_a_local_file_is_published_from_where_it_is(fs, sim, digits, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "local").write_bytes(b"content")
    fs.put(str(tmp_path / "folder"), f"{digits}/put", recursive=True)
    assert newest(sim) == ["a.csv", "put/local", "train/b.csv"]
    assert read(fs, "put/local") == b"content"


def test_a_new_resource_is_made(fs, sim):
    with fs.open("gateway://dataset/vision/fresh/a.csv", "wb") as file:
        assert file.seek(0, io.SEEK_CUR) == 0
        file.write(b"x")
    assert sorted(sim.versions["dataset/vision/fresh"][0]) == ["a.csv"]
