# SPDX-License-Identifier: Apache-2.0
"""The same few functions in each library, and handlers with a model that uses them."""

import importlib.util
from typing import Any, Callable, Iterator

import numpy as np
from apache_beam.ml.inference import base

from tests.metamorphic.driver import ready

Give = Callable[[Any], Any]


class Numpy:
  constant = staticmethod(np.array)
  mean = staticmethod(lambda x: x.mean(axis=1))
  top = staticmethod(lambda x: x.max(axis=1))
  low = staticmethod(lambda x: x.min(axis=1))
  total = staticmethod(lambda x: x.sum())
  same = staticmethod(lambda x: x * 1)
  reshape = staticmethod(np.reshape)
  squeeze = staticmethod(np.squeeze)
  transpose = staticmethod(np.transpose)
  two = staticmethod(lambda x: x[:2])


def torch_library() -> Any:
  import torch

  class Torch:
    constant = staticmethod(lambda values: torch.tensor(values, dtype=torch.float64))
    mean = staticmethod(lambda x: x.mean(1))
    top = staticmethod(lambda x: x.max(1).values)
    low = staticmethod(lambda x: x.min(1).values)
    total = staticmethod(lambda x: x.sum())
    same = staticmethod(lambda x: x * 1)
    reshape = staticmethod(torch.reshape)
    squeeze = staticmethod(torch.squeeze)
    transpose = staticmethod(lambda x: x.T)
    two = staticmethod(lambda x: x[:2])

  return Torch


def tensorflow_library() -> Any:
  import tensorflow as tf

  class Tensorflow:
    constant = staticmethod(lambda values: tf.constant(values, tf.float64))
    mean = staticmethod(lambda x: tf.reduce_mean(x, axis=1))
    top = staticmethod(lambda x: tf.reduce_max(x, axis=1))
    low = staticmethod(lambda x: tf.reduce_min(x, axis=1))
    total = staticmethod(tf.reduce_sum)
    same = staticmethod(lambda x: tf.convert_to_tensor(x) * 1)
    reshape = staticmethod(tf.reshape)
    squeeze = staticmethod(tf.squeeze)
    transpose = staticmethod(tf.transpose)
    two = staticmethod(lambda x: x[:2])

  return Tensorflow


class Predicts:
  """What scikit-learn and XGBoost call a model."""

  def __init__(self, give: Give) -> None:
    self._give = give

  def predict(self, batch: Any) -> Any:
    return self._give(batch.to_numpy() if hasattr(batch, 'to_numpy') else np.asarray(batch))


class Own(base.ModelHandler[np.ndarray, Any, Any]):
  """A handler of a user's own."""

  def __init__(self, give: Give) -> None:
    super().__init__()
    self._give = give

  def load_model(self) -> Any:
    return self._give

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return model(np.stack(batch))


class Session:
  """What ONNX calls a model: outputs by name."""

  def __init__(self, give: Give) -> None:
    self._give = give

  def get_inputs(self) -> Any:
    return [type('Port', (), {'name': 'x', 'type': 'tensor(double)', 'shape': ['n', 4]})]

  def get_outputs(self) -> Any:
    return [type('Port', (), {'name': 'first'})]

  def run(self, names: Any, inputs: Any) -> Any:
    given = self._give(inputs['x'])
    return [given] if names == ['first'] else [given[name] for name in names]


def has(*modules: str) -> bool:
  return all(importlib.util.find_spec(name) is not None for name in modules)


def handlers() -> Iterator[tuple[str, Any, bool, Callable[[Give, str], Any]]]:
  """Name, library, whether numpy's further forms apply, and how a handler is made of a function."""
  yield 'custom', Numpy, has('pandas', 'scipy'), lambda give, declared: ready(Own(give), give)
  if has('sklearn'):
    from beambridge_host.handlers.sklearn import sklearn
    for kind in ('numpy', 'pandas'):
      yield f'sklearn {kind}', Numpy, True, lambda give, declared, kind=kind: ready(
          sklearn(model_uri='m', input=kind), Predicts(give))
    yield 'sklearn inference_fn', Numpy, True, lambda give, declared: ready(
        sklearn(model_uri='m', input='numpy', inference_fn=lambda model, batch, args=None: model.predict(np.stack(batch))),
        Predicts(give))
  if has('xgboost'):
    from beambridge_host.handlers.xgboost import xgboost
    for kind in ('numpy', 'pandas'):
      yield f'xgboost {kind}', Numpy, True, lambda give, declared, kind=kind: ready(
          xgboost(input=kind, model_class=object, model_state='m'), Predicts(give))
    yield 'xgboost inference_fn', Numpy, True, lambda give, declared: ready(
        xgboost(input='numpy', model_class=object, model_state='m',
                inference_fn=lambda batch, model, args=None: model.predict(np.concatenate(batch))), Predicts(give))
  if has('onnxruntime'):
    from beambridge_host.handlers.onnx import onnx
    yield 'onnx', Numpy, False, lambda give, declared: ready(
        onnx(keyed=False, model_uri='m', outputs=_names(declared)), Session(give))
  if has('tensorflow', 'tensorflow_hub'):
    from beambridge_host.handlers.tensorflow import tensorflow
    library = tensorflow_library()
    for kind in ('numpy', 'tensor'):
      yield f'tensorflow {kind}', library, False, lambda give, declared, kind=kind: ready(
          tensorflow(input=kind, keyed=False, model_uri='m'), give)
    yield 'tensorflow inference_fn', library, False, lambda give, declared: ready(
        tensorflow(input='numpy', keyed=False, model_uri='m',
                   inference_fn=lambda model, batch, args, model_id=None: model(np.stack(batch))), give)
  if has('torch'):
    from beambridge_host.handlers.pytorch import pytorch
    library = torch_library()
    yield 'pytorch', library, False, lambda give, declared: ready(
        pytorch(input='tensor', state_dict_path='m', model_class=dict, model_params={}), give)
    yield 'pytorch inference_fn', library, False, lambda give, declared: ready(
        pytorch(input='tensor', state_dict_path='m', model_class=dict, model_params={},
                inference_fn=lambda batch, model, device, args, model_id=None: model(_stacked(batch))), give)
    yield 'pytorch method', library, False, lambda give, declared: ready(
        pytorch(input='tensor', state_dict_path='m', model_class=dict, model_params={}, model_method='__call__'), give)
  if has('torch', 'transformers'):
    from beambridge_host.handlers.huggingface import tensors
    yield 'huggingface', torch_library(), False, lambda give, declared: ready(
        tensors(keyed=False, model_uri='m', model_class=_Class, outputs=_names(declared)), give)


def _stacked(batch: Any) -> Any:
  import torch
  return torch.stack(list(batch))


class _Class:
  unwrapped = dict


def _names(declared: str) -> Any:
  names = {'row of 1': ['a'], 'row of 2': ['a', 'b'], 'row of 3': ['a', 'b', 'c'], 'row with nullable': ['a', 'loss']}
  return names.get(declared)
