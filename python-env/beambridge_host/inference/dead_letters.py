# SPDX-License-Identifier: Apache-2.0
"""Rows that fail by themselves instead of failing the run.

Beam gives up a whole batch for one bad row. Here a batch on which the handler raises is tried again
in halves, down to single rows, so that exactly the bad ones fail.

An answer has one more part between the batch and its columns: `failures (varint)`, then for each
`row (varint), step, error type, message, traceback`, the last four as UTF-8 after their length.
Columns hold the other rows. The other end is src/ml/dead-letters.ts.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import traceback
from typing import Any, Callable, NamedTuple, Optional, Sequence

from apache_beam.coders import coder_impl

from beambridge_host.credentials import hidden
from beambridge_host.errors import BridgeError, FatalError, fields_of
from beambridge_host.inference.calls import ChildDied, GaveUp
from beambridge_host.inference.hopeless import Streak
from beambridge_host.inference.models import loads_model, out_of_memory
from beambridge_host.inference.scoring import PackedHandler, Setup
from beambridge_host.wire.columns import prefixed
from beambridge_host.wire.packed import result_of
from beambridge_host.wire.results import Results, joined

_LONGEST_TRACEBACK = 8_000


class Failure(NamedTuple):
  """Why a row has no prediction. Stands among predictions in its place."""
  # 'example', 'preprocess', 'inference', 'postprocess' or 'prediction'; the second function is 'preprocess 1'.
  step: str
  type: str
  message: str
  traceback: str


def failure_of(error: BaseException, step: str = 'inference') -> Failure:
  """The failure that an exception means for its row."""
  if isinstance(error, BridgeError):
    marked = fields_of(error)
    return Failure(step, marked['code'], marked['message'], '')
  if isinstance(error, GaveUp):
    return Failure(step, 'TimeoutError', str(error), '')
  if isinstance(error, ChildDied):
    return Failure(step, 'MODEL_PROCESS_DIED', str(error), '')
  kind = type(error)
  name = kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'
  text = getattr(error, 'remote_traceback', '') or ''.join(
      traceback.format_exception(kind, error, error.__traceback__))
  if out_of_memory(error):
    name = 'MODEL_OUT_OF_MEMORY'
  return Failure(step, name, hidden(str(error)), hidden(text)[-_LONGEST_TRACEBACK:])


def in_halves(
    rows: Sequence[Any],
    act: Callable[[Sequence[Any]], Sequence[Any]],
    step: str = 'inference',
    streak: Optional[Streak] = None) -> Sequence[Any]:
  """What `act` gives for each row; a Failure for each row on which it raises alone.

  Raises what is no row's fault: that the model could not be loaded, or that every row would fail. A call that took too
  long fails all its rows: each half would have to be waited for again.
  """
  if not len(rows):
    return []
  try:
    answers = act(rows)
    if streak:
      streak.answered(answers)
    return answers
  except Exception as error:
    if isinstance(error, FatalError) or loads_model(error):
      raise
    if len(rows) == 1 or isinstance(error, GaveUp):
      failure = failure_of(error, step)
      if streak:
        for _ in rows:
          streak.failed(failure)
      return [failure] * len(rows)
  middle = len(rows) // 2
  return joined([in_halves(rows[:middle], act, step, streak), in_halves(rows[middle:], act, step, streak)])


def one_by_one(values: Sequence[Any], act: Callable[[Any], Any], step: str = 'prediction') -> list[Any]:
  """What `act` gives for each value that is no Failure yet, or its Failure."""
  out = []
  for value in values:
    if not isinstance(value, Failure):
      try:
        value = act(value)
      except FatalError:
        raise
      except Exception as error:
        value = failure_of(error, step)
    out.append(value)
  return out


class DeadLetterHandler(PackedHandler):
  """A handler of packed rows whose answers say which rows failed."""

  def __init__(self, setup: Setup) -> None:
    super().__init__(setup)
    self._streak = Streak(setup.transform, setup.all_may_fail)

  def _all(self, rows: Sequence[Any], act: Callable[[Sequence[Any]], Sequence[Any]], step: str) -> Sequence[Any]:
    return in_halves(rows, act, step, self._streak if step == 'inference' else None)

  def _each(self, values: Sequence[Any], act: Callable[[Any], Any], step: str) -> list[Any]:
    return one_by_one(values, act, step)

  def _paired(self, keys: Sequence[Any], rows: Sequence[Any]) -> list[Any]:
    return [row if isinstance(row, Failure) else (key, row) for key, row in zip(keys, rows)]

  def _fit(self, values: Sequence[Any], act: Callable[[Sequence[Any]], Sequence[Any]]) -> Sequence[Any]:
    # Only lists have some: arrays and frames are of rows that are all right.
    if not isinstance(values, list) or not any(isinstance(value, Failure) for value in values):
      return act(values)
    following = iter(act([value for value in values if not isinstance(value, Failure)]))
    return [value if isinstance(value, Failure) else next(following) for value in values]

  def _refused(self, error: BridgeError) -> Any:
    return failure_of(error)

  def _answer(self, batch: bytes, outcomes: Sequence[Any]) -> bytes:
    columns = self._columns
    if not isinstance(outcomes, Results):
      outcomes = one_by_one(outcomes, result_of)
    try:
      packed = columns.pack(_scored(outcomes))
    except FatalError:
      raise
    except Exception:  # pylint: disable=broad-except
      # Only now, because it looks at every value by itself.
      outcomes = one_by_one(outcomes, columns.checked)
      packed = columns.pack(_scored(outcomes))
    failures = [] if isinstance(outcomes, Results) else [
        (row, outcome) for row, outcome in enumerate(outcomes) if isinstance(outcome, Failure)
    ]
    return b''.join((prefixed(batch), prefixed(_encoded(failures)), packed))


def _scored(outcomes: Sequence[Any]) -> Sequence[Any]:
  """Those rows that have a prediction."""
  if isinstance(outcomes, Results):
    return outcomes
  return [outcome for outcome in outcomes if not isinstance(outcome, Failure)]


def _encoded(failures: Sequence[tuple[int, Failure]]) -> bytes:
  out = coder_impl.create_OutputStream()
  out.write_var_int64(len(failures))
  for row, failure in failures:
    out.write_var_int64(row)
    for text in failure:
      # Whatever an exception says must get through: lone surrogates have no UTF-8.
      out.write(text.encode('utf-8', 'replace'), True)
  return out.get()
