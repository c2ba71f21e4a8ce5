"""The training job of the story: pull a dataset, train a classifier, publish its weights. It knows only the SDK."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from gateway.client import Gateway

folder = Path(sys.argv[1])
with Gateway() as gateway:
    gateway.pull("dataset/vision/digits@v1/digits.parquet", folder)
    table = np.column_stack([column.to_numpy() for column in pq.read_table(folder / "digits.parquet").columns])
    pixels, digits = table[:, :-1] / 16.0, table[:, -1]
    train_x, test_x, train_y, test_y = train_test_split(pixels, digits, test_size=0.25, random_state=0)
    model = LogisticRegression(max_iter=1000).fit(train_x, train_y)
    weights = folder / "weights"
    weights.mkdir()
    save_file({"coef": model.coef_, "intercept": model.intercept_}, weights / "model.safetensors")
    accuracy = model.score(test_x, test_y)
    gateway.push(weights, "model/vision/digits-logreg", message=f"accuracy {accuracy:.3f}")
    sys.stdout.write(f"{accuracy:.4f}\n")
