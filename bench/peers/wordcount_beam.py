# SPDX-License-Identifier: Apache-2.0
"""Word count as a Python Beam user writes it: wordcount_beam.py INPUT OUTPUT."""

import re
import sys
import time

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions


def main(source, output):
    began = time.perf_counter()
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        (
            pipeline
            | beam.io.ReadFromText(source)
            | beam.FlatMap(lambda line: re.findall(r"[A-Za-z']+", line))
            | beam.Map(lambda word: (word, 1))
            | beam.CombinePerKey(sum)
            | beam.MapTuple(lambda word, count: f"{word}: {count}")
            | beam.io.WriteToText(output)
        )
    print(f"pipeline seconds: {time.perf_counter() - began:.3f}")
    print(f"processor seconds: {time.process_time():.3f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
