# SPDX-License-Identifier: Apache-2.0
"""Batches that a model gets as one array.

Beam's handlers take examples one by one and stack them. Here the rows of a packed batch are one array
already, so where a handler has Beam's own inference function, it gets one that takes the batch as it
is; the call of the model is the same. Rows of several shapes are scored shape by shape. A handler with
an inference function of its own, with functions before it, or with a model per key, gets rows.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import functools
import importlib
import logging
import sys
from typing import Any, Callable, Mapping, Optional, Sequence

import numpy as np
from apache_beam.ml.inference import base, utils
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import bridge_error
from beambridge_host.wire import examples
from beambridge_host.wire.columns import element_type, number_type
from beambridge_host.wire.exact_numbers import as_numpy
from beambridge_host.wire.fitted_columns import in_order_of, refuse_other_columns
from beambridge_host.wire.frames import Frames, whole_frame
from beambridge_host.wire.outputs import PerRow, of_estimator, of_model, predictions_of
from beambridge_host.wire.owned import owned
from beambridge_host.wire.tensors import tensor_of

_LOGGER = logging.getLogger(__name__)

ONE_ARRAY, ONE_FRAME, ROW_BY_ROW = 'batches as one array', 'batches as one data frame', 'row by row'


def by_shape(
    batch: Sequence[Any], stack: Callable[[Any], Any], predict: Callable[[Any], Any],
    outputs_of: Callable[[Any], Any] = of_model) -> Any:
  """What `predict` gives for a batch; for one of several shapes it is asked once for each of them.

  Args:
    outputs_of: what the model's kind says of what it gives, see wire/outputs.py.
  """
  shapes = list(map(_shape, batch)) if isinstance(batch, (list, tuple)) else []
  if len(set(shapes)) < 2:
    return outputs_of(predict(stack(batch)))
  out = PerRow([None] * len(batch))
  for shape in dict.fromkeys(shapes):
    places = [place for place, each in enumerate(shapes) if each == shape]
    predictions = predictions_of(outputs_of(predict(stack([batch[place] for place in places]))), len(places))
    # The model may use its arrays again for the next shape.
    for place, prediction in zip(places, owned(as_numpy(predictions))):
      out[place] = prediction
  return out


def _shape(row: Any) -> Any:
  if isinstance(row, Mapping):
    return tuple((name, _shape(part)) for name, part in row.items())
  return tuple(row.shape) if hasattr(row, 'shape') else np.shape(row)


def stacked(rows: Any) -> np.ndarray:
  """Rows as one array. Texts and bytes stay what they are: numpy's own types of them lose zeros at their ends."""
  if isinstance(rows, np.ndarray):
    return rows
  if any(isinstance(row, (str, bytes)) for row in rows):
    out = np.empty(len(rows), object)
    # A missing text may come as an array of nothing but None.
    out[:] = [row.item() if isinstance(row, np.ndarray) and row.ndim == 0 else row for row in rows]
    return out
  return np.stack([examples.numpy_of(row) for row in rows], axis=0)


def each_stacked(rows: Any, stack: Callable[[Any], Any]) -> Any:
  """Rows as one array, or as one of each of their named parts."""
  if not isinstance(rows, (list, tuple)) or not isinstance(rows[0], Mapping):
    return stack(rows)
  return {name: stack([row[name] for row in rows]) for name in rows[0]}


def _sklearn(model: Any, batch: Any, inference_args: Optional[Mapping[str, Any]] = None) -> Any:
  return by_shape(batch, stacked, lambda array: model.predict(array, **(inference_args or {})), of_estimator)


def _onnx(session: Any, batch: Any, inference_args: Optional[Mapping[str, Any]] = None) -> Any:
  name = session.get_inputs()[0].name
  # One output, which may be a sequence.
  return by_shape(
      batch, stacked, lambda array: session.run(None, {name: array, **(inference_args or {})})[0], lambda output: output)


def _tensorflow(model: Any, batch: Any, inference_args: Mapping[str, Any], model_id: Optional[str] = None) -> Any:
  predictions = by_shape(batch, stacked, lambda array: model(array, **inference_args))
  return utils._convert_to_result(batch, predictions, model_id)


def _tensorflow_tensor(model: Any, batch: Any, inference_args: Mapping[str, Any], model_id: Optional[str] = None) -> Any:
  stack = importlib.import_module('tensorflow').stack
  predictions = by_shape(
      batch, lambda rows: stack(rows) if isinstance(rows, list) else rows, lambda tensor: model(tensor, **inference_args))
  return utils._convert_to_result(batch, predictions, model_id)


class TorchCall:
  """Calls a model of PyTorch, or a method of it, with a batch as one tensor, or as a list of its examples."""

  def __init__(self, method: Optional[str] = None, as_list: bool = False) -> None:
    self._method = method
    self._as_list = as_list
    self.takes_arrays = not as_list

  def __call__(
      self, batch: Any, model: Any, device: Any, inference_args: Mapping[str, Any], model_id: Optional[str] = None) -> Any:
    torch = importlib.import_module('torch')
    call = model if self._method is None else getattr(model, self._method)

    def there(tensor: Any) -> Any:
      return tensor.to(device) if device == torch.device('cuda') else tensor

    def stack(rows: Any) -> Any:
      return there(rows if isinstance(rows, torch.Tensor) else torch.stack(list(rows)))

    def predict(inputs: Any) -> Any:
      return call(**inputs, **inference_args) if isinstance(inputs, dict) else call(inputs, **inference_args)

    with torch.no_grad():
      if self._as_list:
        rows = [{name: there(part) for name, part in row.items()} if isinstance(row, dict) else there(row) for row in batch]
        # What comes back for a list is a list, with one for each: arrays in it are refused all the same.
        return utils._convert_to_result(batch, call(rows, **inference_args), model_id)
      predictions = by_shape(batch, lambda rows: each_stacked(rows, stack), predict)
      return utils._convert_to_result(batch, predictions, model_id)


