# SPDX-License-Identifier: Apache-2.0
"""Loaded models: each once per process, or once per machine, and no more of them than allowed.

A model is for all who ask for it where loading leaves the handler as it was; for those of one transform where it sets plain values,
which they are told; and else for the very handler that loaded it.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import collections
import hashlib
import itertools
import logging
import math
import threading
import time
import weakref
from typing import Any, Callable, Mapping, NamedTuple, Optional, Sequence, Union

from apache_beam.ml.inference import base
from apache_beam.utils import multi_process_shared

from beambridge_host.inference import calls
from beambridge_host.inference.handler_state import Changes, State, loads_later, tell
from beambridge_host.inference.handlers_of_one import Handlers, Source
from beambridge_host.inference.kept_files import KeptFiles, fingerprint
from beambridge_host.inference.model_files import model_paths
from beambridge_host.inference.models import UnusableModel, remember_credentials, told_by_file
from beambridge_host.wire.fitted_columns import telling
from beambridge_host.wire.results import asked, take_over
from beambridge_host.wire.unconverted import taken
from beambridge_host.worker.keeping import KEEPER

_LOGGER = logging.getLogger(__name__)

# A model that could not be loaded may be there later.
_RETRY_S = 60.0

# What loading may set in the source text of a handler, all of it, as a name among those of attributes.
_OF_TEXT = ''


class Loading(NamedTuple):
  """What loading a model took."""
  milliseconds: int
  bytes: int


class Loaded:
  """A model that is there."""

  def __init__(
      self, path: str, copies: Sequence[Any], release: Callable[[], None], told: Sequence[Mapping[str, Any]] = ()) -> None:
    self.path = path
    self.model = copies[0]
    # What loading has set on the handler, for others that use the model.
    self.told = told
    # Whoever was given it.
    self.users: weakref.WeakSet[Handlers] = weakref.WeakSet()
    self._copies = itertools.cycle(copies)
    self._release = release

  def __del__(self) -> None:
    # Only now, because another thread may still use a model that was forgotten.
    self._release()

  def infer(
      self, handler: Any, rows: Sequence[Any], inference_args: Optional[dict[str, Any]],
      seconds: Optional[float]) -> Sequence[Any]:
    """What a handler predicts with the model."""
    model = next(self._copies)
    if isinstance(model, calls.Child):
      return model.call(taken(rows), inference_args, seconds=seconds)
    return calls.within(lambda: asked(handler, rows, model, inference_args), seconds)


class Plan(NamedTuple):
  """How models are loaded."""
  # The same in all processes, for models that they share.
  tag: str
  # Of those that are for the same; None: as many as there are.
  most: Optional[int]
  in_child: bool = False
  # None: as the handler says.
  shared: Optional[bool] = None
  copies: Optional[int] = None


# For whom a model is: for all, for those of a transform, or for one.
_Whose = Union[None, str, Handlers]


class Models:
  """What `load_model` gives to Beam, which keeps it for all threads of a process."""

  def __init__(self, plan: Plan, check: Callable[[Any, Any], None]) -> None:
    self._plan = plan
    self._check = check
    self._lock = threading.RLock()
    self._loaded: collections.OrderedDict[tuple[Source, _Whose], Loaded] = collections.OrderedDict()
    # Of a transform's routes: the names that loading sets there to plain values, or in classes; None where it does more.
    self._sets: dict[tuple[int, str], Optional[frozenset[str]]] = {}
    # Handlers of those who are gone. Whoever collects garbage puts them there, without the lock.
    self._left: collections.deque[Handlers] = collections.deque()
    # When, and what was there then.
    self._failed: dict[Source, tuple[float, Any]] = {}
    self._warned: set[Source] = set()
    self._files = KeptFiles()
    self._loadings: list[Loading] = []

  def join(self, member: Any, transform: str, routes: Sequence[Any], anew: bool = False) -> Handlers:
    """The handlers of a member: those of one who is gone, if there are any with a model of their own, else its own.

    Args:
      member: who uses them, as long as it lives.
      transform: the same for members that were made of the same bytes.
      routes: those of the member.
      anew: see Handlers.
    """
    with self._lock:
      owners = {whose for _, whose in self._loaded if isinstance(whose, Handlers)}
      left = [self._left.popleft() for _ in range(len(self._left))]
      useful = [each for each in left if each in owners]
      handlers = next((each for each in useful if each.transform == transform), None)
      self._left.extend(each for each in useful if each is not handlers)
    handlers = handlers or Handlers(transform, routes, anew)
    weakref.finalize(member, self._left.append, handlers).atexit = False
    return handlers

  def abandon(self, handlers: Handlers) -> None:
    """Leaves handlers to a call that is still under way, and a model that only they can use, too."""
    with self._lock:
      handlers.abandon()
      for key in [key for key in self._loaded if key[1] is handlers]:
        del self._loaded[key]

  def get(self, source: Source, handlers: Handlers) -> tuple[Loaded, Any]:
    """The model, loaded if it is not there, and the route that is used with it.

    The model that was used longest ago goes if there are too many.
    """
    with self._lock:
      for whose in self._candidates(source, handlers):
        loaded = self._loaded.get((source, whose))
        if loaded is not None:
          self._loaded.move_to_end((source, whose))
          loaded.users.add(handlers)
          route = handlers.known(loaded)
          if route is None:
            route = handlers.use(loaded, handlers.unloaded(source))
            tell(route.handler, loaded.told)
          return loaded, route
      self._make_room(source, handlers)
      return self._load(source, handlers)

  def _candidates(self, source: Source, handlers: Handlers) -> Sequence[_Whose]:
    """For whom a model may be that these handlers can use."""
    names = self._sets.get((source.route, handlers.transform), frozenset())
    if names is None:
      return [handlers]
    return [handlers.transform] if names else [None, handlers.transform]

  def _make_room(self, source: Source, handlers: Handlers) -> None:
    """Before the next is loaded, because two may not fit."""
    most = self._plan.most
    for whose in {*self._candidates(source, handlers), handlers} if most is not None else ():
      # Those of others do not count, or each would have the others' removed.
      mine = [key for key in self._loaded if key[1] == whose]
      for key in mine[:max(0, len(mine) - most + 1)]:
        del self._loaded[key]

  def latest(
      self, route: int, paths: Sequence[str], handlers: Handlers, failed: Callable[[], None]) -> tuple[Loaded, Any]:
    """The first of these that can be loaded, newest first; else the handler's own model."""
    for source in (Source(route, path) for path in paths):
      with self._lock:
        is_there = self._is_there(source)
        if not is_there and self._fails_still(source):
          continue
        there = None if is_there else fingerprint(source.path)
        try:
          found = self.get(source, handlers)
          self._files.look_at(source.path, there)
          return found
        except Exception as error:  # pylint: disable=broad-except
          # There for others, it may still not be loaded for these.
          self._failed[source] = (time.monotonic(), fingerprint(source.path) if there is None else there)
          failed()
          if source not in self._warned:
            self._warned.add(source)
            _LOGGER.warning(
                'Model update %s could not be loaded, the model before it goes on: %r', source.path, error)
    return self.get(Source(route, ''), handlers)

  def _is_there(self, source: Source) -> bool:
    return any(there == source for there, _ in self._loaded)

  def _fails_still(self, source: Source) -> bool:
    tried, found = self._failed.get(source, (-math.inf, None))
    return time.monotonic() - tried < _RETRY_S and fingerprint(source.path) == found

  def loadings(self) -> list[Loading]:
    """What was loaded since this was asked last."""
    with self._lock:
      loadings, self._loadings = self._loadings, []
      return loadings

  def _load(self, source: Source, handlers: Handlers) -> tuple[Loaded, Any]:
    route = handlers.unloaded(source)
    handler = route.handler
    remember_credentials(handler)
    key = (source.route, handlers.transform)
    state = None if self._plan.in_child else handlers.before(route)
    before = base._get_current_process_memory_in_bytes()
    began = time.monotonic()
    try:
      copies, release = self._copies(source, handler)
    except Exception as error:
      if state is not None:
        handlers.failed(route, state)
      told_by_file(error, handler)
      raise
    taken = round((time.monotonic() - began) * 1000)
    self._loadings.append(Loading(taken, base._get_current_process_memory_in_bytes() - before))
    whose, told = self._whose(key, handler, handlers, state)
    self._leave_behind(key, handlers)
    loaded = self._loaded[source, whose] = Loaded(source.path, copies, release, told)
    loaded.users.add(handlers)
    return loaded, handlers.use(loaded, route)

  def _leave_behind(self, key: tuple[int, str], handlers: Handlers) -> None:
    """Forgets models that transforms used before it was known what loading sets, where nobody comes to them any more."""
    route, transform = key
    for there in [there for there in self._loaded if there[0].route == route and there[1] in (None, transform)]:
      users = {handlers, *self._loaded[there].users}
      if not any(there[1] in self._candidates(there[0], user) for user in users):
        del self._loaded[there]

  def _whose(
      self, key: tuple[int, str], handler: Any, handlers: Handlers,
      state: Optional[State]) -> tuple[_Whose, Sequence[Mapping[str, Any]]]:
    """For whom a model is that a handler has loaded, and what they must be told."""
    if state is None:
      # It is asked through the handler in its process, which is the transform's.
      return handlers.transform, ()
    known = self._sets.get(key, frozenset())
    if known is None:
      return handlers, ()
    changes = state.changes(known)
    for_one = [*changes.others, *changes.unknown, *(['a model for each key'] if loads_later(handler) else [])]
    if not for_one:
      # Threads of a transform have the same classes and globals.
      of_text = {_OF_TEXT} if changes.of_text else ()
      names = self._sets[key] = known | changes.names | frozenset(of_text)
      return (handlers.transform if names else None), changes.told
    self._sets[key] = None
    _LOGGER.info(
        '%s keeps, or may keep, something of its model on itself (%s): each thread and each transform that uses it loads a model of its own',
        type(handler).__qualname__, ', '.join(for_one))
    return handlers, ()

  def _copies(self, source: Source, handler: Any) -> tuple[Sequence[Any], Callable[[], None]]:
    plan = self._plan
    if plan.in_child:
      KEEPER.spoil('its model is in another process')
      children = [calls.Child(_Maker(handler, self._check)) for _ in range(plan.copies or handler.model_copies())]
      return children, lambda: [child.close() for child in children]
    shared = plan.shared
    if shared is None:
      # Beam's with a model per key says so of itself, whatever they are, and loads them where their handlers do not learn of it.
      shared = handler.share_model_across_processes() and not loads_later(handler)
    if not shared:
      with KEEPER.loading([path for _, path in model_paths(handler)]):
        models = [handler.load_model()]
      self._check(handler, models[0])
      KEEPER.loaded(self, models[0])
      return models, lambda: None
    KEEPER.spoil('others have its model, too')
    # Names of files in Beam's implementation.
    tag = f'{plan.tag}_{source.route}_{hashlib.sha256(source.path.encode()).hexdigest()[:16] if source.path else "own"}'
    # A handler that shares of itself was made for it.
    load = (lambda: load_for_all(handler)) if plan.shared else handler.load_model
    handles = [
        multi_process_shared.MultiProcessShared(telling(load), tag=f'{tag}_{i}', always_proxy=True)
        for i in range(plan.copies or handler.model_copies())
    ]
    copies = [handle.acquire() for handle in handles]
    return copies, lambda: [handle.release(model) for handle, model in zip(handles, copies)]


