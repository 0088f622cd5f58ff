# SPDX-License-Identifier: Apache-2.0
"""How many rows, and which, a handler gets at once.

Packed batches are made for the wire. What a handler is given are parts of them, as its batching
options ask for; the names are those of `ModelHandler.batch_elements_kwargs` in Beam 2.77.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import bisect
import time
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

from beambridge_host.inference.models import free_memory, loads_model, out_of_memory
from beambridge_host.wire.results import joined

# Beam's, for a length function without boundaries.
DEFAULT_BOUNDARIES = (16, 32, 64, 128, 256, 512)


class BatchSizes:
  """How many rows a handler gets at once: as it was told, or more and more while that is fast.

  A packed batch holds thousands of small rows, which is right for a model of microseconds and far too
  much for one of seconds.
  """

  _FIRST, _LARGEST = 16, 10_000
  _FAST_S, _SLOW_S = 0.1, 5.0

  def __init__(self, batching: Mapping[str, Any], least: int = 1) -> None:
    """
    Args:
      batching: what the handler and the program asked for.
      least: rows below which the handler would not be used well, see RemoteRows.
    """
    fewest = batching.get('min_batch_size')
    self._largest = batching.get('max_batch_size') or max(self._LARGEST, fewest or 0)
    self._smallest = min(fewest or least, self._largest)
    self._size = min(max(self._FIRST, self._smallest), self._largest)
    self._weight_of: Optional[Callable[[Any], int]] = batching.get('element_size_fn')
    # Without a weight of its own, what Beam counts against the size is the sum of weights.
    self._heaviest = batching.get('max_batch_weight') or self._largest
    self._counts_rows = self._weight_of is None or 'max_batch_weight' in batching
    self._length_of: Optional[Callable[[Any], int]] = batching.get('length_fn')
    self._boundaries = list(batching.get('bucket_boundaries') or DEFAULT_BOUNDARIES)

  def slices(self, rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The rows in parts; the time until the next is asked for counts as the handler's."""
    start = 0
    while start < len(rows):
      end = self._end(rows, start)
      began = time.perf_counter()
      yield rows[start:end]
      self._learn(end - start, time.perf_counter() - began)
      start = end

  def apply(self, rows: Sequence[Any], act: Callable[[Sequence[Any]], Sequence[Any]]) -> Sequence[Any]:
    """What `act` gives for each row, in order, asked for in parts; rows of unlike length share none."""
    if self._length_of is None:
      return joined([act(part) for part in self.slices(rows)])
    buckets: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
      buckets.setdefault(bisect.bisect_right(self._boundaries, self._length_of(row)), []).append(index)
    results: list[Any] = [None] * len(rows)
    for _, indices in sorted(buckets.items()):
      answers = [result for part in self.slices([rows[i] for i in indices]) for result in act(part)]
      for index, result in zip(indices, answers):
        results[index] = result
    return results

  def too_large(self, count: int) -> None:
    """So many rows did not fit into memory: no call has as many from now on."""
    self._largest = max(1, count // 2)
    self._size = min(self._size, self._largest)
    self._smallest = min(self._smallest, self._largest)

  def _learn(self, count: int, seconds: float) -> None:
    if seconds > self._SLOW_S:
      self._size = max(self._size // 2, self._smallest)
    elif seconds < self._FAST_S and count == self._size:
      self._size = min(self._size * 2, self._largest)

  def _end(self, rows: Sequence[Any], start: int) -> int:
    most = min(start + self._size, len(rows)) if self._counts_rows else len(rows)
    if self._weight_of is None:
      return most
    weight = 0
    for end in range(start, most):
      weight += self._weight_of(rows[end])
      # A row that is too heavy by itself goes alone.
      if weight > self._heaviest and end > start:
        return end
    return most


def in_memory(rows: Sequence[Any], infer: Callable[[Sequence[Any]], Sequence[Any]]) -> Sequence[Any]:
  """What a model gives for some rows, asked in halves where memory runs out for all of them."""
  try:
    return infer(rows)
  except Exception as error:
    if len(rows) == 1 or not out_of_memory(error) or loads_model(error):
      raise
  # Only here, where the error no longer holds what did not fit.
  free_memory()
  middle = len(rows) // 2
  return joined([in_memory(rows[:middle], infer), in_memory(rows[middle:], infer)])
