"""PyTorch: a DataLoader whose workers read samples and weights through `gateway://`, forked and spawned.

`./scripts/test --with-torch` installs PyTorch and runs this.
"""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

PROGRAM = """
import sys

import fsspec
import torch
from safetensors.torch import load
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info


class Samples(Dataset):
    # Samples of fixed size in one file, which each worker reads at any place.
    def __init__(self, url):
        self.fs = fsspec.filesystem("gateway")
        self.file = self.fs.open(url + "/weights.safetensors")

    def __len__(self):
        return 40

    def __getitem__(self, index):
        self.file.seek(index * 100_000)
        return torch.frombuffer(bytearray(self.file.read(1000)), dtype=torch.uint8)


class Shards(IterableDataset):
    # Shards, which the workers divide between them.
    def __init__(self, fs, url):
        self.fs = fs
        self.paths = fs.glob(url + "/train-*.tar")

    def __iter__(self):
        worker = get_worker_info()
        for path in self.paths[worker.id :: worker.num_workers]:
            yield path.rpartition("/")[2], len(self.fs.cat_file(path))


if __name__ == "__main__":
    url, method = sys.argv[1:]
    samples = Samples(url)
    content = samples.fs.cat_file(url + "/weights.safetensors")
    expected = torch.stack([torch.frombuffer(bytearray(content[at : at + 1000]), dtype=torch.uint8)
                            for at in range(0, 4_000_000, 100_000)])
    loader = DataLoader(samples, batch_size=8, num_workers=2, multiprocessing_context=method,
                        persistent_workers=True)
    for epoch in range(2):
        print("samples", torch.equal(torch.cat(list(loader)), expected))
    shards = DataLoader(Shards(samples.fs, url), batch_size=None, num_workers=2, multiprocessing_context=method)
    print("shards", sorted(shards))
    print("weights", load(content)["small"].sum().item())
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_samples_shards_and_weights(url, tmp_path, method):
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py", url, method], capture_output=True, text=True, check=False, timeout=110
    )
    assert done.stdout == (
        "samples True\nsamples True\nshards [['train-0.tar', 20480], ['train-1.tar', 20480]]\nweights 15.0\n"
    ), done.stderr
