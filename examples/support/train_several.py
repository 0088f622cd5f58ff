# SPDX-License-Identifier: Apache-2.0
"""Trains the models of the several-models example: python train_several.py FOLDER.

Writes FOLDER/logistic.pkl, FOLDER/forest.pkl and FOLDER/neighbors.pkl, each trained on the same
three quarters of scikit-learn's digits, and FOLDER/test.csv, the quarter that none has seen.
"""

import pathlib
import pickle
import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

MODELS = {
    "logistic": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=300)),
    "forest": RandomForestClassifier(n_estimators=50, random_state=0),
    "neighbors": KNeighborsClassifier(n_neighbors=3, weights="distance"),
}


def main(folder: pathlib.Path) -> None:
    digits = load_digits()
    train_x, test_x, train_y, test_y = train_test_split(
        digits.data.astype(np.int64), digits.target, test_size=0.25, random_state=0, stratify=digits.target)
    for name, model in MODELS.items():
        model.fit(train_x, train_y)
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(model))
    np.savetxt(folder / "test.csv", np.column_stack([test_y, test_x]), fmt="%d", delimiter=",")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