_torch = TorchCall()


def scored_frames(handler: Any, batch: Sequence[Any], model: Any, inference_args: Optional[Mapping[str, Any]]) -> Any:
  """What a handler of data frames gives for rows that are one frame."""
  return scored_frame(
      lambda frame: handler._model_inference_fn(model, frame, inference_args), batch, model, handler._model_uri)


def scored_frame(predict: Callable[[Any], Any], batch: Sequence[Any], model: Any, model_id: Optional[str]) -> Any:
  """What an inference function gives for rows that are one frame, whose columns are in the model's order."""
  try:
    predictions = predict(in_order_of(model, whole_frame(batch)))
  except TypeError as error:
    if 'iterable of pandas objects' not in str(error):
      raise
    raise bridge_error(
        'PYTHON_EXCEPTION', f'the inference function failed: {error}',
        hint='The batch is one data frame already: leave pandas.concat out.') from error
  if type(predictions) is tuple and len(predictions) == 2 and _are_frames(predictions[1]):
    predictions = predictions[0]  # Beam's functions give the rows too.
  if isinstance(predictions, list) and any(isinstance(each, base.PredictionResult) for each in predictions):
    return predictions
  return utils._convert_to_result(batch, predictions, model_id)


def _are_frames(rows: Any) -> bool:
  return isinstance(rows, (list, tuple, Frames)) and len(rows) > 0 and hasattr(rows[0], 'iloc')


def _sklearn_frame(model: Any, frame: Any, inference_args: Optional[Mapping[str, Any]] = None) -> Any:
  refuse_other_columns(model, frame)
  return of_estimator(model.predict(frame, **(inference_args or {})))


for _function in (_sklearn, _onnx, _tensorflow, _tensorflow_tensor):
  _function.takes_arrays = True  # type: ignore[attr-defined]

_BEAM = 'apache_beam.ml.inference.'

# By the handler's class: the attribute with the inference function, Beam's own one, and ours.
_KNOWN = {
    f'{_BEAM}sklearn_inference.SklearnModelHandlerNumpy':
        ('_model_inference_fn', '_default_numpy_inference_fn', _sklearn),
    f'{_BEAM}sklearn_inference.SklearnModelHandlerPandas':
        ('_model_inference_fn', '_default_pandas_inference_fn', _sklearn_frame),
    f'{_BEAM}onnx_inference.OnnxModelHandlerNumpy': ('_model_inference_fn', 'default_numpy_inference_fn', _onnx),
    f'{_BEAM}tensorflow_inference.TFModelHandlerNumpy': ('_inference_fn', 'default_numpy_inference_fn', _tensorflow),
    f'{_BEAM}tensorflow_inference.TFModelHandlerTensor':
        ('_inference_fn', 'default_tensor_inference_fn', _tensorflow_tensor),
    f'{_BEAM}pytorch_inference.PytorchModelHandlerTensor': ('_inference_fn', 'default_tensor_inference_fn', _torch),
    f'{_BEAM}pytorch_inference.PytorchModelHandlerKeyedTensor':
        ('_inference_fn', 'default_keyed_tensor_inference_fn', _torch),
}


def use_arrays(handler: Any) -> Any:
  """The same handler; where it can, it takes a batch as one array or frame from now on."""
  for inner in examples.inner_handlers(handler):
    for cls in type(inner).__mro__:
      replaced = _KNOWN.get(f'{cls.__module__}.{cls.__qualname__}')
      if replaced is None or type(inner).run_inference is not cls.run_inference:
        continue
      attribute, default, function = replaced
      if getattr(inner, attribute, None) is getattr(sys.modules[cls.__module__], default):
        setattr(inner, attribute, function)
        if function is _sklearn_frame:
          # Beam's looks at each row.
          inner.run_inference = functools.partial(scored_frames, inner)
  return handler


def way_of(handler: Any, example: schema_pb2.Field) -> str:
  """How a handler gets the rows of a batch."""
  listed = element_type(example.type)
  is_array = tensor_of(example) is not None or number_type(listed if listed is not None else example.type) is not None
  if examples.example_family(handler) == 'pandas' and not list(handler.get_preprocess_fns()):
    return ONE_FRAME
  by_key = isinstance(handler, (base.KeyedModelHandler, base.MaybeKeyedModelHandler))
  if by_key or not is_array or list(handler.get_preprocess_fns()):
    return ROW_BY_ROW
  return ONE_ARRAY if all(map(examples.takes_arrays, examples.inner_handlers(handler))) else ROW_BY_ROW


def announce(handler: Any, example: schema_pb2.Field, transform: str) -> None:
  """Says in the log which way was taken."""
  _LOGGER.info('%s: %s gets %s', transform or 'RunInference', type(handler).__name__, way_of(handler, example))
