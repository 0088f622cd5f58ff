# SPDX-License-Identifier: Apache-2.0
"""ONNX: Beam's handler, which gives one output of one input, made to give and take several.

Examples get the type that the model's input has, where that changes none of them: a session that wants float32
refuses a float64.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import copy
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np
import onnxruntime as ort
from apache_beam.ml.inference import base, onnx_inference, utils

from beambridge_host.inference.models import UnusableModel
from beambridge_host.inference.providers import provider
from beambridge_host.wire import arrays, casting, fitting

_TYPES = {
    'tensor(float)': np.float32,
    'tensor(double)': np.float64,
    'tensor(float16)': np.float16,
    'tensor(int64)': np.int64,
    'tensor(int32)': np.int32,
    'tensor(int16)': np.int16,
    'tensor(int8)': np.int8,
    'tensor(uint8)': np.uint8,
    'tensor(uint16)': np.uint16,
    'tensor(uint32)': np.uint32,
    'tensor(uint64)': np.uint64,
    'tensor(bool)': np.bool_,
    'tensor(string)': np.object_,
}


def _as_wanted(batch: np.ndarray, port: Any) -> np.ndarray:
  dtype = _TYPES.get(port.type)
  return fitting.fitted(batch if dtype is None else casting.cast(batch, dtype, port.name), _sizes(port), port.name)


def _sizes(port: Any) -> list[Optional[int]]:
  """The lengths of an input's dimensions; names stand for those that differ."""
  return [size if isinstance(size, int) and size > 0 else None for size in port.shape or []]


class InOut:
  """The default inference function: every named input, and the outputs that are wanted."""

  takes_arrays = True

  def __init__(self, outputs: Optional[list[str]]) -> None:
    self._outputs = outputs

  def __call__(
      self, session: ort.InferenceSession, batch: Sequence[Any], inference_args: Optional[dict[str, Any]] = None) -> Any:
    return arrays.by_shape(
        batch, lambda rows: arrays.each_stacked(rows, arrays.stacked),
        lambda stacked: self._run(session, stacked, inference_args or {}),
        # One output, which may be a sequence, or all of them by name.
        lambda outputs: outputs)

  def _run(self, session: ort.InferenceSession, batch: Any, inference_args: Mapping[str, Any]) -> Any:
    ports = {port.name: port for port in session.get_inputs()}
    arrays_by_name = batch if isinstance(batch, Mapping) else {next(iter(ports)): batch}
    inputs = {
        name: _as_wanted(array, ports[name]) if name in ports else array for name, array in arrays_by_name.items()
    }
    size = fitting.batch_size([_sizes(ports[name]) for name in inputs if name in ports])
    return fitting.in_sizes_of(
        size, inputs, len(next(iter(inputs.values()))),
        lambda part: self._outputs_of(session, {**part, **inference_args}))

  def _outputs_of(self, session: ort.InferenceSession, inputs: Mapping[str, Any]) -> Any:
    if self._outputs is None:
      return session.run([session.get_outputs()[0].name], inputs)[0]
    return dict(zip(self._outputs, session.run(self._outputs, inputs)))


class Onnx(onnx_inference.OnnxModelHandlerNumpy):
  """Examples are arrays."""

  def __init__(self, model_uri: str, session_options: Any, outputs: Optional[list[str]], **options: Any) -> None:
    super().__init__(model_uri, **options)
    # A SessionOptions cannot be pickled: made on the worker.
    self._settings = session_options or {}
    self._outputs = outputs

  def load_model(self) -> ort.InferenceSession:
    # Not on itself, where Beam's looks for them: a handler that loading has changed shares no model.
    given = copy.copy(self)
    given._session_options = ort.SessionOptions()
    for name, value in self._settings.items():
      setattr(given._session_options, name, value)
    session = super(Onnx, given).load_model()
    outputs = [output.name for output in session.get_outputs()]
    missing = [name for name in self._outputs or [] if name not in outputs]
    if missing:
      raise UnusableModel(
          f'the model has no output {missing[0]!r}', hint=f'Its outputs are {", ".join(outputs)}: declare fields of these names.')
    return session

  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    predictions = self._model_inference_fn(model, batch, inference_args)
    return utils._convert_to_result(batch, predictions, self._model_uri)

  def update_model_path(self, model_path: Optional[str] = None) -> None:
    self._model_uri = model_path or self._model_uri


class KeyedOnnx(Onnx, base.ModelHandler[dict[str, np.ndarray], base.PredictionResult, ort.InferenceSession]):
  """Examples are arrays by the names of the model's inputs."""


@provider(paths=['model_uri'])
def onnx(
    *,
    keyed: bool,
    model_uri: str,
    outputs: Optional[list[str]] = None,
    session_options: Any = None,
    providers: Optional[list[str]] = None,
    provider_options: Any = None,
    **options: Any) -> Any:
  """A handler of arrays, or of dicts of arrays."""
  if providers is None:
    # Those of Beam's default that are here: onnxruntime warns of the others.
    here = ort.get_available_providers()
    providers = [name for name in ('CUDAExecutionProvider', 'CPUExecutionProvider') if name in here]
  options.setdefault('inference_fn', InOut(outputs))
  return (KeyedOnnx if keyed else Onnx)(
      model_uri, session_options, outputs, providers=providers, provider_options=provider_options, **options)
