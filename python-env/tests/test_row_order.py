# SPDX-License-Identifier: Apache-2.0
"""Predictions belong to the rows that they say they are of, in whatever order a handler gives them."""

import datetime
import json
import unittest
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from apache_beam.ml.inference import base, utils

from beambridge_host.errors import FatalError
from beambridge_host.wire.results import asked
from beambridge_host.wire.row_order import by_keys

Result = base.PredictionResult


class By(base.ModelHandler):
  """Gives what a function gives for its batch."""

  def __init__(self, act: Any) -> None:
    super().__init__()
    self._act = act

  def load_model(self) -> Any:
    return 'model'

  def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
    return self._act(batch)


def told(act: Any, rows: Any, wrap: Any = lambda handler: handler) -> list[Any]:
  handler = wrap(By(act))
  return [each.inference if isinstance(each, Result) else each for each in asked(handler, rows, handler.load_model(), None)]


TEXTS = ['long text', 'mid', 'x', 'mid', '']


class ByExamplesTest(unittest.TestCase):

  def test_results_of_a_sorted_batch_go_back_to_their_rows(self) -> None:
    ways = {
        'a list': lambda batch: [Result(x, f'is {x}') for x in sorted(batch, key=len)],
        'a generator': lambda batch: (Result(x, f'is {x}') for x in sorted(batch, key=len)),
        'in place': lambda batch: batch.sort() or [Result(x, f'is {x}') for x in batch],
        "Beam's function": lambda batch: utils._convert_to_result(
            sorted(batch), [f'is {x}' for x in sorted(batch)]),
        "in place, Beam's function": lambda batch: batch.sort() or utils._convert_to_result(batch, [f'is {x}' for x in batch]),
        'as they were': lambda batch: [Result(x, f'is {x}') for x in batch],
        'rows taken out': lambda batch: [f'is {batch.pop(0)}' for _ in range(len(batch))],
    }
    for name, act in ways.items():
      with self.subTest(name):
        self.assertEqual(told(act, list(TEXTS)), [f'is {text}' for text in TEXTS])

  def test_inside_a_handler_with_keys(self) -> None:
    rows = [(f'k{place}', text) for place, text in enumerate(TEXTS)]
    expected = [(key, f'is {text}') for key, text in rows]
    for wrap in (base.KeyedModelHandler, base.MaybeKeyedModelHandler):
      found = asked(wrap(By(lambda batch: [Result(x, f'is {x}') for x in sorted(batch, key=len)])), rows, None, None)
      self.assertEqual([(key, result.inference) for key, result in found], expected)

  def test_rows_of_arrays_that_a_list_holds(self) -> None:
    rows = list(np.array([[3.0, 1.0], [1.0, 1.0], [2.0, 1.0]]))
    found = told(lambda batch: [Result(x, float(x[0])) for x in sorted(batch, key=lambda x: x[0])], rows)
    self.assertEqual(found, [3, 1, 2])

  def test_examples_that_are_not_the_given_rows_say_nothing(self) -> None:
    self.assertEqual(told(lambda batch: [Result(f'{x} ', x) for x in batch], ['a b', 'c d']), ['a b', 'c d'])
    self.assertEqual(told(lambda batch: [Result(batch[0], x) for x in batch], ['a b', 'c d']), ['a b', 'c d'])
    self.assertEqual(told(lambda batch: [Result([*x, 0], x[0]) for x in batch], [[2, 1], [1, 2]]), [2, 1])
    self.assertEqual(told(lambda batch: [Result({'x': x}, x) for x in batch], ['a', 'b']), ['a', 'b'])
    # Some are rows.
    self.assertEqual(told(lambda batch: [Result(x.strip(), x) for x in batch], ['b ', 'a', 'b']), ['b ', 'a', 'b'])
    # What cannot be compared.
    self.assertEqual(told(lambda batch: [Result({x}, x) for x in batch], ['b', 'a']), ['b', 'a'])

  def test_rows_of_one_array(self) -> None:
    # They are made anew each time that they are looked at.
    whole = np.array([[3.0], [1.0], [2.0]])
    for act in (
        lambda batch: [Result(x, float(x[0])) for x in batch],
        lambda batch: [Result(x, float(x[0])) for x in batch[::-1]],
        lambda batch: batch.sort(axis=0) or [Result(x, float(x[0])) for x in batch],
        lambda batch: utils._convert_to_result(np.sort(batch, axis=0), np.sort(batch, axis=0)[:, 0])):
      self.assertEqual(told(act, whole), [3, 1, 2])

  def test_a_batch_that_was_sorted_itself_says_nothing_without_examples(self) -> None:
    for act in (lambda batch: batch.sort() or list(batch), lambda batch: batch.sort() or np.arange(len(batch))):
      with self.assertRaisesRegex(FatalError, 'sorted the batch that it was given'):
        told(act, list(TEXTS))


