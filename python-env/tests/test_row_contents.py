# SPDX-License-Identifier: Apache-2.0
"""Examples that hold what other rows hold prove nothing, and are refused, whatever copies them; those in their places are right."""

import datetime
import json
import unittest
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from apache_beam.ml.inference import base, utils

from beambridge_host.errors import FatalError
from beambridge_host.wire import content, row_order
from beambridge_host.wire.frames import Frames
from beambridge_host.wire.results import asked
from beambridge_host.wire.unconverted import Unconverted
from tests.test_row_order import COMPLEMENTS, TEXTS, By, Result, Row, refused, told


class ByChanceTest(unittest.TestCase):
  """Examples that are other rows' by chance do not say that predictions stand in their order."""

  def test_what_may_be_another_row_is_refused(self) -> None:
    cases: list[tuple[Any, Any]] = [
        (lambda x: 1 - x, [0.25, 0.75]),
        (lambda x: not x, [True, False]),
        (lambda x: -x, [-1, 1]),
        (lambda x: x ^ 1, [0, 1, 1, 0]),
        (COMPLEMENTS.get, list('ATTA')),
        (lambda x: x[::-1], ['ab', 'ba']),
        (lambda x: x[::-1], [(), ('a', 'b'), ('b', 'a')]),
        (lambda x: x[::-1], [[1, 2], [2, 1]]),
        (lambda x: x[::-1], [np.array([1, 2]), np.array([2, 1])]),
        (lambda x: None if x else 1, [1, None]),
    ]
    for change, rows in cases:
      with self.subTest(rows=rows):
        refused(self, lambda batch: [Result(change(x), f'is {x}') for x in batch], list(rows))
        refused(
            self, lambda batch: [(key, Result(change(x), f'is {x}')) for key, x in batch], [('k', row) for row in rows])
        refused(
            self, lambda batch: [Result(change(x), f'is {x}') for x in batch], [(place, row) for place, row in enumerate(rows)],
            base.KeyedModelHandler)

  def test_neighbours(self) -> None:
    refused(self, lambda batch: [Result(batch[place - 1], x) for place, x in enumerate(batch)], ['some', 'words', 'here'])
    # One object stands for several rows.
    refused(
        self, lambda batch: [Result(x, str(x)) for x in reversed(batch)], [both := By(None), both, By(None)], said='others do not say whose')

  def test_beams_function_with_what_a_model_made(self) -> None:
    refused(self, lambda batch: utils._convert_to_result(-np.stack(batch), batch), [np.array([-1.0]), np.array([1.0])])
    refused(self, lambda batch: utils._convert_to_result(1 - batch, batch), np.array([[0.0], [1.0]]))

  def test_other_examples_stay_in_their_places(self) -> None:
    self.assertEqual(told(lambda batch: [Result(COMPLEMENTS[x], f'is {x}') for x in batch], list('ATT')), ['is A', 'is T', 'is T'])
    self.assertEqual(told(lambda batch: [Result(1 - x, x) for x in batch], [0.25, 0.5]), [0.25, 0.5])

  def test_keys_say_whose_a_prediction_is(self) -> None:
    rows = [('a', True), ('b', False)]
    found = asked(By(lambda batch: [(key, Result(not x, f'is {x}')) for key, x in reversed(batch)]), rows, None, None)
    self.assertEqual([(key, result.inference) for key, result in found], [('a', 'is True'), ('b', 'is False')])


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

  def test_equal_copies_of_the_rows_in_another_order_are_refused(self) -> None:
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
        (by_json, [{'at': {'x': 1, 'y': 1}}, {'at': {'x': 2, 'y': 1}}, {'at': {'x': 1, 'y': 1}}]),
        (lambda batch: [np.array(each, float) for each in reversed(batch)], [[1.5, None], [None, 2.5], [3.5, 4.5]]),
        (by_json, [['b', 'a'], ['a', None], [], ['c']]),
        (by_json, [[[1, 2], [3]], [[5]], [[4, 4], [2]]]),
        (by_array, [[1.5, 2.0], [9.5, nan], [3.25, 0.0]]),
        (by_array, [(3, 2**60 + 1), (3, 2**60), (1, 0)]),
        (by_array, [np.array([x, 1], np.float32) for x in (0.1, 0.7, 0.4, 0.1)]),
        (lambda batch: [each.copy() for each in reversed(batch)], matrices),
        # What sorting a copy of another precision gives.
        (lambda batch: [each.astype(np.float32) for each in reversed(batch)], [np.array([0.1]), np.array([0.7])]),
        (lambda batch: [float(np.float32(each)) for each in reversed(batch)], [0.1, 0.7]),
        (lambda batch: [each.astype(np.float16) for each in reversed(batch)], [np.array([0.1, 1e9]), np.array([0.7, 2])]),
        # These are equal, and are told from each other all the same.
        (lambda batch: [float(each) for each in reversed(batch)], [0.0, -0.0]),
        (lambda batch: [each.copy() for each in reversed(batch)], [np.array([0.0]), np.array([-0.0])]),
        (lambda batch: [nan if each is None else each for each in reversed(batch)], [None, nan, 2.0]),
        (lambda batch: [bytearray(each) for each in reversed(batch)], [b'one', b'two', b'two']),
        (lambda batch: [np.array(each) for each in reversed(batch)], [0.25, 0.75]),
        (lambda batch: [np.array(each) for each in reversed(batch)], [[1.5], [], [2.5, 3.5]]),
        # As a batch of one.
        (lambda batch: [each[None] for each in reversed(batch)], [np.array([0.1, 2.0]), np.array([0.7, 2.0])]),
    ]
    for sort, rows in cases:
      with self.subTest(rows=rows, sort=sort):
        refused(self, lambda batch: [Result(x, text_of(x)) for x in sort(batch)], list(rows))

  def test_beside_an_example_that_says_nothing(self) -> None:
    for rows in (['c', 'a', 'b', 'a'], [3, 1, 2, 1], [2.5, 0.5, 1.5, 0.5], [[3], [1], [2], [1]], [{'n': 3}, {'n': 1}, {'n': 2}, {'n': 1}]):
      for odd in (lambda x: Result(None, text_of(x)), text_of):
        each = lambda x: odd(x) if x == rows[2] else Result(json.loads(json.dumps(x)), text_of(x))
        refused(self, lambda batch: [each(x) for x in sorted(batch, key=str)], rows)
        self.assertEqual(told(lambda batch: list(map(each, batch)), rows), list(map(text_of, rows)))

  def test_copies_in_their_places_stay(self) -> None:
    nan = float('nan')
    for copied, rows in (
        (json.loads, ['b', 'a', 'b']),
        (json.loads, [{'n': [2, None]}, {'n': [1, 0.5]}]),
        (np.array, [[2.0, nan], [1.0, -0.0]]),
        (lambda text: np.array(json.loads(text)) + 0.0, [[0.0], [-0.0]]),
        (lambda text: np.array(json.loads(text), np.float32), [[0.1], [0.7]]),
        (lambda text: pd.Series(json.loads(text), dtype=float).tolist(), [[None, 1.0], [2.0, nan], [nan, None]])):
      given = lambda batch: [Result(copied(json.dumps(x)) if copied is not np.array else copied(x), str(x)) for x in batch]
      with self.subTest(rows=rows):
        self.assertEqual(told(given, list(rows)), list(map(str, rows)))

  def test_halves_in_their_places_stay(self) -> None:
    # Some are equal as float16.
    rows = [np.array([x, y]) for x in (0.1, 0.10001, 1e9, 2e9) for y in (0.25, float('nan'))]
    self.assertEqual(told(lambda batch: [Result(x.astype(np.float16), str(x)) for x in batch], rows), list(map(str, rows)))
    rows = [{'x': row} for row in rows]
    halves = lambda batch: [Result({'x': x['x'].astype(np.float16)}, str(x)) for x in batch]
    self.assertEqual(told(halves, rows), list(map(str, rows)))
    refused(self, lambda batch: halves(batch[::-1]), rows)

  def test_little_is_looked_at_where_rows_are_in_their_places(self) -> None:
    rows = [np.full((8, 8), place, np.uint8) for place in range(8)]
    with mock.patch.object(content, '_content', wraps=content._content) as looked:
      told(lambda batch: utils._convert_to_result(np.stack(batch), np.zeros(8)), rows)
      looked.assert_not_called()
    with mock.patch.object(content, '_digest', wraps=content._digest) as digested:
      told(lambda batch: utils._convert_to_result(np.stack(batch) / 255, np.zeros(8)), rows)
      digested.assert_not_called()

  def test_an_array_that_a_model_left_as_it_came_is_compared_at_once(self) -> None:
    numbers = np.arange(1000, dtype=np.float32)
    numbers[:2] = np.nan, -0.0
    for wire in (numbers, numbers.reshape(500, 2), np.arange(10**6, dtype=np.uint8).reshape(10, 10**5)):
      for rows in (Unconverted(wire, np.dtype(np.float64)), wire.astype(np.float64)):
        with mock.patch.object(row_order, 'in_other_order') as compared:
          told(lambda batch: batch * 2, rows)
          compared.assert_not_called()

  def test_little_is_looked_at_where_rows_were_overwritten(self) -> None:

    def scaled(batch: Any) -> Any:
      for place, x in enumerate(batch):
        batch[place] = x / 255 + 1
      return [0] * len(batch)

    wire = np.arange(1000, dtype=np.uint8).reshape(500, 2)
    whole = Unconverted(wire, np.dtype(np.float64)), Unconverted(wire[:, 0], np.dtype(np.float64)), wire.astype(np.float32)
    for rows in (*whole, [0.0, 1.5, 2.5], [3, 1, 2], list(np.stack(wire)), [np.float32(0.5), np.float32(1.5)]):
      with mock.patch.object(content, '_content', wraps=content._content) as looked:
        told(scaled, rows)
        looked.assert_not_called()

  def test_sorted_arrays_are_found_whatever_they_have_lost(self) -> None:
    wide = np.array([[2.0**60 + 2**20, -0.0], [np.nan, 3.0], [0.1, 1.0]])
    ways = {
        'itself': lambda batch: batch[::-1].copy(),
        'of float32': lambda batch: batch[::-1].astype(np.float32),
        'with zeros of one sign': lambda batch: batch[::-1] + 0.0,
    }
    for name, way in ways.items():
      for rows in (wide, wide[:, 0], wide.repeat(50, axis=1), Unconverted(wide, wide.dtype)):
        with self.subTest(name), self.assertRaisesRegex(FatalError, 'sorted the batch'):
          told(lambda batch, way=way: batch.__setitem__(slice(None), way(batch)) or [0] * len(batch), rows)
    hidden = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], [[True, False], [False, False]])
    moved = np.ma.masked_array([[3.0, 4.0], [9.0, 2.0]], [[False, False], [True, False]])
    refused(self, lambda batch: [Result(x, 0) for x in moved], list(hidden))

  def test_a_tensor_is_fetched_at_once(self) -> None:
    fetched: list[Any] = []
    rows = [np.array([float(place)]) for place in range(4)]
    whole = FarTensor(np.stack(rows), fetched)
    self.assertEqual(told(lambda batch: utils._convert_to_result(whole, np.arange(4)), rows), [0, 1, 2, 3])
    self.assertEqual(fetched, [(4, 1)])

  def test_tensors_by_name_are_fetched_once(self) -> None:
    fetched: list[Any] = []
    rows = [{'ids': np.arange(place // 2, 8), 'of': {'mask': np.ones(8)}} for place in range(8)]

    def far(row: Any) -> Any:
      return {'ids': FarTensor(row['ids'], fetched), 'of': {'mask': FarTensor(row['of']['mask'], fetched)}}

    self.assertEqual(told(lambda batch: [Result(far(x), int(x['ids'][0])) for x in batch], rows), [0, 0, 1, 1, 2, 2, 3, 3])
    self.assertEqual(len(fetched), 16)
    refused(self, lambda batch: [Result(far(x), 1) for x in reversed(batch)], rows)

  def test_with_keys(self) -> None:
    rows = [(f'k{place % 2}', text) for place, text in enumerate(TEXTS)]
    for act, wrap in (
        (lambda batch: [Result(x, f'is {x}') for x in by_json(batch)], base.KeyedModelHandler),
        (lambda batch: [(key, Result(x, f'is {x}')) for key, x in by_json(batch)], lambda handler: handler)):
      refused(self, act, rows, wrap)

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
        refused(self, lambda batch: [Result(x, by(x)) for x in copies(batch)], given)

  def test_nested_rows_as_json_has_them(self) -> None:
    rows = [Nested(name, Row(name, 1), [Row(name, 2)]) for name in ('c', 'a', 'b')]

    def by_names(row: Nested) -> Any:
      return {'id': row.id, 'at': row.at._asdict(), 'of': [each._asdict() for each in row.of]}

    self.assertEqual(told(lambda batch: [Result(by_names(x), x.id) for x in batch], rows), ['c', 'a', 'b'])
    refused(self, lambda batch: [Result(by_names(x), x.id) for x in sorted(batch)], rows)
    refused(self, lambda batch: [Result(json.loads(json.dumps(x)), x.id) for x in sorted(batch)], rows)

  def test_rows_of_a_data_frame(self) -> None:
    ways = {
        'records': lambda frame: frame.to_dict('records'),
        'tuples': lambda frame: frame.itertuples(),
        'tuples without an index': lambda frame: frame.itertuples(index=False),
        'plain tuples': lambda frame: frame.itertuples(name=None),
        'series': lambda frame: [row for _, row in frame.iterrows()],
        'arrays': lambda frame: frame.to_numpy(),
        'JSON': lambda frame: json.loads(frame.to_json(orient='records')),
        'JSON without names': lambda frame: json.loads(frame.to_json(orient='values')),
        'with what is predicted': lambda frame: frame.assign(score=1.5).to_dict('records'),
        'with its index': lambda frame: frame.reset_index().to_dict('records'),
        'frames of one row': lambda frame: [frame.iloc[[place]] for place in range(len(frame))],
        'batches of one': lambda frame: [frame.iloc[[place]].to_numpy() for place in range(len(frame))],
    }
    frames = {
        'fields': pd.DataFrame({'a': [3, 1, 2, 1], 't': ['x', 'y', None, 'y'], 'f': [0.5, 1.5, float('nan'), 1.5]}),
        'names that Python does not have': pd.DataFrame({'order-id': [3, 1, 2], 'class': [True, False, True]}),
        'numbers': pd.DataFrame(np.array([[3.0, 1.0], [1.0, 1.0], [2.0, 1.0]])),
    }
    for kind, frame in frames.items():
      key = frame.columns[0]
      for name, way in ways.items():
        with self.subTest(name, kind=kind):
          whole = lambda batch: pd.concat(list(batch))
          act = lambda batch: [Result(x, f'is {n}') for x, n in zip(way(whole(batch)), whole(batch)[key])]
          self.assertEqual(told(act, Frames(frame)), [f'is {n}' for n in frame[key]])
          ordered = lambda batch: whole(batch).sort_values(key)
          act = lambda batch: [Result(x, f'is {n}') for x, n in zip(way(ordered(batch)), ordered(batch)[key])]
          refused(self, act, Frames(frame))

  def test_frames_of_one_row_in_a_list_go_back_as_other_rows_do(self) -> None:
    frame = pd.DataFrame({'a': [3, 1, 2]})
    found = told(lambda batch: [Result(x, int(x.a.iloc[0])) for x in sorted(batch, key=lambda x: x.a.iloc[0])], list(Frames(frame)))
    self.assertEqual(found, [3, 1, 2])

  def test_equal_examples_in_their_order_stay(self) -> None:
    self.assertEqual(told(lambda batch: [Result(x, place) for place, x in enumerate(json.loads(json.dumps(batch)))], TEXTS), [0, 1, 2, 3, 4])


class Nested(NamedTuple):
  """A row with rows in it."""
  id: str
  at: Row
  of: list[Row]


class FarTensor:
  """A tensor where a model runs."""

  def __init__(self, array: Any, fetched: list[Any]) -> None:
    self._array, self._fetched = array, fetched
    self.shape, self.dtype = array.shape, array.dtype

  def __len__(self) -> int:
    return len(self._array)

  def __getitem__(self, at: Any) -> Any:
    return FarTensor(self._array[at], self._fetched)

  def detach(self) -> Any:
    return self

  def cpu(self) -> Any:
    self._fetched.append(self.shape)
    return self

  def numpy(self) -> Any:
    return self._array


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


if __name__ == '__main__':
  unittest.main()
