# SPDX-License-Identifier: Apache-2.0
"""Examples in the type that a model handler wants.

Beam's handlers say in their class what an example is (`ModelHandler[numpy.ndarray, …]`). Numbers
arrive as numpy arrays of the declared type; a handler that wants tensors or data frames gets those,
and one that says nothing gets plain Python values, as Beam's own row coder would give it.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib
import typing
from collections.abc import Mapping
from typing import Any, Callable, Iterator, Optional, Sequence

import numpy as np
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import bridge_error, one_line
from beambridge_host.wire.columns import Rows
from beambridge_host.wire.frames import Frames, frames_of, numbers_of
from beambridge_host.wire.tensors import Forms
from beambridge_host.wire.typed_arrays import typed_arrays
from beambridge_host.wire.unconverted import Unconverted, taken

Adapt = Callable[[Sequence[Any]], Sequence[Any]]

_KEYED = (base.KeyedModelHandler, base.MaybeKeyedModelHandler)


def inner_handlers(handler: Any) -> Iterator[Any]:
  """The handlers inside keyed, pre- and post-processing handlers, or the handler itself."""
  mappings = getattr(handler, '_id_to_mh_map', None)
  inside = list(mappings.values()) if mappings else [
      inner for inner in (getattr(handler, name, None) for name in ('_unkeyed', '_base')) if inner is not None
  ]
  if not inside or not isinstance(handler, WRAPPERS):
    yield handler
    return
  for inner in inside:
    yield from inner_handlers(inner)


WRAPPERS = _KEYED + (base._PreProcessingModelHandler, base._PostProcessingModelHandler, base._PrebatchedModelHandler)


def takes_keys(handler: Any) -> bool:
  """Whether a handler wants (key, example) tuples, as far as its class tells."""
  if isinstance(handler, _KEYED):
    return True
  if isinstance(handler, (base._PreProcessingModelHandler, base._PostProcessingModelHandler)):
    return takes_keys(handler._base)
  declared = declared_example(type(handler))
  return typing.get_origin(declared) is tuple or declared is tuple


def _known(declared: Any) -> bool:
  return declared is not None and declared is not Any and not isinstance(declared, typing.TypeVar)


def declared_example(handler_class: type) -> Any:
  """The first argument of `ModelHandler[…]` in the nearest base class that gives one."""
  for cls in handler_class.__mro__:
    for generic in cls.__dict__.get('__orig_bases__', ()):
      origin = typing.get_origin(generic)
      if isinstance(origin, type) and issubclass(origin, base.ModelHandler):
        declared = typing.get_args(generic)[0]
        if _known(declared):
          return declared
  return None


def _preprocess_input(handler: Any) -> tuple[bool, Any]:
  """Whether a function runs before the handler, and what that function says that it takes."""
  fns = list(handler.get_preprocess_fns())
  if not fns:
    return False, None
  try:
    hints = typing.get_type_hints(fns[0])
  except (TypeError, NameError):
    return True, None
  hints.pop('return', None)
  return True, next(iter(hints.values()), None)


def _class_name(cls: Any) -> str:
  return f'{getattr(cls, "__module__", "")}.{getattr(cls, "__qualname__", "")}'


def _family(declared: Any, handler: Any) -> str:
  """Which library a declared example type belongs to."""
  args = typing.get_args(declared)
  if typing.get_origin(declared) is tuple:  # A key and the example.
    return _family(args[1], handler) if len(args) == 2 else 'python'
  names = [_class_name(option) for option in (args or (declared,))]
  if len(names) > 1:  # Hugging Face takes tensors of either framework and says which one elsewhere.
    return 'torch' if 'pt' in str(getattr(handler, '_framework', 'pt')) else 'tensorflow'
  for family in ('numpy', 'pandas', 'torch', 'tensorflow', 'scipy', 'datatable'):
    if names[0].startswith(f'{family}.'):
      return family
  return 'python'


def example_family(handler: Any) -> str:
  """Which library the examples of a handler belong to."""
  first = next(inner_handlers(handler))
  return _family(declared_example(type(first)), first)


def example_adapter(handler: Any, example: schema_pb2.Field) -> Adapt:
  """A function from the values of the declared example's column to what `handler` takes.

  A handler that says nothing gets a declared tensor as a numpy array, and all else as Python values.
  """
  adapt = _adapter(handler, example)
  numbers = numbers_of(example)
  if numbers is None or example_family(handler) in ('python', 'pandas') or list(handler.get_preprocess_fns()):
    return adapt if getattr(adapt, 'takes_unconverted', False) else lambda values: adapt(taken(values))
  # Libraries of numbers have no null: what a batch of them is must not depend on whether there is one.
  return lambda values: adapt(numbers(values))


def _adapter(handler: Any, example: schema_pb2.Field) -> Adapt:
  first = next(inner_handlers(handler))
  preprocessed, declared = _preprocess_input(handler)
  if not preprocessed:
    declared = declared_example(type(first))
  if typing.get_origin(declared) is dict:
    return _dicts_of(_family(typing.get_args(declared)[1], first), example)
  family = _family(declared, first)
  if family == 'pandas':
    return frames_of(example)
  make = _maker(family, example.type, Forms.of(example))
  if family in _WHOLE and not preprocessed and takes_arrays(first):
    return _whole_batches(_WHOLE[family], make)
  if family == 'numpy' and 'xgboost' in ''.join(cls.__module__ for cls in type(first).__mro__):
    # A function that scores each example by itself wants a matrix for it.
    return lambda values: [np.atleast_2d(np.asarray(make(value))) for value in values]
  if family == 'numpy':
    # The rows of one array are arrays already.
    return lambda values: list(values) if _is_array(values) and values.ndim > 1 else [make(value) for value in values]
  return lambda values: [make(value) for value in values]


def _maker(family: str, kind: schema_pb2.FieldType, forms: Forms) -> Callable[[Any], Any]:
  """A function from a value of a declared type to what a library wants."""
  make = _MAKERS[family]
  if family == 'python':
    return make if forms.tensor is None else lambda value: None if value is None else np.asarray(value)
  typed = typed_arrays(kind, forms)
  return lambda value: make(_array_of(typed, value))


def _whole_batches(whole: Callable[[Any], Any], make: Callable[[Any], Any]) -> Adapt:
  """A batch that is one array as such, and others value by value."""

  def adapt(values: Sequence[Any]) -> Sequence[Any]:
    if isinstance(values, Unconverted):
      return values.finished_by(whole)
    return whole(values) if _is_array(values) else [make(value) for value in values]

  adapt.takes_unconverted = True  # type: ignore[attr-defined]
  return adapt


def together(parts: Sequence[Sequence[Any]]) -> Sequence[Any]:
  """The examples of several packed batches as one batch, in the form that each of them has."""
  if len(parts) == 1:
    return parts[0]
  if parts and all(isinstance(part, Frames) for part in parts):
    return Frames.joined(parts)
  if parts and all(isinstance(part, Unconverted) for part in parts):
    return Unconverted.joined(parts)
  kinds = {(type(part), getattr(part, 'dtype', None), tuple(part.shape[1:])) if hasattr(part, 'shape') else None for part in parts}
  if len(kinds) == 1 and None not in kinds:
    family = type(parts[0]).__module__.partition('.')[0]
    if family == 'numpy':
      return np.concatenate(parts)
    if family == 'torch':
      return _library('torch').cat(list(parts))
  return [row for part in parts for row in part]


def takes_arrays(handler: Any) -> bool:
  """Whether a handler's inference function takes a batch as one array."""
  functions = (getattr(handler, name, None) for name in ('_model_inference_fn', '_inference_fn'))
  return any(getattr(function, 'takes_arrays', False) for function in functions)


