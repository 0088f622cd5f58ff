# SPDX-License-Identifier: Apache-2.0
"""The scikit-learn pipeline of frames.ts by itself.

frames_plain.py train ROWS.json MODEL
frames_plain.py predict ROWS.json MODEL OUTPUT    prints the processor time of predict on one whole frame
"""

import json
import pickle
import sys
import time

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["age", "income", "visits"]
TEXTS = ["city", "plan", "device"]


def frame_of(path):
    with open(path, encoding="utf-8") as file:
        return pd.DataFrame(json.load(file))[NUMBERS + TEXTS]


def train(path, target):
    frame = frame_of(path)
    bought = (frame.visits * 3 + frame.age / 10 + frame.income.fillna(30_000) / 10_000 > 25).astype(int)
    columns = ColumnTransformer([
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        ("texts", OneHotEncoder(handle_unknown="ignore"), TEXTS),
    ])
    model = make_pipeline(columns, LogisticRegression(max_iter=500)).fit(frame, bought)
    with open(target, "wb") as file:
        pickle.dump(model, file)


def predict(path, source, output):
    frame = frame_of(path)
    with open(source, "rb") as file:
        model = pickle.load(file)
    times = []
    for _ in range(5):
        began = time.process_time()
        predictions = model.predict(frame)
        times.append(time.process_time() - began)
    (predictions + 48).astype(np.uint8).tofile(output)
    print(f"predict seconds: {sorted(times)[2]:.3f}")


if __name__ == "__main__":
    {"train": train, "predict": predict}[sys.argv[1]](*sys.argv[2:])
