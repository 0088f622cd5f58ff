# SPDX-License-Identifier: Apache-2.0
"""Handlers of those who share a model: one each, which may keep what it likes about a call, and knows what loading it has set.

The handler that loaded the model is the only one that knows all of it: loading may fill what a handler holds, or set something on
another handler inside. So the others have copies of what that one was before its first call. Transforms that share a model may differ
in what loading does not see, such as their inference functions: those stay each one's own.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import copy
import functools
import itertools
import logging
import types
from typing import Any, Iterator, Optional, Sequence

from apache_beam.ml.inference import base
from apache_beam.utils.python_callable import PythonCallableWithSource

from beambridge_host.wire import examples

_LOGGER = logging.getLogger(__name__)


# Values that loading a model cannot fill.
_FIXED = (
    str, bytes, int, float, type(None), types.FunctionType, types.BuiltinFunctionType, functools.partial, PythonCallableWithSource)


def attributes(handler: Any) -> list[dict[str, Any]]:
  """What a handler has, and those inside it: of one that has loaded nothing, what it was given."""
  return [dict(getattr(inner, '__dict__', {})) for inner in examples.inner_handlers(handler)]


class Sharers:
  """The handlers of a model's sharers."""

  def __init__(self, owner: Any, handler: Any, before: Sequence[dict[str, Any]], models: Sequence[Any]) -> None:
    """
    Args:
      owner: the handler of whoever had the model loaded.
      handler: the one that loaded it: the same, or for a model update a copy.
      before: its attributes before that.
      models: what it loaded in this process, which no copy copies.
    """
    self._owner = owner
    self._handler = handler
    self._models = models
    after = attributes(handler)
    self._left = [{name for name in was if name in now and now[name] is was[name]} for was, now in zip(before, after)]
    # Of Beam's handler with a model per key, which are loaded at their first calls.
    self._later = _watched(handler)
    self._fresh = None if self._later else self._copy_of(handler)

  def handler_of(self, handler: Any, given: Sequence[dict[str, Any]]) -> Any:
    """The handler of somebody who shares the model: to be kept, since the next may be another.

    Args:
      handler: the sharer's own, which functions around it may know.
      given: its attributes before it loaded anything.
    """
    if handler is self._owner:
      return self._handler
    if self._later:
      return _with_later(handler, self._later, iter(given))
    copied = None if self._fresh is None else self._copy_of(self._fresh)
    if copied is None:
      return self._handler
    is_update = self._handler is not self._owner
    for mine, inner, known, left in zip(examples.inner_handlers(handler), examples.inner_handlers(copied), given, self._left):
      if not hasattr(mine, '__dict__'):
        return copied
      vars(inner).update({name: known[name] for name in left if name in known and isinstance(known[name], _FIXED)})
      if not is_update:
        vars(mine).update(vars(inner))
    return copied if is_update else handler

  def _copy_of(self, handler: Any) -> Optional[Any]:
    # What is part of a model may be as large as that, and a handler may know it as well.
    known = {id(part): part for model in self._models for part in (model, *_parts(model))}
    for inner in (handler, *examples.inner_handlers(handler)):
      known.pop(id(inner), None)  # A model may know who loaded it.
    try:
      return copy.deepcopy(handler, known)
    except Exception as error:  # pylint: disable=broad-except
      _LOGGER.info('%s cannot be copied, so that those who share its model share it, too: %r', type(self._handler).__name__, error)
      return None


def _parts(model: Any) -> Sequence[Any]:
  if isinstance(model, (list, tuple)):
    return list(model)
  return list(model.values()) if type(model) is dict else list(getattr(model, '__dict__', {}).values())


class _Watching:
  """One of the handlers of a model per key in the place where Beam looks when it loads the model."""

  def __init__(self, handler: Any) -> None:
    self._handler = handler
    # None until the model is there.
    self.sharers: Optional[Sharers] = None

  def load_model(self) -> Any:
    before = attributes(self._handler)
    model = self._handler.load_model()
    self.sharers = Sharers(self._handler, self._handler, before, [model])
    return model


class _Later:
  """One of the handlers of a model per key of a sharer, that will know what loading has set."""

  def __init__(self, handler: Any, given: Sequence[dict[str, Any]], watching: _Watching) -> None:
    self._mine = self._asked = handler
    self._given = given
    self._watching = watching
    self._sharers: Optional[Sharers] = None

  def __getattr__(self, name: str) -> Any:
    return getattr(self._mine, name)

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    sharers = self._watching.sharers
    if sharers is not None and sharers is not self._sharers:
      self._sharers, self._asked = sharers, sharers.handler_of(self._mine, self._given)
    return self._asked.run_inference(batch, model, inference_args)


# How Beam's wrappers call what is inside them.
_INSIDE = ('_unkeyed', '_base')


def _watched(handler: Any) -> dict[Any, _Watching]:
  """The handlers inside one with a model per key, whose manager of models has taken its dict of them; none of another one."""
  if isinstance(handler, base.KeyedModelHandler) and not handler._single_model:
    of_manager = handler._id_to_mh_map
    handler._id_to_mh_map = dict(of_manager)
    of_manager.update({name: _Watching(inner) for name, inner in of_manager.items()})
    return dict(of_manager)
  inside = [inner for name in _INSIDE if (inner := getattr(handler, name, None)) is not None]
  return _watched(inside[0]) if inside else {}


def _with_later(handler: Any, watched: dict[Any, _Watching], given: Iterator[dict[str, Any]]) -> Any:
  copied = copy.copy(handler)
  if isinstance(handler, base.KeyedModelHandler) and not handler._single_model:
    copied._id_to_mh_map = {
        name: _Later(inner, list(itertools.islice(given, len(attributes(inner)))), watched[name])
        for name, inner in handler._id_to_mh_map.items()
    }
    return copied
  name = next(name for name in _INSIDE if getattr(handler, name, None) is not None)
  setattr(copied, name, _with_later(getattr(handler, name), watched, given))
  return copied


def takes_updates(handler: Any) -> bool:
  """Whether a handler can load another model than its own."""
  return any(
      getattr(type(inner), 'update_model_path', None) is not base.ModelHandler.update_model_path
      for inner in examples.inner_handlers(handler))