def _is_array(value: Any) -> bool:
  return type(value) is np.ndarray


def _dicts_of(family: str, example: schema_pb2.Field) -> Adapt:
  """Rows and maps as dicts of what a library wants."""
  fields = example.type.row_type.schema.fields
  makers = {field.name: _maker(family, field.type, Forms.of(field)) for field in fields}
  numbers = {field.name: numbers_of(field) for field in fields}
  item = _maker(family, example.type.map_type.value_type, Forms.of(example).part('v'))

  def parts_of(name: str, column: Any) -> list[Any]:
    of_name = numbers[name]
    return list(map(makers[name], column if of_name is None else of_name(column)))

  def adapt(values: Sequence[Any]) -> Sequence[Any]:
    if not isinstance(values, Rows) and isinstance(values[0], Mapping):
      return [{name: makers.get(name, item)(part) for name, part in value.items()} for value in values]
    columns = values.columns if isinstance(values, Rows) else dict(zip(makers, zip(*values)))
    return [dict(zip(columns, row)) for row in zip(*(parts_of(name, column) for name, column in columns.items()))]

  return adapt


def _python(value: Any) -> Any:
  return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def _array_of(make: Callable[[Any], Any], value: Any) -> Any:
  """A value as an array or tensor of some library, each of which says in its own words that lists differ in length."""
  try:
    return make(value)
  except ValueError as error:
    if not isinstance(value, (list, tuple)) or not any(part is None or isinstance(part, (list, tuple, np.ndarray)) for part in value):
      raise
    raise bridge_error(
        'ROW_MISMATCH', f'an example is a list of lists of several lengths, which is no array: {one_line(error)}',
        hint='Give the lists of an example one length: cut them, or fill them up.') from error


def numpy_of(value: Any) -> Any:
  """A value as an array, with texts and bytes as objects; rows, maps, texts and bytes themselves as they are."""
  # Rows and maps have no array form that a handler could expect.
  if hasattr(value, '_asdict') or isinstance(value, (dict, str, bytes)):
    return value
  array = _array_of(np.asarray, value)
  # numpy's own types of texts and bytes lose zeros at their ends.
  return np.asarray(value, object) if array.dtype.kind in 'SU' else array


def _library(name: str) -> Any:
  return importlib.import_module(name)


def _tensor_of(value: Any) -> Any:
  tensorflow = _library('tensorflow')
  # Of no texts it would make fractions.
  texts = type(value) is np.ndarray and value.dtype == object
  return tensorflow.convert_to_tensor(value, tensorflow.string if texts else None)


# A batch that is one array, for handlers that take it so.
_WHOLE: dict[str, Callable[[Any], Any]] = {
    'numpy': lambda values: values,
    'torch': lambda values: _library('torch').from_numpy(values),
    'tensorflow': lambda values: _library('tensorflow').convert_to_tensor(values),
}

_MAKERS: dict[str, Callable[[Any], Any]] = {
    'python': _python,
    'numpy': numpy_of,
    'torch': lambda value: _array_of(_library('torch').as_tensor, value),
    'tensorflow': lambda value: _array_of(_tensor_of, value),
    'scipy': lambda value: _library('scipy.sparse').csr_matrix(np.atleast_2d(value)),
    'datatable': lambda value: _library('datatable').Frame(np.atleast_2d(value)),
}


def fits_unkeyed(handler: Any) -> Optional[str]:
  """Why a handler cannot take examples without keys; None when it can."""
  while isinstance(handler, (base._PreProcessingModelHandler, base._PostProcessingModelHandler)):
    handler = handler._base
  if isinstance(handler, base.MaybeKeyedModelHandler) or not takes_keys(handler):
    return None
  return f'{type(handler).__name__} takes (key, example) pairs'
