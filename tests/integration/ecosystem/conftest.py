"""One dataset for all these tests, read through `gateway://` by the libraries themselves, on real parts."""

import io
import secrets
import tarfile

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zarr
from safetensors.numpy import save_file

from gateway.client import Gateway, StaticToken
from gateway.client.bulk import BulkTransport

ROWS = 140_000
"""In each row group: a column of these takes a little more than a segment."""
GROUPS = 4


@pytest.fixture(scope="session")
def numbers():
    """Columns of a table, row group by row group; no compression makes them smaller."""
    random = np.random.default_rng(7)
    return [
        {"group": np.full(ROWS, group), **{name: random.random(ROWS) for name in "abcdef"}} for group in range(GROUPS)
    ]


def write_table(file, numbers):
    with pq.ParquetWriter(file, pa.table(numbers[0]).schema, compression="none", use_dictionary=["group"]) as writer:
        for group in numbers:
            writer.write_table(pa.table(group))


def write_shard(file, first):
    with tarfile.open(file, "w") as shard:
        for index in range(first, first + 5):
            for ending, content in {"txt": b"picture %d" % index, "cls": b"%d" % (index % 3)}.items():
                member = tarfile.TarInfo(f"{index:05d}.{ending}")
                member.size = len(content)
                shard.addfile(member, io.BytesIO(content))


@pytest.fixture(scope="session")
def published(shared, token_for, numbers, tmp_path_factory):
    """The first version of a dataset: a table, shards, weights, an array."""
    name = f"dataset/vision/ecosystem-{secrets.token_hex(6)}"
    folder = tmp_path_factory.mktemp("ecosystem")
    write_table(folder / "table.parquet", numbers)
    for shard in range(2):
        write_shard(folder / f"train-{shard}.tar", 5 * shard)
    weights = {"small": np.arange(6.0), "large": np.ones(600_000), "last": np.arange(4)}
    save_file(weights, folder / "weights.safetensors")
    array = zarr.create_array(folder / "array.zarr", shape=(100, 100), chunks=(50, 50), dtype="i4")
    array[:] = np.arange(10_000).reshape(100, 100)
    with Gateway(shared.url, token_source=StaticToken(token_for(shared, "ada"))) as gateway:
        gateway.push(folder, name)
    return name


@pytest.fixture
def login(shared, token_for, monkeypatch, tmp_path):
    """Ada, in this process and those that it starts."""
    monkeypatch.setenv("GATEWAY_URL", shared.url)
    monkeypatch.setenv("GATEWAY_TOKEN", token_for(shared, "ada"))
    monkeypatch.setenv("GATEWAY_HOME", str(tmp_path / "home"))
    fsspec.get_filesystem_class("gateway").clear_instance_cache()


@pytest.fixture
def url(login, published):
    """Where the dataset is."""
    return f"gateway://{published}@v1"


@pytest.fixture
def fs(login):
    return fsspec.filesystem("gateway")


@pytest.fixture
def fetched(monkeypatch):
    """Collects how many bytes each request to S3 was for."""
    sizes = []
    reading = BulkTransport.reading

    def counted(self, link, span):
        sizes.append(len(span))
        return reading(self, link, span)

    monkeypatch.setattr(BulkTransport, "reading", counted)
    return sizes
