# SPDX-License-Identifier: Apache-2.0
"""TensorRT: Beam's handler, from an engine or from an ONNX model."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Iterable, Optional, Sequence

from apache_beam.ml.inference import tensorrt_inference

from beambridge_host.inference.providers import provider
from beambridge_host.wire.several import Outputs


class EngineHandler(tensorrt_inference.TensorRTEngineHandlerNumPy):
  """Gives a row's only output by itself, and several for the fields of a declared row."""

  def load_model(self) -> Any:
    if hasattr(self, 'engine_path'):
      return super().load_model()
    # Beam leaves this to the caller.
    return self.build_engine(*self.load_onnx())

  def run_inference(
      self, batch: Sequence[Any], engine: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    for result in super().run_inference(batch, engine, inference_args):
      outputs = result.inference if hasattr(result, '_replace') else None
      if isinstance(outputs, list):
        result = result._replace(inference=outputs[0] if len(outputs) == 1 else Outputs(outputs))
      yield result


@provider(
    paths=['engine_path', 'onnx_path'],
    options=('engine_path', 'onnx_path', 'inference_fn'))
def tensorrt(**options: Any) -> EngineHandler:
  """A handler of arrays."""
  return EngineHandler(**options)
