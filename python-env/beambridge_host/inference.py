# SPDX-License-Identifier: Apache-2.0
"""RunInference for pipelines written in TypeScript.

Examples arrive in packed batches made by src/ml: one element of bytes holds many rows of one window.
Beam's own RunInference runs the user's handler on them; around it, examples are unpacked into what
the handler wants, and predictions are converted to the declared types and packed.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import enum
import inspect
import json
import os
from typing import Any, Callable, Mapping, Optional, Union

import apache_beam as beam
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host import arrays, examples
from beambridge_host.dead_letters import DeadLetterHandler
from beambridge_host.errors import BridgeError, bridge_error
from beambridge_host.models import FILE_FAMILIES, check_credentials, check_model_files, is_local, python_error
from beambridge_host.packed import Declared, Gather, PackedHandler, row_count
from beambridge_host.providers import find_provider, prepared


def run_inference(
    model_handler_provider: Union[str, Callable[..., Any]],
    schema: bytes,
    key_schema: bytes = b'',
    kwargs: Any = None,
    options: str = '',
    transform: str = '',
    base_dir: str = '',
    dead_letters: bool = False) -> beam.PTransform:
  """The transform that src/ml expands.

  Args:
    model_handler_provider: a handler's class, or a function that returns a handler; or the name of one in
      beambridge_host.handlers.
    schema: the declared output row, a serialized Schema with `example`, `inference`, `model_id`.
    key_schema: a Schema whose only field is the key, or nothing.
    kwargs: a row of arguments for the provider.
    options: JSON of the arguments of a provider in beambridge_host.handlers.
    transform: the transform's name in the pipeline, for errors.
    base_dir: folder that relative paths of models start from, when this machine runs the pipeline.
    dead_letters: whether answers say which rows failed, instead of the run failing.
  """
  fields = {field.name: field for field in schema_pb2.Schema.FromString(schema).fields}
  keys = schema_pb2.Schema.FromString(key_schema).fields
  if isinstance(model_handler_provider, str):
    handler = _build_own(model_handler_provider, json.loads(options), base_dir, transform)
  else:
    handler = _build_handler(model_handler_provider, _arguments(model_handler_provider, kwargs, base_dir), transform)
  if base_dir:
    check_model_files(handler, transform)
    check_credentials(handler, transform)
  _check_keyed(handler, bool(keys), transform)
  arrays.announce(handler, fields['example'], transform)
  inference = PackedInference(
      handler, fields, keys[0] if keys else None, transform, DeadLetterHandler if dead_letters else PackedHandler)
  # Hints for all steps together, because steps with different ones are not run together.
  return inference.with_resource_hints(**handler.get_resource_hints())


def _arguments(provider: Any, kwargs: Any, base_dir: str) -> dict[str, Any]:
  given = kwargs if isinstance(kwargs, dict) else kwargs._asdict() if kwargs else {}
  parameters = _parameters(provider)
  return {name: _argument(name, value, parameters.get(name), base_dir) for name, value in given.items()}


def _parameters(provider: Any) -> Mapping[str, inspect.Parameter]:
  try:
    return inspect.signature(getattr(provider, '_callable', provider)).parameters
  except (TypeError, ValueError):
    return {}


def _argument(name: str, value: Any, parameter: Optional[inspect.Parameter], base_dir: str) -> Any:
  if not isinstance(value, str):
    return value
  wanted = parameter.annotation if parameter else None
  if isinstance(wanted, type) and issubclass(wanted, enum.Enum) and value in wanted.__members__:
    return wanted[value]  # An enumeration has no form in a schema: ModelFileType comes as 'JOBLIB'.
  if base_dir and name.lower().endswith(('uri', 'path', 'file', 'dir', 'model')):
    path = os.path.join(base_dir, value)
    # Not every such argument is a path, and this process has a working folder of its own.
    if os.path.exists(path) or (is_local(value) and value.startswith('.')):
      return os.path.normpath(path)
  return value


def _build_own(name: str, options: dict[str, Any], base_dir: str, transform: str) -> Any:
  try:
    provider = find_provider(name)
  except ImportError as error:
    raise python_error(error, 'the model handler could not be built', transform) from error
  return _build_handler(provider, prepared(provider, options, base_dir, transform), transform)


def _build_handler(provider: Any, arguments: dict[str, Any], transform: str) -> Any:
  try:
    _check_names(provider, arguments)
    handler = provider(**arguments)
  except BridgeError:
    raise
  except Exception as error:
    raise python_error(error, 'the model handler could not be built', transform) from error
  if not (hasattr(handler, 'load_model') and hasattr(handler, 'run_inference')):
    raise bridge_error(
        'INVALID_ARGUMENT',
        f'the model loader gave a {type(handler).__name__}, which is no ModelHandler',
        hint='Name a ModelHandler class, or end the source text with a function that returns a handler.',
        transform=transform)
  if handler.should_skip_batching():
    raise bridge_error(
        'UNSUPPORTED',
        'handlers made with with_no_batching() take batches as examples, which cannot be declared',
        hint='Leave with_no_batching() out and set max_batch_size=1 to score examples one by one.',
        transform=transform)
  return arrays.use_arrays(handler)


def _check_names(provider: Any, arguments: dict[str, Any]) -> None:
  """Refuses misspelt arguments of Beam's own handlers, which take any and ignore what they do not know."""
  handler = getattr(provider, '_callable', provider)
  if getattr(handler, '__module__', None) not in FILE_FAMILIES:
    return
  known = {name for cls in handler.__mro__ for name in _parameters(cls)} | {'env_vars', 'engine_path', 'onnx_path'}
  unknown = [name for name in arguments if name not in known]
  if unknown:
    raise TypeError(f'{handler.__name__}() got an unexpected keyword argument {unknown[0]!r}')


def _check_keyed(handler: Any, keyed: bool, transform: str) -> None:
  why = None if keyed else examples.fits_unkeyed(handler)
  if why:
    raise bridge_error('INVALID_ARGUMENT', why, hint='Use RunInference.ofKVs and give the key type.', transform=transform)


class PackedInference(beam.PTransform):
  """Packed batches in, answers out."""

  def __init__(
      self,
      handler: Any,
      fields: dict[str, schema_pb2.Field],
      key: Optional[schema_pb2.Field],
      transform: str,
      packed_handler: type[PackedHandler] = PackedHandler) -> None:
    super().__init__()
    predicted = tuple(fields[name].SerializeToString() for name in ('inference', 'model_id') if name in fields)
    self._declared = Declared(
        fields['example'].SerializeToString(), key.SerializeToString() if key is not None else b'', predicted)
    self._handler = handler
    self._transform = transform
    self._packed_handler = packed_handler

  def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
    batching = self._handler.batch_elements_kwargs()
    batches = pcoll
    if 'min_batch_size' in batching or 'max_batch_duration_secs' in batching:
      # Only then: it moves elements to the end of their window, and batches arrive large already.
      wanted = {k: v for k, v in batching.items() if k in ('min_batch_size', 'max_batch_size', 'max_batch_duration_secs')}
      batches = pcoll | beam.BatchElements(**wanted, element_size_fn=row_count).with_output_types(list[bytes])
    inference = base.RunInference(self._packed_handler(self._handler, self._declared, self._transform))
    return (
        batches
        | 'Gather' >> beam.ParDo(Gather())
        | 'RunInference' >> inference.with_output_types(bytes)
    )
