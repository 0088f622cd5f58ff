# SPDX-License-Identifier: Apache-2.0
"""What a RunInference of TypeScript's asks for besides its handler."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib
import json
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence

from apache_beam.ml.inference import base
from apache_beam.transforms.resources import parse_resource_hints

from beambridge_host.errors import bridge_error, one_line
from beambridge_host.inference.models import python_error
from beambridge_host.wire import examples


class Options(NamedTuple):
  """The names and values of src/ml/options.ts."""
  inference_args: Optional[dict[str, Any]] = None
  # Named as ModelHandler.batch_elements_kwargs() names them.
  batching: Optional[Mapping[str, Any]] = None
  # In the order in which the program gave them.
  preprocess: Sequence[Callable[[Any], Any]] = ()
  postprocess: Sequence[Callable[[Any], Any]] = ()
  timeout_ms: Optional[float] = None
  in_child: bool = False
  # Whether the run goes on where no row has been scored yet.
  all_may_fail: bool = False
  large_model: bool = False
  model_copies: Optional[int] = None
  env_vars: Mapping[str, str] = {}
  resource_hints: Mapping[str, Any] = {}
  model_identifier: Optional[str] = None
  metrics_namespace: Optional[str] = None
  # None: without Beam's model manager.
  model_manager: Optional[Mapping[str, Any]] = None
  model_updates: bool = False
  max_models: Optional[int] = None


def read_options(row: Any) -> Options:
  """Options as the row that the pipeline sent."""
  settings = plain(row) if row else {}
  # What JSON can say travels so; the rest as values of declared types.
  args = {**json.loads(settings.pop('inference_args_json', None) or '{}'), **(settings.get('inference_args') or {})}
  if args:
    settings['inference_args'] = args
  return Options(**{name: value for name, value in settings.items() if value is not None})


def plain(value: Any) -> Any:
  """Rows as dicts, all the way down."""
  if hasattr(value, '_asdict'):
    value = value._asdict()
  if isinstance(value, Mapping):
    return {name: plain(part) for name, part in value.items()}
  return [plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def check_options(handler: Any, options: Options, transform: str) -> None:
  """Refuses what this handler cannot be asked for."""
  try:
    handler.validate_inference_args(options.inference_args)
  except Exception as error:
    raise bridge_error(
        'INVALID_ARGUMENT',
        f'the model handler refuses the inference arguments: {one_line(error)}',
        hint='Leave withInferenceArgs out, or give what the handler documents.',
        transform=transform) from error
  try:
    parse_resource_hints(dict(options.resource_hints))
  except ValueError as error:
    raise bridge_error('INVALID_ARGUMENT', str(error), transform=transform) from error
  if options.model_updates:
    for inner in examples.inner_handlers(handler):
      if type(inner).update_model_path is base.ModelHandler.update_model_path:
        raise bridge_error(
            'UNSUPPORTED',
            f'{type(inner).__name__} takes no model updates',
            hint='Define update_model_path(self, model_path) in it, or leave the updates out.',
            transform=transform)
  if options.model_manager is not None:
    try:
      importlib.import_module('apache_beam.ml.inference.model_manager')
    except ImportError as error:
      raise python_error(error, "Beam's model manager cannot be used", transform) from error


class OnValue:
  """A function of an example, or of its prediction, for those with a key."""

  def __init__(self, apply: Callable[[Any], Any]) -> None:
    self._apply = apply

  def __call__(self, pair: Any) -> Any:
    return pair[0], self._apply(pair[1])


def with_functions(handler: Any, options: Options, pairs: bool) -> Any:
  """The handler with the program's functions around those that it has, in Beam's order."""
  for apply in options.preprocess:
    handler = handler.with_preprocess_fn(OnValue(apply) if pairs else apply)
  for apply in options.postprocess:
    handler = handler.with_postprocess_fn(OnValue(apply) if pairs else apply)
  return handler
