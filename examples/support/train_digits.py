# SPDX-License-Identifier: Apache-2.0
"""Trains one framework on the digits: python train_digits.py FRAMEWORK all.csv FOLDER.

FRAMEWORK is sklearn, pytorch, tensorflow, onnx or xgboost, and must be installed. Every fourth row
is held out, the same for all. FOLDER gets the model, in each form that the framework can save.
"""

import pathlib
import pickle
import sys

import numpy as np

HIDDEN = 32


def sklearn(pixels: np.ndarray, labels: np.ndarray, folder: pathlib.Path) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    model = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=300)).fit(pixels, labels)
    (folder / "model.pkl").write_bytes(pickle.dumps(model))


def pytorch(pixels: np.ndarray, labels: np.ndarray, folder: pathlib.Path) -> None:
    import torch
    from digits_net import DigitsNet

    torch.manual_seed(0)
    model = DigitsNet(HIDDEN)
    x, y = torch.tensor(pixels, dtype=torch.float32), torch.tensor(labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.eval()
    torch.save(model.state_dict(), folder / "model.pt")
    torch.jit.save(torch.jit.trace(model, x[:2]), str(folder / "model.torchscript"))


def tensorflow(pixels: np.ndarray, labels: np.ndarray, folder: pathlib.Path) -> None:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(0)
    model = tf.keras.Sequential([
        tf.keras.layers.Input((64,)),
        tf.keras.layers.Rescaling(1 / 16),
        tf.keras.layers.Dense(HIDDEN, activation="relu"),
        tf.keras.layers.Dense(10),
    ])
    model.compile(tf.keras.optimizers.Adam(0.01), tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(pixels.astype(np.float32), labels, batch_size=256, epochs=60, verbose=0)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    model.export(folder / "saved_model", verbose=False)


def onnx(pixels: np.ndarray, labels: np.ndarray, folder: pathlib.Path) -> None:
    """Softmax regression, trained here and written as a graph of three nodes."""
    import onnx as ox
    from onnx import helper, numpy_helper

    x, y = pixels / 16, np.eye(10)[labels]
    weights, bias = np.zeros((64, 10)), np.zeros(10)
    for _ in range(500):
        scores = x @ weights + bias
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = chances / chances.sum(axis=1, keepdims=True) - y
        weights -= 0.5 * x.T @ error / len(x)
        bias -= 0.5 * error.mean(axis=0)
    constants = {"weights": weights / 16, "bias": bias}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["pixels", "weights", "bias"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["probabilities"]),
            helper.make_node("ArgMax", ["scores"], ["label"], axis=1, keepdims=0),
        ],
        "digits",
        [helper.make_tensor_value_info("pixels", ox.TensorProto.FLOAT, ["rows", 64])],
        [
            helper.make_tensor_value_info("label", ox.TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info("probabilities", ox.TensorProto.FLOAT, ["rows", 10]),
        ],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    # Versions that runtimes of the last years read; the newest are refused.
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])
    ox.checker.check_model(model)
    ox.save(model, folder / "model.onnx")


def xgboost(pixels: np.ndarray, labels: np.ndarray, folder: pathlib.Path) -> None:
    import xgboost as xgb

    model = xgb.XGBClassifier(n_estimators=40, max_depth=4, n_jobs=2, random_state=0)
    model.fit(pixels.astype(np.float32), labels)
    model.save_model(folder / "model.json")


def main(framework: str, rows: str, folder: pathlib.Path) -> None:
    table = np.loadtxt(rows, delimiter=",", dtype=np.int64)
    held_out = np.arange(len(table)) % 4 == 3
    train = table[~held_out]
    FRAMEWORKS[framework](train[:, 1:], train[:, 0], folder)
    np.savetxt(folder / "test.csv", table[held_out], fmt="%d", delimiter=",")
    print(f"trained {framework} on {len(train)} digits; held out: {held_out.sum()}")


FRAMEWORKS = {each.__name__: each for each in (sklearn, pytorch, tensorflow, onnx, xgboost)}

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3]))
