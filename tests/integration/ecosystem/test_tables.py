"""Tables: pandas, PyArrow and DuckDB fetch the columns and row groups that they need, and datasets loads by URL."""

import os
import subprocess
import sys

import duckdb
import numpy as np
import pandas as pd
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.integration

COLUMN_BYTES = 140_000 * 8
SEGMENT = 1 << 20
ENOUGH = 5 * SEGMENT
"""One column of one row group lies in three segments at most; one more has the footer, and one the first magic."""


def test_pandas_fetches_one_column_of_one_row_group(url, fetched, numbers):
    found = pd.read_parquet(f"{url}/table.parquet", columns=["b"], filters=[("group", "==", 2)])
    assert np.array_equal(found["b"], numbers[2]["b"])
    assert COLUMN_BYTES <= sum(fetched) <= ENOUGH


def test_pyarrow_fetches_one_row_group_of_a_file(fs, url, fetched, numbers):
    with fs.open(f"{url}/table.parquet") as file:
        found = pq.ParquetFile(file).read_row_group(1, columns=["c"])
    assert np.array_equal(found["c"], numbers[1]["c"])
    assert COLUMN_BYTES <= sum(fetched) <= ENOUGH


def test_pyarrow_scans_a_folder_with_a_filter(fs, published, fetched, numbers):
    dataset = ds.dataset(f"{published}@v1/table.parquet", filesystem=fs, format="parquet")
    found = dataset.to_table(columns=["d"], filter=ds.field("group") == 3)
    assert np.array_equal(found["d"], numbers[3]["d"])
    assert COLUMN_BYTES <= sum(fetched) <= ENOUGH


def test_duckdb_fetches_one_column_of_one_row_group(fs, url, fetched, numbers):
    with duckdb.connect() as database:
        database.register_filesystem(fs)
        query = 'SELECT sum(a), count(*) FROM read_parquet($url) WHERE "group" = 1'
        total, count = database.execute(query, {"url": f"{url}/table.parquet"}).fetchone()
    assert (round(total, 3), count) == (round(numbers[1]["a"].sum(), 3), 140_000)
    assert sum(fetched) <= 2 * ENOUGH


def test_ranges_that_touch_are_fetched_once(fs, url, fetched):
    path = f"{url}/table.parquet"
    whole = fs.cat_file(path, 0, 3 * SEGMENT)
    fetched.clear()
    starts = [0, 100, SEGMENT, 2 * SEGMENT]
    assert fs.cat_ranges([path] * 4, starts, [start + 50 for start in starts]) == [
        whole[start : start + 50] for start in starts
    ]
    assert fetched == [3 * SEGMENT]


LOAD = """
import sys
from datasets import load_dataset

whole = load_dataset("parquet", data_files={"train": sys.argv[1]}, split="train", columns=["group", "e"])
stream = load_dataset("parquet", data_files={"train": sys.argv[1]}, split="train", streaming=True)
print(len(whole), sorted(set(whole["group"])), next(iter(stream))["e"] == whole[0]["e"])
"""


def test_datasets_loads_by_url_whole_and_as_a_stream(url, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", LOAD, f"{url}/table.parquet"],
        # It calls no file system at all in its offline mode. So its hub is where nobody listens.
        env={**os.environ, "HF_HOME": str(tmp_path), "HF_ENDPOINT": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )
    assert done.stdout == "560000 [0, 1, 2, 3] True\n", done.stderr