class Row(NamedTuple):
  """A row as handlers of the user's get it."""
  id: str
  n: int


def by_pandas(batch: Any) -> list[Any]:
  # Missing values come last.
  return pd.DataFrame({'x': batch}).sort_values('x', ascending=False).x.tolist()


def by_json(batch: Any) -> list[Any]:
  return sorted(json.loads(json.dumps(batch)), key=str, reverse=True)


def by_numpy(batch: Any) -> Any:
  return -np.sort(-np.array(batch)) if isinstance(batch[0], (int, float)) else np.sort(np.array(batch))[::-1]


def by_array(batch: Any) -> Any:
  whole = np.array(batch)
  return whole[np.argsort(whole[:, 0])]


class ByCopiesTest(unittest.TestCase):

  def test_equal_copies_of_the_rows_say_whose_a_prediction_is(self) -> None:
    nan = float('nan')
    matrices = [np.array([[float(x), nan], [0.5, -0.0]]) for x in (2, 3, 1, 3)]
    cases: list[tuple[Any, Any]] = [
        *((sort, rows) for sort in (by_pandas, by_json, by_numpy)
          for rows in (['cat', 'zebra', 'ox', 'zebra', 'bee'], [1.5, 9.5, nan, 3.25, -0.0], [1, 9000, 3, 2**53 + 1, 3])),
        (by_pandas, [b'b', b'\0', b'', b'a']),
        (by_pandas, [1, None, 3, None]),
        (by_pandas, [datetime.datetime(2020, 1, day, tzinfo=datetime.timezone.utc) for day in (2, 3, 1)]),
        (by_json, [None, 'a', None, 'b']),
        (by_json, [{'id': name, 'n': n, 'of': [name, {'x': [n]}]} for name, n in (('a', 1), ('b', 3), ('c', 2))]),
        (by_json, [[1.5], [2.5, 3.0], [], [0.5, 1.0]]),
        (by_json, [['b', 'a'], ['a', None], [], ['c']]),
        (by_json, [[[1, 2], [3]], [[5]], [[4, 4], [2]]]),
        (by_array, [[1.5, 2.0], [9.5, nan], [3.25, 0.0]]),
        (by_array, [(3, 2**60 + 1), (3, 2**60), (1, 0)]),
        (by_array, [np.array([x, 1], np.float32) for x in (0.1, 0.7, 0.4, 0.1)]),
        (lambda batch: [each.copy() for each in reversed(batch)], matrices),
        (lambda batch: [bytearray(each) for each in reversed(batch)], [b'one', b'two', b'one']),
    ]
    for sort, rows in cases:
      with self.subTest(rows=rows, sort=sort):
        found = told(lambda batch: [Result(x, text_of(x)) for x in sort(batch)], list(rows))
        self.assertEqual(found, list(map(text_of, rows)))

  def test_with_keys(self) -> None:
    rows = [(f'k{place % 2}', text) for place, text in enumerate(TEXTS)]
    for act, wrap in (
        (lambda batch: [Result(x, f'is {x}') for x in by_json(batch)], base.KeyedModelHandler),
        (lambda batch: [(key, Result(x, f'is {x}')) for key, x in by_json(batch)], lambda handler: handler)):
      found = asked(wrap(By(act)), rows, None, None)
      self.assertEqual([(key, result.inference) for key, result in by_keys(found, rows)], [(key, f'is {x}') for key, x in rows])

  def test_rows_in_another_class(self) -> None:
    rows = [Row('a', 1), Row('b', 3), Row('c', 2)]

    def frame(batch: Any) -> Any:
      return pd.DataFrame(batch).sort_values('n', ascending=False)

    for copies in (
        lambda batch: [{'id': row.id, 'n': row.n} for row in frame(batch).itertuples()],
        lambda batch: list(frame(batch).itertuples()),
        lambda batch: list(frame(batch).itertuples(index=False)),
        lambda batch: [row for _, row in frame(batch).iterrows()],
        lambda batch: frame(batch).to_dict('records'),
        lambda batch: json.loads(json.dumps(batch[::-1]))):
      for given in (rows, [row._asdict() for row in rows]):
        by = lambda x: x['id'] if isinstance(x, (dict, pd.Series)) else getattr(x, 'id', x[0])
        self.assertEqual(told(lambda batch: [Result(x, by(x)) for x in copies(batch)], given), ['a', 'b', 'c'])

  def test_equal_examples_in_their_order_stay(self) -> None:
    self.assertEqual(told(lambda batch: [Result(x, place) for place, x in enumerate(json.loads(json.dumps(batch)))], TEXTS), [0, 1, 2, 3, 4])


