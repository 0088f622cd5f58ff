# SPDX-License-Identifier: Apache-2.0
"""Trains the model of the digits examples: python train_mnist.py DATASET FOLDER.

Writes FOLDER/model.pkl and FOLDER/test.csv (the quarter of the rows that the model
has not seen); for `digits` also FOLDER/all.csv.
"""

import pathlib
import pickle
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler


def write_csv(path: pathlib.Path, labels: np.ndarray, pixels: np.ndarray) -> None:
    np.savetxt(path, np.column_stack([labels, pixels]), fmt="%d", delimiter=",")


def main(dataset: str, folder: pathlib.Path) -> None:
    if dataset == "digits":
        digits = load_digits()
        labels, pixels = digits.target, digits.data.astype(np.int64)
        write_csv(folder / "all.csv", labels, pixels)
    else:
        rows = np.loadtxt(folder / "all.csv", delimiter=",", dtype=np.int64)
        labels, pixels = rows[:, 0], rows[:, 1:]
    train_x, test_x, train_y, test_y = train_test_split(
        pixels, labels, test_size=0.25, random_state=0, stratify=labels)
    # The more pixels, the stronger the regularisation, or it learns the training digits by heart.
    model = make_pipeline(MinMaxScaler(), LogisticRegression(C=64 / pixels.shape[1], max_iter=300))
    model.fit(train_x, train_y)
    write_csv(folder / "test.csv", test_y, test_x)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    print(f"trained on {len(train_y)} digits, model in {folder / 'model.pkl'}; "
          f"held out: {len(test_y)}, of which it knows {model.score(test_x, test_y):.4f}")


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
