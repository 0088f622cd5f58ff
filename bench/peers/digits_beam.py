# SPDX-License-Identifier: Apache-2.0
"""The digits pipeline as a Python Beam user writes it: digits_beam.py INPUT OUTPUT MODEL."""

import sys

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
from apache_beam.options.pipeline_options import PipelineOptions


def parse(line):
    label, *pixels = line.split(",")
    return int(label), np.array([int(p) for p in pixels])


def main(source, output, model):
    handler = KeyedModelHandler(SklearnModelHandlerNumpy(model))
    with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as pipeline:
        (
            pipeline
            | beam.io.ReadFromText(source)
            | beam.Map(parse)
            | RunInference(handler)
            | beam.MapTuple(lambda label, result: f"{label},{result.inference}")
            | beam.io.WriteToText(output)
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
