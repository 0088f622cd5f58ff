# SPDX-License-Identifier: Apache-2.0
"""How a handler that TypeScript names is found and given its options.

Options arrive as JSON. Some are paths, which start at the folder of the program, and some are Python
functions as names or text; a provider says which.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib
import inspect
import os
from typing import Any, Callable, Iterable

from apache_beam.utils.python_callable import PythonCallableWithSource

from beambridge_host.errors import bridge_error, one_line
from beambridge_host.inference.models import check_model_file

# Options that every handler has.
_FUNCTIONS = frozenset(('inference_fn', 'element_size_fn', 'batch_length_fn'))
_COMMON = _FUNCTIONS | {
    'min_batch_size', 'max_batch_size', 'max_batch_duration_secs', 'max_batch_weight', 'batch_bucket_boundaries',
    'large_model', 'model_copies', 'env_vars'
}


class TextFunction(PythonCallableWithSource):
  """A function or class by name or source text. Travels as that text."""

  def __reduce__(self) -> tuple[Any, ...]:
    return TextFunction, (self.get_source(),)

  @property
  def unwrapped(self) -> Any:
    """The function or class itself."""
    return self._callable


def provider(
    *,
    paths: Iterable[str] = (),
    models: Iterable[str] = (),
    functions: Iterable[str] = (),
    options: Iterable[str] = (),
    classes: str = '') -> Callable[[Any], Any]:
  """Marks a function that returns a handler.

  Args:
    paths: names of options that are paths of files or folders.
    models: names of options that are paths, or names of models in a registry elsewhere.
    functions: names of options that are Python functions or classes, besides those of every handler.
    options: names of options besides those of every handler and the function's own parameters.
    classes: module of a `model_class` that is named without one.
  """

  def mark(make: Any) -> Any:
    make.paths = frozenset(paths)
    make.models = frozenset(models)
    make.functions = _FUNCTIONS.union(functions)
    make.options = frozenset(options)
    make.classes = classes
    return make

  return mark


def find_provider(name: str) -> Any:
  """The provider of a dotted name. Raises ImportError where its framework is not installed."""
  module, _, function = name.rpartition('.')
  return getattr(importlib.import_module(module), function)


def prepared(make: Any, options: dict[str, Any], base_dir: str, transform: str) -> dict[str, Any]:
  """The options of a provider as it takes them."""
  parameters = _COMMON.union(inspect.signature(make).parameters, make.options)
  unknown = [name for name in options if name not in parameters]
  if unknown:  # Beam's handlers take any, and ignore what they do not know.
    raise bridge_error(
        'INVALID_ARGUMENT', f'the handler {make.__name__} has no option {unknown[0]}',
        hint=f'It has {", ".join(sorted(parameters - {"options"}))}.', transform=transform)
  out = dict(options)
  for name, value in options.items():
    if name in make.functions:
      out[name] = _function(name, value, make, transform)
    elif name in make.paths and base_dir and isinstance(value, str) and '://' not in value:
      out[name] = os.path.normpath(os.path.join(base_dir, value))
    elif name in make.models:
      out[name] = _path_or_name(value, base_dir, transform)
  return out


def _path_or_name(value: str, base_dir: str, transform: str) -> str:
  path = os.path.normpath(os.path.join(base_dir, value)) if base_dir and '://' not in value else value
  if os.path.exists(path):
    check_model_file(path, transform)
    return path
  if base_dir and (value.startswith(('.', '/')) or value.endswith('.gguf')):
    check_model_file(path, transform)
  return value


def _function(name: str, text: str, make: Any, transform: str) -> TextFunction:
  if name == 'model_class' and make.classes and text.isidentifier():
    text = f'{make.classes}.{text}'
  try:
    return TextFunction(text)
  except Exception as error:
    raise bridge_error(
        'UNKNOWN_PYTHON_CALLABLE',
        f'{name} could not be made of its name or text: {one_line(error)}',
        hint='Give the dotted name of a function or class that Python can import (name its package in `packages`), '
        'or source text whose last statement is one.',
        transform=transform) from error
