# SPDX-License-Identifier: Apache-2.0
"""Dead letters: exactly the bad rows fail, and every other row has its prediction."""

import unittest
from typing import Any, Iterable, Optional, Sequence

import apache_beam as beam
import numpy as np
import pandas
from apache_beam.coders import coder_impl
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2
from apache_beam.testing.util import assert_that, equal_to

from beambridge_host.errors import FatalError
from beambridge_host.inference.batching import in_memory
from beambridge_host.inference.dead_letters import Failure, in_halves
from beambridge_host.inference.hopeless import Streak
from beambridge_host.inference.inference import run_inference
from beambridge_host.wire.columns import ColumnReader
from beambridge_host.wire.examples import together
from beambridge_host.wire.frames import Frames
from beambridge_host.wire.owned import owned
from beambridge_host.wire.unconverted import Unconverted
from tests.test_columns import atomic, field
from tests.test_inference import INT64, KEYS, batch, models_per_key, schema

DOUBLE = atomic(schema_pb2.DOUBLE)


class Picky(base.ModelHandler[int, Any, Any]):
  """Doubles whole numbers; raises for a batch with a negative one, and gives text for 13."""

  def load_model(self) -> Any:
    return None

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    for row in batch:
      if row < 0:
        raise ValueError(f'{row} is below zero')
    return ['unlucky' if row == 13 else 2 * row for row in batch]


class Changing(base.ModelHandler[Any, Any, Any]):
  """Halves what it is given where it lies, as scalers with copy=False do, and then fails for a NaN."""

  def load_model(self) -> Any:
    return None

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    rows = batch if isinstance(batch, np.ndarray) else np.stack(list(batch))
    rows /= 2
    if np.isnan(rows).any():
      raise ValueError('NaN')
    return list(rows)


class Forgetful(Picky):
  """Gives no prediction for a zero."""

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [row for row in batch if row != 0]


class NoModel(Picky):

  def load_model(self) -> Any:
    raise ValueError('no model')


def outcomes(inference: bytes, answer: bytes) -> list[Any]:
  """The predictions of an answer, and under their row what failed."""
  stream = coder_impl.create_InputStream(answer)
  count = coder_impl.create_InputStream(stream.read_all(True)).read_var_int64()
  failures = coder_impl.create_InputStream(stream.read_all(True))
  failed = {}
  for _ in range(failures.read_var_int64()):
    row = failures.read_var_int64()
    failed[row] = Failure(*(failures.read_all(True).decode() for _ in range(4)))
  reader = ColumnReader(field(schema_pb2.FieldType.FromString(inference), 'inference'))
  predictions = iter(list(reader.read(stream.read_all(True), count - len(failed))))
  return [
      (failed[row].type, failed[row].message) if row in failed else float(next(predictions)) for row in range(count)
  ]


