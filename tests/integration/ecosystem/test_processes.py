"""Workers that were forked or spawned go on with the file system and the files that they were given."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

PROGRAM = """
import multiprocessing
import sys

import fsspec


def read(fs, file, url, answers):
    file.seek(0)
    answers.put((file.read(8), fs.cat_file(url + "/weights.safetensors", 0, 8), fs.info(url)["type"]))


if __name__ == "__main__":
    url = sys.argv[1]
    fs = fsspec.filesystem("gateway", cache=sys.argv[2])
    with fs.open(url + "/weights.safetensors") as file:
        while file.tell() < 4_000_000:  # a thread reads ahead, which no fork takes along
            file.read(500_000)
        file.seek(0)
        expected = (file.read(8), fs.cat_file(url + "/weights.safetensors", 0, 8), "directory")
        for method in ("fork", "spawn"):
            context = multiprocessing.get_context(method)
            answers = context.Queue()
            workers = [context.Process(target=read, args=(fs, file, url, answers)) for _ in range(2)]
            for worker in workers:
                worker.start()
            found = [answers.get(timeout=30) for _ in workers]
            for worker in workers:
                worker.join()
            print(method, found == [expected, expected], [worker.exitcode for worker in workers])
"""


def test_forked_and_spawned_workers_read_on(url, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", url, tmp_path / "cache"],
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.stdout == "fork True [0, 0]\nspawn True [0, 0]\n", done.stderr