def text_of(value: Any) -> str:
  """The same for a value and its copy in another class."""
  if isinstance(value, (dict, bytes, bytearray)):
    return str(bytes(value) if isinstance(value, bytearray) else value)
  value = value.tolist() if hasattr(value, 'tolist') else value
  if isinstance(value, (list, tuple)):
    return ' '.join(map(text_of, value))
  if value is None or value != value:
    return 'none'
  return str(value + 0.0 if isinstance(value, float) or abs(value) < 9 else value) if isinstance(value, (int, float)) else str(value)


KEYS = [('a', 'a1'), ('b', 'b1'), ('a', 'a2'), ('b', 'b2'), ('a', 'a3')]


class ByKeysTest(unittest.TestCase):

  def test_predictions_go_back_to_their_keys(self) -> None:
    for key in (str, lambda text: [text], lambda text: {'k': text}, lambda text: (text, float('nan'))):
      pairs = [(key(text), value) for text, value in KEYS]
      grouped = [(key(text), value.upper()) for text, value in sorted(KEYS, key=lambda pair: pair[0], reverse=True)]
      self.assertEqual([value for _, value in by_keys(grouped, pairs)], ['A1', 'B1', 'A2', 'B2', 'A3'])

  def test_two_keys_of_one_example(self) -> None:
    pairs = [('a', 'x'), ('b', 'y'), ('b', 'x'), ('a', 'y')]
    grouped = [('b', 'y'), ('b', 'x'), ('a', 'x'), ('a', 'y')]
    found = asked(By(lambda batch: [(key, Result(text, key + text)) for key, text in grouped]), pairs, None, None)
    self.assertEqual([result.inference for _, result in by_keys(found, pairs)], ['ax', 'by', 'bx', 'ay'])

  def test_sorted_within_a_key(self) -> None:
    pairs = [('a', 'xxx'), ('b', 'yy'), ('a', 'z')]
    found = asked(By(lambda batch: [(key, Result(text, key + text)) for key, text in sorted(batch, key=lambda p: len(p[1]))]), pairs, None, None)
    self.assertEqual([result.inference for _, result in by_keys(found, pairs)], ['axxx', 'byy', 'az'])

  def test_other_keys_are_refused(self) -> None:
    for given, said in (
        ([('a', 1), ('a', 2), ('a', 3)], "3 with the key 'a', which 2 of"),
        ([('a', 1), ('b', 2), ('c', 3)], "1 with the key 'a', which 2 of"),
        ([('b', 1), 2, ('a', 3)], "1 with the key 'b', which 0 of")):
      with self.assertRaisesRegex(FatalError, said):
        by_keys(given, [('a', 'x'), ('b', 'y'), ('a', 'z')] if given[0][0] == 'a' else [('a', 'x'), ('a', 'y'), ('a', 'z')])

  def test_what_has_no_keys_stays(self) -> None:
    pairs = [('a', 'x'), ('b', 'y')]
    self.assertEqual(by_keys(['A', 'B'], pairs), ['A', 'B'])
    self.assertEqual(by_keys(['A', ('b', 'B')], pairs), ['A', ('b', 'B')])


class ModelPerKeyTest(unittest.TestCase):
  """Beam's handler with a model per key asks handlers inside, as others are asked."""

  def score(self, act: Any) -> list[Any]:
    handler = base.KeyedModelHandler([base.KeyModelMapping(['a'], By(act)), base.KeyModelMapping(['b'], By(act))])
    handler.override_metrics('here')
    return by_keys(asked(handler, KEYS, handler.load_model(), None), KEYS)

  def test_several_outputs_are_no_rows(self) -> None:
    found = self.score(lambda batch: (np.arange(len(batch)), -np.arange(len(batch))))
    self.assertEqual([list(result.inference) for _, result in found], [[0, 0], [0, 0], [1, -1], [1, -1], [2, -2]])

  def test_other_numbers_of_predictions_are_refused(self) -> None:
    # Together they are as many as the rows.
    with self.assertRaisesRegex(FatalError, 'gave 4 predictions for 3 examples'):
      self.score(lambda batch: list(range(4 if len(batch) == 3 else 1)))

  def test_results_of_sorted_rows(self) -> None:
    found = self.score(lambda batch: [Result(x, x.upper()) for x in reversed(batch)])
    self.assertEqual([result.inference for _, result in found], ['A1', 'B1', 'A2', 'B2', 'A3'])


if __name__ == '__main__':
  unittest.main()
