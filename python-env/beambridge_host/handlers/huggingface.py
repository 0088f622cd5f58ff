# SPDX-License-Identifier: Apache-2.0
"""Hugging Face: Beam's handlers on transformers 5, without TensorFlow, and with whole outputs.

Beam's module asks for `tensorflow` and for `transformers.TFAutoModel`, which transformers 5 has no
more. While it is imported, stand-ins take their places where they are missing.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import types
from typing import Any, Iterable, Mapping, Optional, Sequence

import numpy as np
import torch
import transformers  # pylint: disable=unused-import
from apache_beam.ml.inference import base, utils

from beambridge_host.errors import bridge_error
from beambridge_host.inference.models import UnusableModel
from beambridge_host.inference.providers import provider
from beambridge_host.wire import arrays
from beambridge_host.wire.outputs import PerRow
from beambridge_host.wire.results import of_function

# It puts another module in its own place when it is loaded, which who waits for another thread's import misses.
transformers = sys.modules['transformers']


def _beam_module() -> Any:
  # Both named before, or transformers' lazy module would take the stand-in for a sign of TensorFlow.
  getattr(transformers, 'AutoModel'), getattr(transformers, 'Pipeline'), getattr(transformers, 'pipeline')
  # The lazy module may have put another one in its own place by now.
  for module in (transformers, sys.modules['transformers']):
    if not hasattr(module, 'TFAutoModel'):
      module.TFAutoModel = type('TFAutoModel', (), {'__module__': 'transformers'})
  if importlib.util.find_spec('tensorflow') is not None:
    return importlib.import_module('apache_beam.ml.inference.huggingface_inference')
  stub = types.ModuleType('tensorflow')
  stub.__spec__ = importlib.machinery.ModuleSpec('tensorflow', None)
  stub.Tensor = type('Tensor', (), {'__module__': 'tensorflow'})
  sys.modules['tensorflow'] = stub
  try:
    return importlib.import_module('apache_beam.ml.inference.huggingface_inference')
  finally:
    del sys.modules['tensorflow']


huggingface_inference = _beam_module()

_OFFLINE = ('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE')


class _FromHub:
  """What the handlers share: how a model is found, and settings that a library reads only once."""

  def set_environment_vars(self) -> None:
    super().set_environment_vars()
    constants = importlib.import_module('huggingface_hub.constants')
    if any(str(self._env_vars.get(name, '')).upper() in ('1', 'ON', 'YES', 'TRUE') for name in _OFFLINE):
      constants.HF_HUB_OFFLINE = True

  def _named(self) -> str:
    raise NotImplementedError

  def load_model(self) -> Any:
    name = self._named()
    try:
      return super().load_model()
    except OSError as error:
      if not name or os.path.exists(name):
        raise
      # transformers says the same of a folder that is not there and of a name that the Hub lacks.
      raise bridge_error(
          'MODEL_NOT_FOUND',
          f'there is no model {name}: {" ".join(str(error).split())}',
          hint='Name a model of the Hugging Face Hub, which must be reachable, or the path of a folder.') from error
    except KeyError as error:
      if 'task' not in str(error):
        raise
      raise UnusableModel(
          f'transformers {transformers.__version__} has no such task: {error.args[0]}',
          hint="Some tasks ended with transformers 5: set packages: ['transformers==4.57.1'].") from error


def _fitted(value: Any, depth: Optional[int]) -> Any:
  """A pipeline's answer for one example without lists of one around what was declared.

  Args:
    value: what the pipeline gave.
    depth: how many lists are declared around the innermost value; None when that is not known.
  """
  if depth is None:
    return value
  while _depth(value) > depth and len(value) == 1:
    value = value[0]
  return value


def _depth(value: Any) -> int:
  depth = 0
  while isinstance(value, (list, tuple)):
    depth += 1
    if not value:
      return depth
    value = value[0]
  return depth


def _pooled(value: Any, pooling: str, normalize: bool) -> np.ndarray:
  tokens = np.asarray(value, dtype=np.float32).reshape(-1, np.shape(value)[-1])
  vector = tokens.mean(axis=0) if pooling == 'mean' else tokens[0]
  return vector / max(float(np.linalg.norm(vector)), 1e-12) if normalize else vector


def _last_message(answer: Any) -> Any:
  """Of a chat, what the model said."""
  text = answer.get('generated_text') if isinstance(answer, Mapping) else None
  return {'generated_text': text[-1]['content']} if isinstance(text, list) else answer


class HuggingfacePipeline(_FromHub, huggingface_inference.HuggingFacePipelineModelHandler):
  """Examples are what a pipeline takes; answers are what was declared of what it gives."""

  def __init__(self, *, depth: Optional[int], chat: bool, content: Optional[str], pooling: Optional[str],
               normalize: bool, **options: Any) -> None:
    super().__init__(**options)
    self._depth = depth
    self._chat = chat
    self._content = content
    self._pooling = pooling
    self._normalize = normalize

  def _named(self) -> str:
    return self._model

  def run_inference(
      self, batch: Sequence[Any], pipeline: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    inputs = [self._input(example) for example in batch]
    answers = list(self._inference_fn(inputs, pipeline, inference_args or {}))
    return utils._convert_to_result(batch, PerRow(self._answer(answer) for answer in answers), self._model)

  def _input(self, example: Any) -> Any:
    if hasattr(example, '_asdict'):
      example = example._asdict()
    if self._chat:
      return [{'role': 'user', 'content': example}] if isinstance(example, str) else [
          message._asdict() if hasattr(message, '_asdict') else message for message in example]
    if isinstance(example, bytes) and self._content == 'image':
      return importlib.import_module('PIL.Image').open(io.BytesIO(example)).convert('RGB')
    return example

  def _answer(self, answer: Any) -> Any:
    if isinstance(answer, base.PredictionResult):
      answer = answer.inference
    if self._pooling:
      return _pooled(answer, self._pooling, self._normalize)
    answer = _fitted(answer, self._depth)
    if not self._chat:
      return answer
    return [_last_message(each) for each in answer] if isinstance(answer, list) else _last_message(answer)


def _chosen(outputs: Any, names: Optional[list[str]]) -> Any:
  """The outputs that were declared, or the first one."""
  if names is not None or not isinstance(outputs, Mapping):
    return outputs
  return next(iter(outputs.values()))


class _Tensors(_FromHub):
  """Runs models of PyTorch. Beam's own handlers measure tensors as if they were dicts."""

  _outputs: Optional[list[str]] = None

  def _named(self) -> str:
    return self._model_uri

  def load_model(self) -> Any:
    model = super().load_model()
    if hasattr(model, 'to') and self._framework != 'tf':
      model.to(huggingface_inference.get_device_torch(self._device))
      model.eval()
    return model

  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    inference_args = inference_args or {}
    if self._inference_fn:
      return of_function(self._inference_fn(batch, model, self._device, inference_args, self._model_uri), batch, self._model_uri)
    if self._framework == 'tf':
      return super().run_inference(batch, model, inference_args)
    device = huggingface_inference.get_device_torch(self._device)

    def predict(inputs: Any) -> Any:
      outputs = model(**inputs, **inference_args) if isinstance(inputs, dict) else model(inputs, **inference_args)
      return _chosen(outputs, self._outputs)

    with torch.no_grad():
      outputs = arrays.by_shape(
          batch, lambda rows: arrays.each_stacked(rows, lambda part: torch.stack(list(part)).to(device)), predict)
    return utils._convert_to_result(batch, outputs, self._model_uri)


