# SPDX-License-Identifier: Apache-2.0
"""Batches that a model gets as one array.

Beam's handlers take examples one by one and stack them. Here the rows of a packed batch are one array
already, so where a handler has Beam's own inference function, it gets one that takes the batch as it
is; the call of the model is the same. Rows of several shapes are scored shape by shape. A handler with
an inference function of its own, with functions before it, or with a model per key, gets rows.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib
import logging
import sys
from typing import Any, Callable, Mapping, Optional, Sequence

import numpy as np
from apache_beam.ml.inference import base, utils
from apache_beam.portability.api import schema_pb2

from beambridge_host.wire import examples
from beambridge_host.wire.columns import element_type, number_type
from beambridge_host.wire.tensors import tensor_of

_LOGGER = logging.getLogger(__name__)

ONE_ARRAY, ROW_BY_ROW = 'batches as one array', 'row by row'


def by_shape(batch: Sequence[Any], stack: Callable[[Any], Any], predict: Callable[[Any], Any]) -> Any:
  """What `predict` gives for a batch; for one of several shapes it is asked once for each of them."""
  if not isinstance(batch, (list, tuple)):
    return predict(stack(batch))
  shapes = [tuple(row.shape) if hasattr(row, 'shape') else np.shape(row) for row in batch]
  if len(set(shapes)) < 2:
    return predict(stack(batch))
  out: list[Any] = [None] * len(batch)
  for shape in dict.fromkeys(shapes):
    places = [place for place, each in enumerate(shapes) if each == shape]
    predictions = rows_of(predict(stack([batch[place] for place in places])))
    if len(predictions) != len(places):
      raise ValueError(f'the model gave {len(predictions)} predictions for {len(places)} examples of shape {shape}')
    for place, prediction in zip(places, predictions):
      out[place] = prediction
  return out


def rows_of(predictions: Any) -> list[Any]:
  """Predictions of a batch one by one, as Beam takes them apart."""
  return [result.inference for result in utils._convert_to_result(_Endless(), predictions)]


class _Endless:
  """Examples that nobody looks at."""

  def __iter__(self) -> Any:
    while True:
      yield None


def _numpy(batch: Any) -> np.ndarray:
  return batch if isinstance(batch, np.ndarray) else np.stack(batch, axis=0)


def _sklearn(model: Any, batch: Any, inference_args: Optional[Mapping[str, Any]] = None) -> Any:
  return by_shape(batch, _numpy, lambda array: model.predict(array, **(inference_args or {})))


def _onnx(session: Any, batch: Any, inference_args: Optional[Mapping[str, Any]] = None) -> Any:
  name = session.get_inputs()[0].name
  return by_shape(batch, _numpy, lambda array: session.run(None, {name: array, **(inference_args or {})})[0])


def _tensorflow(model: Any, batch: Any, inference_args: Mapping[str, Any], model_id: Optional[str] = None) -> Any:
  predictions = by_shape(batch, _numpy, lambda array: model(array, **inference_args))
  return utils._convert_to_result(batch, predictions, model_id)


def _torch(
    batch: Any, model: Any, device: Any, inference_args: Mapping[str, Any], model_id: Optional[str] = None) -> Any:
  torch = importlib.import_module('torch')

  def stack(rows: Any) -> Any:
    return rows if isinstance(rows, torch.Tensor) else torch.stack(list(rows))

  def predict(tensor: Any) -> Any:
    return model(tensor.to(device) if device == torch.device('cuda') else tensor, **inference_args)

  with torch.no_grad():
    return utils._convert_to_result(batch, by_shape(batch, stack, predict), model_id)


for _function in (_sklearn, _onnx, _tensorflow, _torch):
  _function.takes_arrays = True  # type: ignore[attr-defined]

_BEAM = 'apache_beam.ml.inference.'

# By the handler's class: the attribute with the inference function, Beam's own one, and ours.
_KNOWN = {
    f'{_BEAM}sklearn_inference.SklearnModelHandlerNumpy':
        ('_model_inference_fn', '_default_numpy_inference_fn', _sklearn),
    f'{_BEAM}onnx_inference.OnnxModelHandlerNumpy': ('_model_inference_fn', 'default_numpy_inference_fn', _onnx),
    f'{_BEAM}tensorflow_inference.TFModelHandlerNumpy': ('_inference_fn', 'default_numpy_inference_fn', _tensorflow),
    f'{_BEAM}pytorch_inference.PytorchModelHandlerTensor': ('_inference_fn', 'default_tensor_inference_fn', _torch),
}


def use_arrays(handler: Any) -> Any:
  """The same handler; where it can, it takes a batch as one array from now on."""
  for inner in examples.inner_handlers(handler):
    for cls in type(inner).__mro__:
      known = _KNOWN.get(f'{cls.__module__}.{cls.__qualname__}')
      if known is None or type(inner).run_inference is not cls.run_inference:
        continue
      attribute, default, function = known
      if getattr(inner, attribute, None) is getattr(sys.modules[cls.__module__], default):
        setattr(inner, attribute, function)
  return handler


def way_of(handler: Any, example: schema_pb2.Field) -> str:
  """How a handler gets the rows of a batch."""
  listed = element_type(example.type)
  is_array = tensor_of(example) is not None or number_type(listed if listed is not None else example.type) is not None
  by_key = isinstance(handler, (base.KeyedModelHandler, base.MaybeKeyedModelHandler))
  if by_key or not is_array or list(handler.get_preprocess_fns()):
    return ROW_BY_ROW
  return ONE_ARRAY if all(map(examples.takes_arrays, examples.inner_handlers(handler))) else ROW_BY_ROW


def announce(handler: Any, example: schema_pb2.Field, transform: str) -> None:
  """Says in the log which way was taken."""
  _LOGGER.info('%s: %s gets %s', transform or 'RunInference', type(handler).__name__, way_of(handler, example))
