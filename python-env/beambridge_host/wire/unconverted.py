# SPDX-License-Identifier: Apache-2.0
"""Numbers of a batch as they came, in the narrow type of the wire.

A model may change what it is given, and where it fails the same rows are asked about again. So each call gets an
array of its own; made from the bytes that came, it costs no more than the array that would have been made anyway.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Iterator

import numpy as np


def _as_it_is(array: np.ndarray) -> Any:
  return array


class Unconverted(Sequence):
  """Rows of numbers, lists of one length or tensors of one shape; each look at them makes them anew."""

  def __init__(self, wire: np.ndarray, dtype: np.dtype, finish: Callable[[np.ndarray], Any] = _as_it_is) -> None:
    """
    Args:
      wire: the rows as they came, which nobody changes.
      dtype: what they are declared as.
      finish: makes of an array what a batch is to its taker.
    """
    self._wire = wire
    self._dtype = dtype
    self._finish = finish

  def __len__(self) -> int:
    return len(self._wire)

  def __getitem__(self, at: Any) -> Any:
    if isinstance(at, slice):
      return Unconverted(self._wire[at], self._dtype, self._finish)
    place = range(len(self))[at]
    return self[place:place + 1].take()[0]

  def __iter__(self) -> Iterator[Any]:
    return iter(self.take())

  def take(self) -> Any:
    """The rows for their taker to keep."""
    # A copy in any case, aligned, that can be written to.
    return self._finish(self._wire.astype(self._dtype))

  def finished_by(self, finish: Callable[[np.ndarray], Any]) -> Unconverted:
    """The same for a taker of something else than arrays."""
    return Unconverted(self._wire, self._dtype, finish)

  @staticmethod
  def joined(parts: Sequence[Unconverted]) -> Any:
    """The rows of several, as they came where all came in one type."""
    first = parts[0]
    shapes = {(part._dtype, part._wire.shape[1:]) for part in parts}
    if len(shapes) > 1:
      return [row for part in parts for row in part]
    if len({part._wire.dtype for part in parts}) == 1:
      return Unconverted(np.concatenate([part._wire for part in parts]), first._dtype, first._finish)
    # Large whole numbers and fractions have no type of the wire in common.
    return first._finish(np.concatenate([part._wire.astype(part._dtype) for part in parts]))


def taken(values: Any) -> Any:
  """Values of which some may be as they came."""
  return values.take() if isinstance(values, Unconverted) else values
