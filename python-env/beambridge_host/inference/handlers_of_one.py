# SPDX-License-Identifier: Apache-2.0
"""The handlers of one who uses models: a transform's, as one thread of a worker has them."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import weakref
from typing import Any, MutableMapping, NamedTuple, Optional, Sequence

from apache_beam.internal import pickler

from beambridge_host.inference.handler_state import State


class Source(NamedTuple):
  """One model: which of a transform's handlers loads it, and from where if not from its own path."""
  route: int
  path: str


class Handlers:
  """What stands for each model of one who uses them.

  They are used by one thread at a time, and may keep what they like about a call. Whoever is gone leaves its handlers, with the
  models that only they can use, to the next one of the same transform.
  """

  def __init__(self, transform: str, routes: Sequence[Any], anew: bool) -> None:
    """
    Args:
      transform: what those have in common that were made of the same bytes.
      routes: each with its `handler`, and what the transform does around it.
      anew: whether more than one of each may be needed, for a model update or after a call that is still under way.
    """
    self.transform = transform
    self._routes = routes
    # All that is bound to a handler goes with it.
    self._unused = pickler.dumps(list(routes), use_zlib=True) if anew else None
    self._taken: set[int] = set()
    # What handlers were before they first tried to load a model, and could not.
    self._before: dict[int, State] = {}
    self._of: MutableMapping[Any, Any] = weakref.WeakKeyDictionary()

  def unloaded(self, source: Source) -> Any:
    """A route for one more model: its handler has loaded no other, if there can be such a one."""
    if self._unused is None or not source.path and source.route not in self._taken:
      if source.path:
        raise ValueError('a model update comes to a transform that takes none')
      self._taken.add(source.route)
      return self._routes[source.route]
    route = pickler.loads(self._unused, use_zlib=True)[source.route]
    if source.path:
      route.handler.update_model_path(source.path)
    return route

  def before(self, route: Any) -> State:
    """What the handler of a route is before it loads a model, whatever an attempt that failed has left in it."""
    return self._before.pop(id(route), None) or State(route.handler)

  def failed(self, route: Any, before: State) -> None:
    """That a route's handler could not load its model. Only the transform's own are asked again."""
    if any(route is each for each in self._routes):
      self._before[id(route)] = before

  def known(self, model: Any) -> Optional[Any]:
    """The route that is used with a model."""
    return self._of.get(model)

  def use(self, model: Any, route: Any) -> Any:
    """From now on that of a model."""
    self._of[model] = route
    return route

  def abandon(self) -> None:
    """Leaves all of them to a call that is still under way, and will go on with them for who knows how long."""
    self._of.clear()
    if self._unused is not None:
      self._taken.update(range(len(self._routes)))
