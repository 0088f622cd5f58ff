# SPDX-License-Identifier: Apache-2.0
"""Trains the model of the wine example: python train_wine.py FOLDER.

Writes FOLDER/model.pkl, a pipeline with a ColumnTransformer that was fitted on three quarters of scikit-learn's 178
wines, and FOLDER/test.csv, the quarter that it has not seen: as pandas writes it, with a column of texts, columns
whose names are no Python names, and a value in ten missing.
"""

import pathlib
import pickle
import sys

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_wine
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["flavanoids", "proline", "color intensity (0-15)", "od280/od315"]


def main(folder: pathlib.Path) -> None:
    wines = load_wine(as_frame=True).frame.rename(columns={
        "color_intensity": NUMBERS[2], "od280/od315_of_diluted_wines": NUMBERS[3], "target": "cultivar"})
    wines["strength"] = np.where(wines["alcohol"] > 13, "strong, above 13 %", 'a "light" one')
    wines = wines[["cultivar", "strength", *NUMBERS]]
    rng = np.random.default_rng(0)
    for name in ["strength", "proline"]:
        wines.loc[rng.random(len(wines)) < 0.1, name] = None
    train, test = train_test_split(wines, test_size=0.25, random_state=0, stratify=wines["cultivar"])
    model = make_pipeline(
        ColumnTransformer([
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
            ("texts", OneHotEncoder(handle_unknown="ignore"), ["strength"]),
        ]),
        LogisticRegression(),
    )
    model.fit(train.drop(columns="cultivar"), train["cultivar"])
    test.to_csv(folder / "test.csv", index=False, na_rep="NA")
    (folder / "model.pkl").write_bytes(pickle.dumps(model))
    print(f"{model.score(test.drop(columns='cultivar'), test['cultivar']):.4f} right in Python", file=sys.stderr)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
