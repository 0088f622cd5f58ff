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
import logging
import os
import uuid
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import BridgeError, bridge_error
from beambridge_host.inference.dead_letters import DeadLetterHandler
from beambridge_host.inference.model_cache import Plan
from beambridge_host.inference.models import FILE_FAMILIES, check_credentials, check_model_files, is_local, python_error
from beambridge_host.inference.options import Options, check_options, read_options, with_functions
from beambridge_host.inference.providers import find_provider, prepared
from beambridge_host.inference.scoring import PackedHandler, Route, Setup
from beambridge_host.wire import arrays, examples
from beambridge_host.wire.columns import ColumnReader
from beambridge_host.wire.packed import Declared, Gather
from beambridge_host.wire.route_keys import route_key

_LOGGER = logging.getLogger(__name__)


def run_inference(
    model_handler_provider: Union[str, Callable[..., Any]] = '',
    schema: bytes = b'',
    key_schema: bytes = b'',
    kwargs: Any = None,
    options: str = '',
    transform: str = '',
    base_dir: str = '',
    dead_letters: bool = False,
    settings: Any = None,
    models: Any = None) -> beam.PTransform:
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
    settings: a row of the names in Options.
    models: in place of a provider, a row of rows of `keys`, a column of `key_count` keys or a list of them, and the arguments
      that make their handler.
  """
  fields = {field.name: field for field in schema_pb2.Schema.FromString(schema).fields}
  keys = schema_pb2.Schema.FromString(key_schema).fields
  wanted = read_options(settings)

  def built(provider: Any, given: Any, own: str) -> Any:
    if isinstance(provider, str):
      handler = _build_own(provider, json.loads(own), base_dir, transform)
    else:
      handler = _build_handler(provider, _arguments(provider, given, base_dir), transform)
    if base_dir:
      check_model_files(handler, transform)
      check_credentials(handler, transform)
    arrays.announce(handler, fields['example'], transform)
    check_options(handler, wanted, transform)
    return handler

  route_of: Optional[dict[Any, int]] = None
  if models:
    route_of, routes = {}, []
    for model in models:
      handler = built(model.model_handler_provider, getattr(model, 'kwargs', None), getattr(model, 'options', ''))
      keys_of_model = _keys_of(model, keys)
      route_of.update({route_key(key): len(routes) for key in keys_of_model})
      routes.append(_route_of_keys(handler, keys_of_model[0], wanted, transform))
    hints: dict[str, Any] = {}
  else:
    handler = built(model_handler_provider, kwargs, options)
    routes = [_route(handler, bool(keys), wanted, transform)]
    hints = handler.get_resource_hints()
  setup = Setup(
      routes, _declared(fields, keys), transform, _plan(wanted, len(routes)), uuid.uuid4().hex, route_of,
      eager=not wanted.model_updates and route_of is None, managed=wanted.model_manager is not None,
      env_vars=wanted.env_vars, limit=wanted.timeout_ms and wanted.timeout_ms / 1000,
      all_may_fail=wanted.all_may_fail, updates=wanted.model_updates)
  inference = PackedInference(DeadLetterHandler if dead_letters else PackedHandler, setup, wanted)
  # Hints for all steps together, because steps with different ones are not run together.
  return inference.with_resource_hints(**{**hints, **wanted.resource_hints})


def _keys_of(model: Any, declared: Sequence[schema_pb2.Field]) -> Sequence[Any]:
  if not isinstance(model.keys, bytes):
    return model.keys
  read = ColumnReader(declared[0]).read(model.keys, model.key_count)
  return read.tolist() if isinstance(read, np.ndarray) else list(read)


def _plan(options: Options, routes: int) -> Plan:
  most = options.max_models
  if options.model_updates and most is None:
    # The current model and the one before it, of each key's.
    most = 2 * routes
  return Plan(
      options.model_identifier or uuid.uuid4().hex, most, options.in_child,
      True if options.large_model else None, options.model_copies)


def _arguments(provider: Any, kwargs: Any, base_dir: str) -> dict[str, Any]:
  arguments = kwargs if isinstance(kwargs, dict) else kwargs._asdict() if kwargs else {}
  parameters = _parameters(provider)
  return {name: _argument(name, value, parameters.get(name), base_dir) for name, value in arguments.items()}


def _parameters(provider: Any) -> Mapping[str, inspect.Parameter]:
  try:
    return inspect.signature(getattr(provider, '_callable', provider)).parameters
  except (TypeError, ValueError):
    return {}


def _argument(name: str, value: Any, parameter: Optional[inspect.Parameter], base_dir: str) -> Any:
  if not isinstance(value, str):
    return value
  annotation = parameter.annotation if parameter else None
  if isinstance(annotation, type) and issubclass(annotation, enum.Enum) and value in annotation.__members__:
    return annotation[value]  # An enumeration has no form in a schema: ModelFileType comes as 'JOBLIB'.
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
        hint="Leave with_no_batching() out; withBatching('none') scores examples one by one.",
        transform=transform)
  return arrays.use_arrays(handler)


def _check_names(provider: Any, arguments: dict[str, Any]) -> None:
  """Refuses misspelt arguments of Beam's own handlers, which take any and ignore what they do not know."""
  handler = getattr(provider, '_callable', provider)
  if getattr(handler, '__module__', None) not in FILE_FAMILIES:
    return
  parameters = {name for cls in handler.__mro__ for name in _parameters(cls)} | {'env_vars', 'engine_path', 'onnx_path'}
  unknown = [name for name in arguments if name not in parameters]
  if unknown:
    raise TypeError(f'{handler.__name__}() got an unexpected keyword argument {unknown[0]!r}')


