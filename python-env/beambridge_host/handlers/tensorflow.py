# SPDX-License-Identifier: Apache-2.0
"""TensorFlow: Beam's handlers, which since Keras 3 load no SavedModel folder, made to load those again.

A folder is called through its `serving_default` signature. Predictions leave as numpy arrays: one
taken out of a tensor after the other costs 20 times as much.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import os
import warnings
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np
import tensorflow as tf

with warnings.catch_warnings():
  # It says of itself that it uses a module which will be gone: the pins keep that module.
  warnings.filterwarnings('ignore', message='pkg_resources is deprecated')
  import tensorflow_hub as hub

from apache_beam.ml.inference import base, tensorflow_inference, utils

from beambridge_host.inference.models import UnusableModel
from beambridge_host.inference.providers import provider
from beambridge_host.wire import arrays, casting, fitting
from beambridge_host.wire.results import of_function

_SERVING = 'serving_default'


class SavedModel:
  """A SavedModel folder as a function of a batch, or of a batch for each named input."""

  def __init__(self, path: str, load_model_args: Mapping[str, Any]) -> None:
    # Kept, because the signature alone does not keep the variables.
    self._loaded = tf.saved_model.load(path, **load_model_args)
    signatures = getattr(self._loaded, 'signatures', {})
    self._signature = signatures[_SERVING] if _SERVING in signatures else None
    if self._signature is None and not callable(self._loaded):
      raise UnusableModel(
          f'the SavedModel has no signature {_SERVING} and cannot be called',
          hint=f'Save it with signatures={{"{_SERVING}": …}}; it has {", ".join(signatures) or "none"}.')

  def __call__(self, batch: Any, **inference_args: Any) -> Any:
    if self._signature is None:
      return self._loaded(batch, **inference_args)
    specs = self._signature.structured_input_signature[1]
    batches = batch if isinstance(batch, Mapping) else {next(iter(specs)): batch}
    inputs = {name: self._as_wanted(name, value, specs.get(name)) for name, value in batches.items()}
    size = fitting.batch_size([_sizes(specs[name]) for name in inputs if name in specs])
    return fitting.in_sizes_of(
        size, inputs, len(next(iter(inputs.values()))), lambda part: self._outputs_of(part, inference_args))

  def _outputs_of(self, inputs: Mapping[str, Any], inference_args: Mapping[str, Any]) -> Any:
    outputs = self._signature(**{name: tf.convert_to_tensor(value) for name, value in inputs.items()}, **inference_args)
    return next(iter(outputs.values())) if len(outputs) == 1 else outputs

  @staticmethod
  def _as_wanted(name: str, value: Any, spec: Any) -> Any:
    if spec is None:
      return tf.convert_to_tensor(value)
    array = value.numpy() if tf.is_tensor(value) else np.asarray(value)
    return fitting.fitted(casting.cast(array, spec.dtype.as_numpy_dtype, name), _sizes(spec), name)


def _call(model: Any, inputs: Any, inference_args: Mapping[str, Any]) -> Any:
  """Calls a model. One of Keras's cuts and wraps what is none of its inputs' types, so these are looked at before."""
  ports = getattr(model, '_inputs_struct', None)
  if not isinstance(ports, Mapping):
    ports = {port.name: port for port in _keras_inputs(model)}
  batches = inputs if isinstance(inputs, Mapping) else {name: inputs for name in list(ports)[:1]}
  for name, value in batches.items():
    if name in ports:
      array = value.numpy() if tf.is_tensor(value) else np.asarray(value)
      casting.cast(array, tf.as_dtype(ports[name].dtype).as_numpy_dtype, name)
  return _arrays(model(inputs, **inference_args))


def _keras_inputs(model: Any) -> Sequence[Any]:
  return getattr(model, 'inputs', None) or () if isinstance(model, tf.keras.Model) else ()


def _sizes(spec: Any) -> Optional[list[Optional[int]]]:
  return None if spec.shape.rank is None else spec.shape.as_list()


def _arrays(predictions: Any) -> Any:
  if isinstance(predictions, Mapping):
    return {name: _arrays(value) for name, value in predictions.items()}
  if isinstance(predictions, (list, tuple)) and not hasattr(predictions, '_fields'):
    return type(predictions)(map(_arrays, predictions))
  if isinstance(predictions, tf.RaggedTensor):
    return predictions  # Its rows are of several lengths.
  return predictions.numpy() if hasattr(predictions, 'numpy') else predictions


def numpy_batches(
    model: Any, batch: Sequence[Any], inference_args: dict[str, Any],
    model_id: Optional[str] = None) -> Iterable[base.PredictionResult]:
  """Calls the model with arrays."""
  predictions = arrays.by_shape(
      batch, lambda rows: arrays.each_stacked(rows, arrays.stacked), lambda inputs: _call(model, inputs, inference_args))
  return utils._convert_to_result(batch, predictions, model_id)


def tensor_batches(
    model: Any, batch: Sequence[Any], inference_args: dict[str, Any],
    model_id: Optional[str] = None) -> Iterable[base.PredictionResult]:
  """Calls the model with tensors."""
  predictions = arrays.by_shape(
      batch, lambda rows: arrays.each_stacked(rows, lambda part: part if tf.is_tensor(part) else tf.stack(list(part))),
      lambda inputs: _call(model, inputs, inference_args))
  return utils._convert_to_result(batch, predictions, model_id)


for _function in (numpy_batches, tensor_batches):
  _function.takes_arrays = True  # type: ignore[attr-defined]


class _Loads:
  """Loads Keras files, SavedModel folders and names of TensorFlow Hub."""

  def load_model(self) -> Any:
    if self._model_type == tensorflow_inference.ModelType.SAVED_WEIGHTS:
      return super().load_model()
    path = hub.resolve(self._model_uri)
    if not os.path.exists(os.path.join(path, 'saved_model.pb')):
      return super().load_model()
    if self._custom_weights:
      raise UnusableModel(
          'customWeights cannot be loaded into a SavedModel folder',
          hint='Save the model as one .keras file, or save the folder with these weights.')
    return SavedModel(path, self._load_model_args)


  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    return of_function(super().run_inference(batch, model, inference_args), batch, self._model_uri)


class TensorflowNumpy(_Loads, tensorflow_inference.TFModelHandlerNumpy):
  """Examples are arrays."""


class TensorflowTensor(_Loads, tensorflow_inference.TFModelHandlerTensor):
  """Examples are tensors."""


class TensorflowKeyedNumpy(TensorflowNumpy, base.ModelHandler[dict[str, np.ndarray], base.PredictionResult, Any]):
  """Examples are arrays by the names of the model's inputs."""


class TensorflowKeyedTensor(TensorflowTensor, base.ModelHandler[dict[str, tf.Tensor], base.PredictionResult, Any]):
  """Examples are tensors by the names of the model's inputs."""


@provider(paths=['model_uri', 'custom_weights'], functions=['create_model_fn'])
def tensorflow(
    *,
    input: str,
    keyed: bool,
    model_uri: str,
    model_type: str = 'SAVED_MODEL',
    create_model_fn: Any = None,
    load_model_args: Any = None,
    custom_weights: str = '',
    **options: Any) -> Any:
  """A handler of arrays or tensors, or of dicts of them."""
  if input == 'numpy':
    handler = TensorflowKeyedNumpy if keyed else TensorflowNumpy
  else:
    handler = TensorflowKeyedTensor if keyed else TensorflowTensor
  options.setdefault('inference_fn', numpy_batches if input == 'numpy' else tensor_batches)
  return handler(
      model_uri,
      tensorflow_inference.ModelType[model_type],
      create_model_fn,
      load_model_args=load_model_args,
      custom_weights=custom_weights,
      **options)
