"""Samples, weights and arrays: WebDataset, safetensors and zarr read by `gateway://` what they read from a disk."""

import json

import fsspec
import numpy as np
import pytest
import webdataset
import zarr
from safetensors import safe_open
from safetensors.numpy import load
from webdataset.gopen import gopen_schemes

pytestmark = pytest.mark.integration


def open_url(url, mode, bufsize):
    return fsspec.open(url, mode).open()


def test_webdataset_reads_shards(url, monkeypatch):
    monkeypatch.setitem(gopen_schemes, "gateway", open_url)
    shards = webdataset.WebDataset(f"{url}/train-{{0..1}}.tar", shardshuffle=False).decode().to_tuple("txt", "cls")
    assert list(shards) == [(f"picture {index}", index % 3) for index in range(10)]


def test_safetensors_loads_weights(fs, url, tmp_path):
    weights = load(fs.cat_file(f"{url}/weights.safetensors"))
    assert np.array_equal(weights["small"], np.arange(6.0))
    fs.get(f"{url}/weights.safetensors", str(tmp_path / "weights"))
    with safe_open(tmp_path / "weights", framework="numpy") as opened:
        assert np.array_equal(opened.get_tensor("large"), weights["large"])


def test_one_tensor_is_fetched_without_the_others(fs, url, fetched):
    with fs.open(f"{url}/weights.safetensors") as file:
        length = int.from_bytes(file.read(8), "little")
        where = json.loads(file.read(length))["last"]["data_offsets"]
        file.seek(8 + length + where[0])
        assert np.array_equal(np.frombuffer(file.read(where[1] - where[0]), "i8"), np.arange(4))
    assert sum(fetched) < file.size / 2


def test_zarr_reads_chunks(fs, url):
    array = zarr.open_array(f"{url}/array.zarr", mode="r")
    assert np.array_equal(array[40:60, 40:60], np.arange(10_000).reshape(100, 100)[40:60, 40:60])
