# SPDX-License-Identifier: Apache-2.0
"""The Python half of digits_plain.ts, batches in and predictions out: digits_plain.py MODEL [--beam].

With --beam, Beam's model handler loads the model and scores; otherwise there is no Beam at all.
"""

import pickle
import struct
import sys

import numpy as np


def scorer(path, by_beam):
    if not by_beam:
        with open(path, "rb") as file:
            model = pickle.load(file)
        return model.predict
    from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy

    handler = SklearnModelHandlerNumpy(path)
    model = handler.load_model()
    return lambda batch: np.array([result.inference for result in handler.run_inference(batch, model)])


def main(path, *options):
    score = scorer(path, "--beam" in options)
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while head := source.read(8):
        rows, width = struct.unpack("<II", head)
        batch = np.frombuffer(source.read(rows * width), "<i1").astype(np.int64).reshape(rows, width)
        target.write(score(batch).astype("<i8").tobytes())
    target.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