def _route(handler: Any, keyed: bool, options: Options, transform: str) -> Route:
  # Only a handler that declares pairs gets them: whatever else it is, ofKVs hands it the values.
  pairs = keyed and examples.takes_keys(handler)
  why = None if keyed else examples.fits_unkeyed(handler)
  if why:
    raise bridge_error(
        'INVALID_ARGUMENT', why, hint='Use RunInference.ofKVs and give the key type.', transform=transform)
  batching = {**handler.batch_elements_kwargs(), **(options.batching or {})}
  return Route(handler, with_functions(handler, options, pairs), pairs, batching)


def _route_of_keys(handler: Any, key: Any, options: Options, transform: str) -> Route:
  why = examples.fits_unkeyed(handler)
  if why:
    raise bridge_error(
        'INVALID_ARGUMENT', f'perKey: {why}', hint='Give handlers of examples alone.', transform=transform)
  if options.model_manager is not None:
    raise bridge_error(
        'UNSUPPORTED', "Beam's model manager holds one model, and perKey has several",
        hint='Leave withModelManager out; maxModelsPerWorker bounds what is loaded.', transform=transform)
  batching = {**handler.batch_elements_kwargs(), **(options.batching or {})}
  return Route(handler, with_functions(handler, options, False), False, batching, str(key))


def _declared(fields: dict[str, schema_pb2.Field], keys: Any) -> Declared:
  predicted = tuple(fields[name].SerializeToString() for name in ('inference', 'model_id') if name in fields)
  return Declared(
      fields['example'].SerializeToString(), keys[0].SerializeToString() if keys else b'', predicted)


class PackedInference(beam.PTransform):
  """Packed batches in, answers out."""

  def __init__(self, packed_handler: type[PackedHandler], setup: Setup, options: Options) -> None:
    super().__init__()
    self._handler = packed_handler(setup)
    # What the program asks for, by withBatching or a handler of ours, is gathered before it gets here.
    asked = {} if options.batching or setup.route_of else setup.routes[0].batching
    self._enough = asked.get('min_batch_size') or 1
    if asked.get('max_batch_duration_secs'):
      _LOGGER.info(
          'Python lets batches of %s wait for no longer than a bundle: withBatching({ maxDurationMs }) waits over time.',
          setup.routes[0].handler)
    self._options = options

  def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
    options = self._options
    inference = base.RunInference(
        self._handler,
        inference_args=options.inference_args,
        metrics_namespace=options.metrics_namespace,
        model_identifier=options.model_identifier,
        use_model_manager=options.model_manager is not None,
        model_manager_args=options.model_manager)
    return (
        pcoll
        | 'Gather' >> beam.ParDo(Gather(self._enough))
        | 'RunInference' >> inference.with_output_types(bytes)
    )