def load_for_all(handler: Any) -> Any:
  """Loads a model for all processes of this machine, which learn nothing of what is set on the handler in this one."""
  state = State(handler)
  model = handler.load_model()
  changes = state.changes()
  # Of PyTorch's handler, where there is no GPU in any of them.
  names = sorted({*changes.names, *changes.others} - {'_device'})
  if names:
    raise UnusableModel(
        f'load_model of {type(handler).__qualname__} sets {", ".join(names)} on the handler, which other processes do not see',
        hint='Return it as part of the model, or leave withLargeModel() out.')
  return model


def shared_models(plan: Plan, check: Callable[[Any, Any], None]) -> Models:
  """The models of a tag: transforms that were given the same one share them."""
  # In a module that is nobody's copy: this one may be pickled by value.
  home = vars(base)
  with home.setdefault('_beambridge_lock', threading.Lock()):
    registry = home.setdefault('_beambridge_models', weakref.WeakValueDictionary())
    models = registry.get(plan.tag)
    if models is None:
      models = registry[plan.tag] = Models(plan, check)
    return models


class _Maker:
  """Loads the model in a child process."""

  def __init__(self, handler: Any, check: Callable[[Any, Any], None]) -> None:
    self._handler = handler
    self._check = check

  def __call__(self) -> Callable[..., list[Any]]:
    take_over()
    self._handler.set_environment_vars()
    model = self._handler.load_model()
    self._check(self._handler, model)
    return lambda rows, inference_args: list(asked(self._handler, rows, model, inference_args))
