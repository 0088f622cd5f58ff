# SPDX-License-Identifier: Apache-2.0
"""Rows that fail by themselves instead of failing the run.

Beam gives up a whole batch for one bad row. Here a batch on which the handler raises is tried again
in halves, down to single rows, so that exactly the bad ones fail.

An answer has one more part between the batch and its columns: `failures (varint)`, then for each
`row (varint), error type, message, traceback`, the last three as UTF-8 after their length. Columns
hold the other rows. The other end is src/ml/dead-letters.ts.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import json
import traceback
from typing import Any, Callable, NamedTuple, Optional, Sequence

from apache_beam.coders import coder_impl

from beambridge_host.columns import prefixed
from beambridge_host.errors import MARKER, BridgeError, FatalError
from beambridge_host.misfit import Misfit
from beambridge_host.packed import PackedHandler, loads_model, result_of, row_failure

_LONGEST_TRACEBACK = 8_000


class Failure(NamedTuple):
  """Why a row has no prediction. Stands among predictions in its place."""
  type: str
  message: str
  traceback: str


def failure_of(error: Exception) -> Failure:
  """The failure that an exception means for its row."""
  if isinstance(error, BridgeError):
    marked = json.loads(str(error).split(MARKER, 1)[1].split('\n', 1)[0])
    return Failure(marked['code'], marked['message'], '')
  kind = type(error)
  name = kind.__qualname__ if kind.__module__ == 'builtins' else f'{kind.__module__}.{kind.__qualname__}'
  text = ''.join(traceback.format_exception(kind, error, error.__traceback__))
  return Failure(name, str(error), text[-_LONGEST_TRACEBACK:])


def in_halves(rows: Sequence[Any], act: Callable[[Sequence[Any]], Sequence[Any]]) -> list[Any]:
  """What `act` gives for each row; a Failure for each row on which it raises alone.

  Raises what is no row's fault: that the model could not be loaded, or that every row would fail.
  """
  if not len(rows):
    return []
  try:
    return list(act(rows))
  except Exception as error:
    if isinstance(error, FatalError) or loads_model(error):
      raise
    if len(rows) == 1:
      return [failure_of(error)]
  middle = len(rows) // 2
  return in_halves(rows[:middle], act) + in_halves(rows[middle:], act)


def one_by_one(values: Sequence[Any], act: Callable[[Any], Any]) -> list[Any]:
  """What `act` gives for each value that is no Failure yet, or its Failure."""
  out = []
  for value in values:
    if not isinstance(value, Failure):
      try:
        value = act(value)
      except Exception as error:
        value = failure_of(error)
    out.append(value)
  return out


class DeadLetterHandler(PackedHandler):
  """A handler of packed rows whose answers say which rows failed."""

  def _answers(
      self, batches: Sequence[bytes], model: Any, inference_args: Optional[dict[str, Any]]) -> list[bytes]:
    columns = self._columns
    answers, outcomes, ends = [], [], []
    for batch in batches:
      keys, values = columns.parse(batch)
      adapted = in_halves(values, columns.adapt)
      outcomes.extend(
          adapted if keys is None else
          [row if isinstance(row, Failure) else (key, row) for key, row in zip(keys, adapted)])
      ends.append(len(outcomes))
    outcomes = self._outcomes(outcomes, model, inference_args)
    start = 0
    for batch, end in zip(batches, ends):
      answers.append(self._answer(batch, outcomes[start:end]))
      start = end
    return answers

  def _outcomes(self, rows: list[Any], model: Any, inference_args: Optional[dict[str, Any]]) -> list[Any]:
    for apply in self._inner.get_preprocess_fns():
      rows = one_by_one(rows, apply)

    def infer(part: Sequence[Any]) -> list[Any]:
      return self._in_order(part, list(self._inner.run_inference(part, model, inference_args)))

    predictions: list[Any] = []
    for part in self._sizes.slices([row for row in rows if not isinstance(row, Failure)]):
      predictions.extend(in_halves(part, infer))
    failures = map(row_failure, predictions)
    following = iter([failure_of(failed.error) if failed else made for failed, made in zip(failures, predictions)])
    outcomes = [row if isinstance(row, Failure) else next(following) for row in rows]
    for apply in self._inner.get_postprocess_fns():
      outcomes = one_by_one(outcomes, apply)
    return outcomes

  def _answer(self, batch: bytes, outcomes: Sequence[Any]) -> bytes:
    columns = self._columns
    outcomes = one_by_one(outcomes, result_of)
    try:
      packed = columns.pack([outcome for outcome in outcomes if not isinstance(outcome, Failure)])
    except Misfit:
      # Only now, because it looks at every value by itself.
      outcomes = one_by_one(outcomes, columns.checked)
      packed = columns.pack([outcome for outcome in outcomes if not isinstance(outcome, Failure)])
    failures = [(row, outcome) for row, outcome in enumerate(outcomes) if isinstance(outcome, Failure)]
    return b''.join((prefixed(batch), prefixed(_encoded(failures)), packed))


def _encoded(failures: Sequence[tuple[int, Failure]]) -> bytes:
  out = coder_impl.create_OutputStream()
  out.write_var_int64(len(failures))
  for row, failure in failures:
    out.write_var_int64(row)
    for text in failure:
      # Whatever an exception says must get through: lone surrogates have no UTF-8.
      out.write(text.encode('utf-8', 'replace'), True)
  return out.get()
