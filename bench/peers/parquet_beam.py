# SPDX-License-Identifier: Apache-2.0
"""Rows of a label and pixels, Parquet to Parquet, as a Python Beam user writes it.

parquet_beam.py SHAPE INPUT OUTPUT MODEL, where SHAPE is `list` or `wide`, with a column for each pixel.
"""

import sys

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.ml.inference.base import KeyedModelHandler, RunInference
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
from apache_beam.options.pipeline_options import PipelineOptions

SCHEMA = pa.schema([pa.field('label', pa.int64(), False), pa.field('prediction', pa.int64(), False)])


NAMES = [f'pixel{at}' for at in range(64)]


def of_list(row):
  return row['label'], np.array(row['pixels'], np.float32)


def of_columns(row):
  return row['label'], np.array([row[name] for name in NAMES], np.float32)


def main(shape, source, output, model):
  handler = KeyedModelHandler(SklearnModelHandlerNumpy(model))
  with beam.Pipeline(options=PipelineOptions(['--runner=FnApiRunner'])) as pipeline:
    _ = (
        pipeline
        | beam.io.ReadFromParquet(source)
        | beam.Map(of_columns if shape == 'wide' else of_list)
        | RunInference(handler)
        | beam.MapTuple(lambda label, result: {'label': label, 'prediction': int(result.inference)})
        | beam.io.WriteToParquet(output, SCHEMA, file_name_suffix='.parquet')
    )


if __name__ == '__main__':
  main(*sys.argv[1:])
