# SPDX-License-Identifier: Apache-2.0
"""When to stop trying rows one by one: all have failed alike so far, and none has not.

The other rows cannot be called bad without being tried, and to try each takes as long as the run. So the run
fails, by which no row is lost. Across batches src/ml/failures/tally.ts counts.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Optional, Sequence

from beambridge_host.errors import FatalError, bridge_error
from beambridge_host.wire.packed import row_failure
from beambridge_host.wire.results import Results

ROWS = 1000


class Streak:
  """The rows of the first batches, as long as all of them fail in one step with one message."""

  def __init__(self, transform: str, all_may_fail: bool) -> None:
    self._transform = transform
    self._is_over = all_may_fail
    self._count = 0
    self._first: Optional[tuple[str, ...]] = None

  def answered(self, outcomes: Sequence[Any]) -> None:
    """The model answered for rows."""
    if not self._is_over:
      self._is_over = isinstance(outcomes, Results) or any(not row_failure(outcome) for outcome in outcomes)

  def failed(self, failure: Any) -> None:
    """A row failed alone. Raises what ends the run."""
    if self._is_over:
      return
    said = (failure.step, failure.type, failure.message)
    self._first = self._first or said
    if said != self._first:
      self._is_over = True
      return
    self._count += 1
    if self._count >= ROWS:
      raise bridge_error(
          'DEAD_LETTER_THRESHOLD',
          f'the first {self._count} rows all failed alike: {failure.type}: {failure.message[:300]}',
          hint='Mend what is wrong with all rows. withDeadLetters({ threshold: 1 }) goes on whatever fails.',
          transform=self._transform,
          make=FatalError)
