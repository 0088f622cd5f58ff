# SPDX-License-Identifier: Apache-2.0
"""Handlers of those who share a model: one each, which may keep what it likes about a call, and knows what loading it has set.

Each sharer has its own handler, as it was given, and is told what loading has set on the one that loaded the model: the very
objects, since a client, a lock or a folder can be no second time; but lists, dicts and the like anew, which a call may fill. What a
handler was given is its own, unless loading has changed what is in it. Transforms that share a model may differ in all else.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import collections
import copy
import functools
import hashlib
import itertools
import logging
import pickle
import types
from typing import Any, Iterator, Mapping, Optional, Sequence

from apache_beam.ml.inference import base
from apache_beam.utils.python_callable import PythonCallableWithSource

from beambridge_host.wire import examples

_LOGGER = logging.getLogger(__name__)


# Values that loading a model cannot fill.
_FIXED = (
    str, bytes, int, float, type(None), types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial,
    PythonCallableWithSource)
# What a call may fill, and what can be made anew without asking anybody.
_CONTAINERS = (list, dict, set, bytearray, collections.deque)


class Attributes(dict):  # type: ignore[type-arg]
  """What a handler has at a moment, and what is in it."""

  def __init__(self, values: Mapping[str, Any]) -> None:
    super().__init__(values)
    self._contents = {name: _contents(value) for name, value in values.items() if not isinstance(value, _FIXED)}

  def is_changed(self, name: str, value: Any) -> bool:
    """Whether a value has something else in it than it had; of what cannot be read nobody knows."""
    before = self._contents.get(name)
    return before is not None and before != _contents(value)


def attributes(handler: Any) -> list[Attributes]:
  """What a handler has, and those inside it: of one that has loaded nothing, what it was given."""
  return [Attributes(getattr(inner, '__dict__', {})) for inner in examples.inner_handlers(handler)]


class _Hash:
  """A file that keeps no more than a digest of what is written."""

  def __init__(self) -> None:
    self._hash = hashlib.blake2b()

  def write(self, data: Any) -> None:
    self._hash.update(data)

  def digest(self) -> bytes:
    return self._hash.digest()


def _contents(value: Any) -> Optional[bytes]:
  written = _Hash()
  try:
    pickle.Pickler(written, pickle.HIGHEST_PROTOCOL).dump(value)  # type: ignore[arg-type]
  except Exception:  # pylint: disable=broad-except
    return None  # A lock, a client, a closure.
  return written.digest()


def _anew(value: Any, parts: Mapping[int, Any]) -> Any:
  """Containers that are nobody else's, with the same values in them; never a part of a model."""
  if type(value) not in _CONTAINERS or id(value) in parts:
    return value
  if type(value) is dict:
    return {name: _anew(inner, parts) for name, inner in value.items()}
  if type(value) in (list, collections.deque):
    return type(value)(_anew(inner, parts) for inner in value)
  return type(value)(value)


def _copied(value: Any, parts: Mapping[int, Any]) -> Any:
  """A copy of what loading has changed: each sharer's own, where it can be copied."""
  try:
    return copy.deepcopy(value, dict(parts))
  except Exception as error:  # pylint: disable=broad-except
    _LOGGER.info('%s cannot be copied, so that those who share a model share it, too: %r', type(value).__name__, error)
    return value


class Sharers:
  """The handlers of a model's sharers."""

  def __init__(self, owner: Any, handler: Any, before: Sequence[Attributes], models: Sequence[Any]) -> None:
    """
    Args:
      owner: the handler of whoever had the model loaded.
      handler: the one that loaded it: the same, or for a model update a copy.
      before: its attributes before that.
      models: what it loaded in this process, which no copy copies.
    """
    self._owner = owner
    self._handler = handler
    self._parts = {id(part): part for model in models for part in (model, *_parts(model))}
    # For each handler inside: what loading has set, and what it has changed.
    self._told: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for was, now in zip(before, (getattr(inner, '__dict__', {}) for inner in examples.inner_handlers(handler))):
      new = {name: _anew(value, self._parts) for name, value in now.items() if name not in was or was[name] is not value}
      changed = {
          name: _copied(value, self._parts)
          for name, value in now.items() if name not in new and not isinstance(value, _FIXED) and was.is_changed(name, value)
      }
      self._told.append((new, changed))
    # Of Beam's handler with a model per key, which are loaded at their first calls.
    self._later = _watched(handler)

  def handler_of(self, handler: Any, given: Sequence[Attributes]) -> Any:
    """The handler of somebody who shares the model: to be kept, since the next may be another.

    Args:
      handler: the sharer's own, which functions around it may know.
      given: its attributes before it loaded anything.
    """
    if handler is self._owner:
      return self._handler
    if self._later:
      return _with_later(handler, self._later, iter(given))
    # The sharer's own may serve another model at the same time.
    mine = handler if self._handler is self._owner else _as_given(handler, given[0])
    for inner, (new, changed) in zip(examples.inner_handlers(mine), self._told):
      if not hasattr(inner, '__dict__'):
        continue
      for name, value in new.items():
        vars(inner)[name] = _anew(value, self._parts)
      for name, value in changed.items():
        vars(inner)[name] = _copied(value, self._parts)
    return mine


def _as_given(handler: Any, given: Attributes) -> Any:
  """A handler like another was before it loaded anything."""
  copied = copy.copy(handler)
  if next(examples.inner_handlers(handler)) is not handler:
    inside = next(name for name in _INSIDE if getattr(handler, name, None) is not None)
    setattr(copied, inside, _as_given(getattr(handler, inside), given))
  elif hasattr(copied, '__dict__'):
    vars(copied).clear()
    vars(copied).update(given)
  return copied


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

  def __init__(self, handler: Any, given: Sequence[Attributes], watching: _Watching) -> None:
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


def _with_later(handler: Any, watched: dict[Any, _Watching], given: Iterator[Attributes]) -> Any:
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