class DeadLettersTest(unittest.TestCase):

  def score(self, provider: Any, rows: list[Any], expected: list[Any], *, example: Any = INT64,
            inference: Any = INT64, keys: Optional[list[str]] = None) -> None:
    transform = run_inference(
        provider, schema(example, inference), KEYS if keys else b'', transform='Here', dead_letters=True)
    serialized = inference.SerializeToString()
    with beam.Pipeline('BundleBasedDirectRunner') as p:
      answers = p | beam.Create([batch(example, rows, keys)], reshuffle=False) | transform
      assert_that(answers | beam.Map(lambda answer: outcomes(serialized, answer)), equal_to([expected]))

  def test_one_row_in_a_hundred(self):
    rows = [-i if i % 100 == 50 else i + 100 for i in range(1000)]
    self.score(Picky, rows, [2.0 * row if row >= 0 else ('ValueError', f'{row} is below zero') for row in rows])

  def test_no_row_and_every_row(self):
    self.score(Picky, [1, 2], [2.0, 4.0])
    self.score(Picky, [-1, -2], [('ValueError', '-1 is below zero'), ('ValueError', '-2 is below zero')])

  def test_a_run_of_which_no_row_ever_comes_right_ends_soon_and_says_so(self):
    calls = []

    def act(rows: Sequence[Any]) -> Sequence[Any]:
      calls.append(rows)
      if rows[-1] != 'good':
        raise KeyError('age')
      return rows

    with self.assertRaisesRegex(FatalError, "first 1000 rows all failed alike: KeyError: 'age'"):
      in_halves(range(50_000), act, 'inference', Streak('Here', False))
    self.assertLess(len(calls), 2100)
    # One good row, or one that fails otherwise, and it goes on; so it does when the program said so.
    streak = Streak('Here', False)
    in_halves(['good'], act, 'inference', streak)
    for going_on in (streak, Streak('Here', True)):
      self.assertEqual(len(in_halves(range(3000), act, 'inference', going_on)), 3000)

  def test_predictions_of_another_type(self):
    message = "inference: str 'unlucky' does not fit the declared type int64"
    self.score(Picky, [1, 13, -1, 2], [2.0, ('INFERENCE_MISMATCH', message), ('ValueError', '-1 is below zero'), 4.0])

  def test_another_number_of_predictions_is_the_fault_of_the_handler_and_ends_the_run(self):
    with self.assertRaisesRegex(Exception, 'the model handler gave 2 predictions for 3 examples'):
      self.score(Forgetful, [1, 0, 2], [])

  def test_pre_and_postprocessing(self):
    def handler() -> base.ModelHandler:
      return Picky().with_preprocess_fn(lambda x: 6 // x).with_postprocess_fn(lambda p: 10 // (p - 4))

    error = ('ZeroDivisionError', 'integer division or modulo by zero')
    self.score(handler, [1, 0, 3], [1.0, error, error])

  def test_a_key_without_a_model(self):
    self.score(models_per_key, [1.0, 2.0, 3.0], [10.0, ('KeyError', "'z'"), 300.0], keys=['a', 'z', 'b'],
               example=DOUBLE, inference=DOUBLE)

  def test_a_model_that_cannot_be_loaded_fails_the_run(self):
    with self.assertRaisesRegex(Exception, 'MODEL_INVALID'):
      self.score(NoModel, [1], [])

  def test_each_row_is_tried_alone_at_most_once(self):
    tried = []

    def act(rows: Sequence[int]) -> Sequence[int]:
      tried.append(list(rows))
      if 3 in rows:
        raise TypeError('three')
      return rows

    self.assertEqual([getattr(out, 'type', out) for out in in_halves([1, 2, 3, 4], act)], [1, 2, 'TypeError', 4])
    self.assertEqual(tried, [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]])
    self.assertEqual(in_halves([], act), [])

  def test_the_traceback_leads_to_the_handler(self):
    (failed,) = in_halves([-1], lambda rows: Picky().run_inference(rows, None))
    self.assertIn('in run_inference', failed.traceback)
    self.assertTrue(failed.traceback.endswith('ValueError: -1 is below zero\n'))


class OwnedTest(unittest.TestCase):

  def test_a_model_may_change_rows_that_are_asked_about_again(self):
    rows = np.array([1.0, 2.0, float('nan'), 4.0])
    answers = in_halves(rows, lambda part: in_memory(part, lambda some: Changing().run_inference(owned(some), None)))
    self.assertEqual([each if not isinstance(each, Failure) else None for each in answers], [0.5, 1.0, None, 2.0])
    self.assertEqual(rows[0], 1.0)

  def test_rows_as_they_came_are_made_anew_for_each_call(self):
    rows = Unconverted(np.array([1, 2, -1, 4], np.int8), np.dtype(np.float64))
    tried = []

    def act(some):
      tried.append(some.copy())
      some *= 2
      if (some < 0).any():
        raise ValueError('below zero')
      return list(some)

    answers = in_halves(rows, lambda part: in_memory(part, lambda part: act(owned(part))))
    self.assertEqual([each if not isinstance(each, Failure) else None for each in answers], [2.0, 4.0, None, 8.0])
    self.assertEqual([part.tolist() for part in tried], [[1, 2, -1, 4], [1, 2], [-1, 4], [-1], [4]])
    self.assertEqual({part.dtype for part in tried}, {np.dtype(np.float64)})

  def test_rows_as_they_came_are_joined_without_loss(self):
    large = Unconverted(np.array([2**53 + 1], np.int64), np.dtype(np.int64))
    small = Unconverted(np.array([1], np.int8), np.dtype(np.int64))
    doubles = Unconverted(np.array([3.0]), np.dtype(np.int64))
    self.assertEqual(owned(together([large, doubles, small])).tolist(), [2**53 + 1, 3, 1])
    self.assertEqual(owned(together([small, small])).tolist(), [1, 1])
    self.assertEqual([*small, small[-1]], [1, 1])

  def test_rows_of_every_form_are_copied(self):
    frame = pandas.DataFrame({'a': [1.0]})
    for rows in (np.ones(2), [np.ones(1)], ({'a': np.ones(1)},), Frames(frame), frame):
      copied = owned(rows)
      self.assertIs(type(copied), type(rows))
      self.assertIsNot(copied, rows)


if __name__ == '__main__':
  unittest.main()
