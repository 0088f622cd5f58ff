# SPDX-License-Identifier: Apache-2.0
"""Keys of any declared type as what a dict finds them by: equal content is one key, as where TypeScript groups."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np

_PLAIN = frozenset((str, int, bytes, bool, type(None)))


def route_key(key: Any) -> Any:
  """What is hashable and equal for equal keys: arrays, maps and rows are none of it themselves."""
  if type(key) in _PLAIN:
    return key
  if isinstance(key, np.ndarray):
    key = key.tolist()
  if isinstance(key, (list, tuple)):
    return tuple(map(route_key, key))
  if isinstance(key, SimpleNamespace):
    # A row that is about to be written.
    return tuple(map(route_key, vars(key).values()))
  # Of a map that is about to be written, items are all there is.
  if isinstance(key, Mapping) or hasattr(key, 'items'):
    return frozenset((route_key(name), route_key(value)) for name, value in key.items())
  # NaN is not equal to itself, and is one key.
  return 'NaN' if key != key else key
