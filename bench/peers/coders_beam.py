# SPDX-License-Identifier: Apache-2.0
"""Encodes and decodes with Python Beam's (Cython) coders; prints values a second as JSON."""

import json
import sys
import time
import typing

from apache_beam.coders import coder_impl, coders
from apache_beam.coders.row_coder import RowCoder
from apache_beam.typehints.schemas import typing_to_runner_api


class Digit(typing.NamedTuple):
    id: int
    pixels: typing.Sequence[int]
    score: float
    name: str


CASES = {
    "string_utf8": (coders.StrUtf8Coder(), lambda i: f"word number {i}"),
    "varint": (coders.VarIntCoder(), lambda i: i * 7919),
    "double": (coders.FloatCoder(), lambda i: i / 7),
    "kv<string_utf8, varint>": (
        coders.TupleCoder([coders.StrUtf8Coder(), coders.VarIntCoder()]),
        lambda i: (f"key{i}", i),
    ),
    "row of 64 whole numbers": (
        RowCoder(typing_to_runner_api(Digit).row_type.schema),
        lambda i: Digit(i, [(i + p) % 17 for p in range(64)], i / 7, f"digit {i}"),
    ),
    "plain value": (coders.FastPrimitivesCoder(), lambda i: {"id": i, "tags": ["a", "b"], "score": i / 7}),
}


def rate(seconds, action, count):
    best = float("inf")
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        start = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - start)
    return count / best


def main(seconds, count):
    results = {}
    for name, (coder, make) in CASES.items():
        impl = coder.get_impl()
        values = [make(i) for i in range(count)]

        def encode():
            out = coder_impl.create_OutputStream()
            for value in values:
                impl.encode_to_stream(value, out, True)
            return out.get()

        data = encode()

        def decode():
            stream = coder_impl.create_InputStream(data)
            for _ in range(count):
                impl.decode_from_stream(stream, True)

        results[name] = {"encode": rate(seconds, encode, count), "decode": rate(seconds, decode, count)}
    print(json.dumps(results))


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