class HuggingfaceTensor(_Tensors, huggingface_inference.HuggingFaceModelHandlerTensor):
  """Examples are tensors."""


class HuggingfaceKeyedTensor(_Tensors, huggingface_inference.HuggingFaceModelHandlerKeyedTensor):
  """Examples are tensors by the names of the model's inputs."""


@provider(models=['model'])
def pipeline(
    *,
    task: str = '',
    model: str = '',
    device: Optional[str] = None,
    load_pipeline_args: Any = None,
    depth: Optional[int] = None,
    chat: bool = False,
    content: Optional[str] = None,
    pooling: Optional[str] = None,
    normalize: bool = False,
    **options: Any) -> Any:
  """A handler of texts, images and whatever else a pipeline of transformers takes."""
  arguments = dict(load_pipeline_args or {})
  if model.endswith('.gguf'):
    model, file = os.path.split(model)
    arguments['model_kwargs'] = {**arguments.get('model_kwargs', {}), 'gguf_file': file}
  if device is None and 'device' not in arguments:
    device = 'GPU' if torch.cuda.is_available() else 'CPU'  # Beam tries the GPU, and warns where there is none.
  return HuggingfacePipeline(
      task=task, model=model, device=device, load_pipeline_args=arguments, depth=depth, chat=chat, content=content,
      pooling=pooling, normalize=normalize, **options)


@provider(models=['model_uri'], functions=['model_class'], classes='transformers')
def tensors(
    *,
    keyed: bool,
    model_uri: str,
    model_class: Any,
    framework: str = 'pt',
    device: str = 'CPU',
    load_model_args: Any = None,
    outputs: Optional[list[str]] = None,
    **options: Any) -> Any:
  """A handler of tensors, or of dicts of tensors."""
  if framework == 'tf' and transformers.TFAutoModel.__dict__.get('from_pretrained') is None:
    raise bridge_error(
        'UNSUPPORTED', f'transformers {transformers.__version__} has no models of TensorFlow',
        hint="Use framework: 'pt', or set packages: ['transformers==4.57.1', 'tensorflow', 'torch'].")
  # The class itself, because the text's stand-in has no from_pretrained.
  named = dict(model_uri=model_uri, model_class=model_class.unwrapped, device=device, load_model_args=load_model_args)
  if keyed:
    handler = HuggingfaceKeyedTensor(framework=framework, **named, **options)
  else:
    handler = HuggingfaceTensor(**named, **options)
    handler._framework = framework
  handler._outputs = outputs
  return handler
