# SPDX-License-Identifier: Apache-2.0
"""Loaded models: each once per process, or once per machine, and no more of them than allowed."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import copy
import hashlib
import itertools
import logging
import math
import os
import threading
import time
import weakref
from collections import OrderedDict
from typing import Any, Callable, NamedTuple, Optional, Sequence

from apache_beam.ml.inference import base
from apache_beam.utils import multi_process_shared

from beambridge_host.inference import calls
from beambridge_host.inference.handler_copies import Attributes, Sharers, attributes, takes_updates
from beambridge_host.inference.models import remember_credentials, told_by_file
from beambridge_host.wire.fitted_columns import telling
from beambridge_host.wire.results import asked, take_over
from beambridge_host.wire.unconverted import taken

_LOGGER = logging.getLogger(__name__)

# A model that could not be loaded may be there later.
_RETRY_S = 60.0


class Source(NamedTuple):
  """One model: which of a transform's handlers loads it, and from where if not from its own path."""
  route: int
  path: str


def fingerprint(path: str) -> Any:
  """What tells the contents of a path from those that it had before; None where nothing does."""
  try:
    folders = [(path, os.stat(path))] if os.path.exists(path) else []
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    return sorted((name, found.st_ino, found.st_size, found.st_mtime_ns)
                  for name, found in (*folders, *((file, os.stat(file)) for file in files)))
  except OSError:
    return None


class Loading(NamedTuple):
  """What loading a model took."""
  milliseconds: int
  bytes: int


class Loaded:
  """A model that is shared. Each of who shares it has a handler of its own, as in Beam."""

  def __init__(self, path: str, copies: Sequence[Any], release: Callable[[], None], sharers: Sharers) -> None:
    self.path = path
    self.model = copies[0]
    self.handler_of = sharers.handler_of
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
  # None: as many as there are.
  most: Optional[int]
  in_child: bool = False
  # None: as the handler says.
  shared: Optional[bool] = None
  copies: Optional[int] = None


class Models:
  """What `load_model` gives to Beam, which keeps it for all threads of a process."""

  def __init__(self, plan: Plan, check: Callable[[Any, Any], None]) -> None:
    self._plan = plan
    self._check = check
    self._lock = threading.RLock()
    self._loaded: OrderedDict[Source, Loaded] = OrderedDict()
    # Of each route, as it was before it loaded anything.
    self._unloaded: dict[int, Any] = {}
    # When, and what was there then.
    self._failed: dict[Source, tuple[float, Any]] = {}
    self._warned: set[Source] = set()
    self._loadings: list[Loading] = []

  def get(self, source: Source, handler: Any) -> Loaded:
    """The model, loaded if it is not there; the one used longest ago goes if there are too many."""
    with self._lock:
      loaded = self._loaded.get(source)
      if loaded is None:
        if self._plan.most is not None:
          # Before, because two may not fit.
          while len(self._loaded) >= self._plan.most:
            self._loaded.popitem(last=False)
        loaded = self._loaded[source] = self._load(source, handler)
      self._loaded.move_to_end(source)
      return loaded

  def latest(self, route: int, paths: Sequence[str], handler: Any, failed: Callable[[], None]) -> Loaded:
    """The first of these that can be loaded, newest first; else the handler's own model."""
    for source in (Source(route, path) for path in paths):
      with self._lock:
        if source not in self._loaded and self._fails_still(source):
          continue
        there = fingerprint(source.path)
        try:
          return self.get(source, handler)
        except Exception as error:  # pylint: disable=broad-except
          self._failed[source] = (time.monotonic(), there)
          failed()
          if source not in self._warned:
            self._warned.add(source)
            _LOGGER.warning(
                'Model update %s could not be loaded, the model before it goes on: %r', source.path, error)
    return self.get(Source(route, ''), handler)

  def _fails_still(self, source: Source) -> bool:
    tried, found = self._failed.get(source, (-math.inf, None))
    return time.monotonic() - tried < _RETRY_S and fingerprint(source.path) == found

  def loadings(self) -> list[Loading]:
    """What was loaded since this was asked last."""
    with self._lock:
      loadings, self._loadings = self._loadings, []
      return loadings

  def _load(self, source: Source, owner: Any) -> Loaded:
    handler, given = self._loader(source, owner)
    remember_credentials(handler)
    before = base._get_current_process_memory_in_bytes()
    began = time.monotonic()
    made: list[Any] = []
    try:
      copies, release = self._copies(source, handler, made)
    except Exception as error:
      told_by_file(error, handler)
      raise
    taken = round((time.monotonic() - began) * 1000)
    self._loadings.append(Loading(taken, base._get_current_process_memory_in_bytes() - before))
    return Loaded(source.path, copies, release, Sharers(owner, handler, given, made))

  def _loader(self, source: Source, owner: Any) -> tuple[Any, list[Attributes]]:
    """The handler that loads a model, and what it has before.

    For a model update it is one that has loaded no other, of which something could be left in it.
    """
    if takes_updates(owner) and source.route not in self._unloaded:
      try:
        self._unloaded[source.route] = copy.deepcopy(owner)
      except Exception:  # pylint: disable=broad-except
        if source.path:
          raise  # Else it is said when there is an update.
    if not source.path:
      return owner, attributes(owner)
    handler = copy.deepcopy(self._unloaded.get(source.route, owner))
    given = attributes(handler)
    handler.update_model_path(source.path)
    return handler, given

  def _copies(self, source: Source, handler: Any, made: list[Any]) -> tuple[Sequence[Any], Callable[[], None]]:
    plan = self._plan

    def load_model() -> Any:
      made.append(handler.load_model())
      return made[-1]

    if plan.in_child:
      children = [calls.Child(_Maker(handler, self._check)) for _ in range(plan.copies or handler.model_copies())]
      return children, lambda: [child.close() for child in children]
    shared = handler.share_model_across_processes() if plan.shared is None else plan.shared
    if not shared:
      self._check(handler, load_model())
      return made, lambda: None
    # Names of files in Beam's implementation.
    tag = f'{plan.tag}_{source.route}_{hashlib.sha256(source.path.encode()).hexdigest()[:16] if source.path else "own"}'
    handles = [
        multi_process_shared.MultiProcessShared(telling(load_model), tag=f'{tag}_{i}', always_proxy=True)
        for i in range(plan.copies or handler.model_copies())
    ]
    copies = [handle.acquire() for handle in handles]
    return copies, lambda: [handle.release(model) for handle, model in zip(handles, copies)]


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
