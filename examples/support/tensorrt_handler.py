# SPDX-License-Identifier: Apache-2.0
"""A TensorRT handler of one's own, for the example tensorrt: a last batch may be short."""

from typing import Any, Iterable, Optional, Sequence

import numpy
from apache_beam.ml.inference.base import PredictionResult
from apache_beam.ml.inference.tensorrt_inference import TensorRTEngineHandlerNumPy


class PaddedEngine(TensorRTEngineHandlerNumPy):
  """Builds the engine of an ONNX model on the worker, and fills batches up with zeros.

  Args:
    onnx_path: the model.
    batch_size: the rows that the model is exported for.
  """

  def __init__(self, onnx_path: str, batch_size: int = 1) -> None:
    super().__init__(min_batch_size=1, max_batch_size=batch_size, onnx_path=onnx_path)
    self._rows = batch_size

  def load_model(self) -> Any:
    return self.build_engine(*self.load_onnx())

  def run_inference(
      self, batch: Sequence[numpy.ndarray], engine: Any,
      inference_args: Optional[dict[str, Any]] = None) -> Iterable[PredictionResult]:
    rows = numpy.stack(batch).astype(numpy.float32)
    missing = self._rows - len(rows)
    padded = numpy.concatenate([rows, numpy.zeros((missing, *rows.shape[1:]), rows.dtype)])
    results = super().run_inference(padded, engine, inference_args)
    for row, result in zip(batch, results):
      yield PredictionResult(row, result.inference[0])
