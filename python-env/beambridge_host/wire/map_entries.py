# SPDX-License-Identifier: Apache-2.0
"""Predicted maps, whose keys may be rows, arrays and maps: in Python, tuples and named tuples are keys of a dict, and what they
are written as, lists and rows, is not.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Callable, Iterable, Union

from beambridge_host.wire.misfit import Misfit
from beambridge_host.wire.route_keys import route_key

_Convert = Callable[[Any], Any]


class Entries:
  """A mapping as Beam's coder takes it."""

  def __init__(self, entries: Iterable[tuple[Any, Any]]) -> None:
    self._entries = list(entries)

  def __len__(self) -> int:
    return len(self._entries)

  def items(self) -> list[tuple[Any, Any]]:
    return self._entries


def map_of(key: _Convert, item: _Convert, declared: str, is_plain: bool) -> _Convert:
  """A function that makes a mapping of converted keys and values, or raises Misfit.

  Args:
    is_plain: whether converted keys are such as a dict has.
  """

  def convert(value: Any) -> Union[dict[Any, Any], Entries]:
    if not isinstance(value, Mapping):
      raise Misfit(value, declared)
    out = {}
    for name, content in value.items():
      try:
        made = key(name)
        out[made if is_plain else route_key(made)] = (made, item(content))
      except Misfit as misfit:
        misfit.path = f'[{name!r}]{misfit.path}'
        raise
    if len(out) < len(value):
      raise Misfit(value, declared, 'several of its keys are one')
    return dict(out.values()) if is_plain else Entries(out.values())

  return convert
