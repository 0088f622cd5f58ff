# SPDX-License-Identifier: Apache-2.0
"""Predictions belong to the rows that they say they are of, in whatever order a handler gives them."""

import collections
import importlib.util
import unittest
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import pandas as pd
from apache_beam.ml.inference import base, utils

from beambridge_host.errors import FatalError, fields_of
from beambridge_host.wire.results import asked
from beambridge_host.wire.row_order import by_keys
from beambridge_host.wire.several import Outputs

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


class MadeOfMany:
  """Is equal by its parts, as sparse matrices are."""

  def __init__(self, of: str) -> None:
    self.of = of

  def __eq__(self, other: Any) -> Any:
    raise ValueError('the truth value is ambiguous')


def per_key(handler: Any) -> Any:
  keyed = base.KeyedModelHandler([base.KeyModelMapping(['a'], handler), base.KeyModelMapping(['b'], handler)])
  keyed.override_metrics('here')
  return keyed


def by_beam(batch: Any) -> Any:
  return utils._convert_to_result(batch, [f'is {x[0]}' for x in batch])


TEXTS = ['long text', 'mid', 'x', 'mid', '']
COMPLEMENTS = {'A': 'T', 'T': 'A'}
HINT = 'Give the row itself as example, or predictions in the order of the rows'


def refused(
    case: unittest.TestCase, act: Any, rows: Any, wrap: Any = lambda handler: handler,
    said: str = 'hold what the rows hold, in another order') -> None:
  with case.assertRaisesRegex(FatalError, said) as caught:
    told(act, rows, wrap)
  fields = fields_of(caught.exception)
  case.assertEqual(fields['code'], 'INFERENCE_MISMATCH')
  case.assertIn(HINT, fields['hint'])


class Row(NamedTuple):
  """A row as handlers of the user's get it."""
  id: str
  n: int


class ByExamplesTest(unittest.TestCase):

  def test_results_of_a_sorted_batch_go_back_to_their_rows(self) -> None:
    ways = {
        'a list': lambda batch: [Result(x, f'is {x[0]}') for x in sorted(batch)],
        'a generator': lambda batch: (Result(x, f'is {x[0]}') for x in sorted(batch)),
        'in place': lambda batch: batch.sort() or [Result(x, f'is {x[0]}') for x in batch],
        'a tuple': lambda batch: tuple(Result(x, f'is {x[0]}') for x in sorted(batch)),
        'a deque': lambda batch: collections.deque(Result(x, f'is {x[0]}') for x in sorted(batch)),
        'the values of a dict': lambda batch: {at: Result(x, f'is {x[0]}') for at, x in enumerate(sorted(batch))}.values(),
        'a series': lambda batch: pd.Series([Result(x, f'is {x[0]}') for x in sorted(batch)]),
        "Beam's function": lambda batch: utils._convert_to_result(
            sorted(batch), [f'is {x[0]}' for x in sorted(batch)]),
        "in place, Beam's function": lambda batch: batch.sort() or utils._convert_to_result(batch, [f'is {x[0]}' for x in batch]),
        'as they were': lambda batch: [Result(x, f'is {x[0]}') for x in batch],
    }
    for name, act in ways.items():
      for make in (lambda text: [text], lambda text: Row(text, 1), lambda text: (text, [])):
        rows = list(map(make, TEXTS))
        with self.subTest(name, rows=rows):
          self.assertEqual(told(act, rows), [f'is {text}' for text in TEXTS])

  def test_rows_without_a_value_go_with_the_others(self) -> None:
    found = told(lambda batch: [Result(x, f'is {x}') for x in sorted(batch, key=lambda x: x or [])], [[2], None, [1], None])
    self.assertEqual(found, ['is [2]', 'is None', 'is [1]', 'is None'])

  def test_rows_in_other_places_beside_an_example_that_says_nothing(self) -> None:
    ways = {
        'no example': lambda x: Result(None, f'is {x[0]}'),
        'a cleaned one': lambda x: Result([x[0].strip()], f'is {x[0]}'),
        'a copy': lambda x: Result(list(x), f'is {x[0]}'),
        'no result': lambda x: f'is {x[0]}',
    }
    for name, odd in ways.items():
      with self.subTest(name):
        rows = [['c'], ['a'], ['b ']]
        each = lambda x: odd(x) if x[0] == 'b ' else Result(x, f'is {x[0]}')
        by_text = lambda pair: pair[1]
        refused(self, lambda batch: list(map(each, sorted(batch))), rows, said='others do not say whose')
        self.assertEqual(told(lambda batch: list(map(each, batch)), rows), ['is c', 'is a', 'is b '])
        pairs = [('k', row) for row in rows]
        refused(self, lambda batch: list(map(each, sorted(batch))), pairs, base.KeyedModelHandler, said='others do not say whose')
        refused(
            self, lambda batch: [(key, each(x)) for key, x in sorted(batch, key=by_text)], pairs, said='others do not say whose')
        # Keys say it as well.
        pairs = list(enumerate(rows))
        found = asked(By(lambda batch: [(key, each(x)) for key, x in sorted(batch, key=by_text)]), pairs, None, None)
        self.assertEqual([getattr(each, 'inference', each) for _, each in by_keys(found, pairs)], ['is c', 'is a', 'is b '])

  def test_one_object_for_equal_rows(self) -> None:

    def once(batch: Any) -> Any:
      first: dict[str, Any] = {}
      return [Result(first.setdefault(x[0], x), f'is {x[0]}') for x in sorted(batch, key=lambda x: x[0])]

    for make in (lambda text: [text], lambda text: np.array([len(text), 1.0]), lambda text: Row(text, 1)):
      rows = list(map(make, TEXTS))
      self.assertEqual(told(once, rows), [f'is {row[0]}' for row in rows])
      self.assertEqual(
          [each.inference for _, each in asked(base.KeyedModelHandler(By(once)), list(enumerate(rows)), None, None)],
          [f'is {row[0]}' for row in rows])
    # It is no row, but a neighbour.
    refused(self, lambda batch: [Result(batch[0], x[0]) for x in batch], [['b'], ['a']], said='others do not say whose')

  def test_inside_a_handler_with_keys(self) -> None:
    rows = [(f'k{place}', [text]) for place, text in enumerate(TEXTS)]
    expected = [(key, f'is {text}') for key, text in rows]
    for wrap in (base.KeyedModelHandler, base.MaybeKeyedModelHandler):
      found = asked(wrap(By(lambda batch: [Result(x, f'is {x}') for x in sorted(batch)])), rows, None, None)
      self.assertEqual([(key, result.inference) for key, result in found], expected)

  def test_results_of_pairs_in_a_tuple(self) -> None:
    rows = [('k1', ['b']), ('k2', ['a'])]
    found = asked(By(lambda batch: tuple((key, Result(x, f'is {x[0]}')) for key, x in reversed(batch))), rows, None, None)
    self.assertEqual([(key, result.inference) for key, result in found], [('k1', 'is b'), ('k2', 'is a')])

  def test_results_in_a_set_are_in_no_order(self) -> None:
    with self.assertRaisesRegex(FatalError, 'gave a set for 2 examples'):
      told(lambda batch: {Result(x, x) for x in batch}, ['a', 'b'])

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
        lambda batch: [Result(x.tolist(), float(x[0])) for x in batch],
        lambda batch: utils._convert_to_result(batch.astype(np.float32), batch[:, 0]),
        lambda batch: utils._convert_to_result(batch * 2, batch[:, 0])):
      self.assertEqual(told(act, whole), [3, 1, 2])
    for act in (
        lambda batch: [Result(x, float(x[0])) for x in batch[::-1]],
        lambda batch: batch.sort(axis=0) or [Result(x, float(x[0])) for x in batch],
        lambda batch: utils._convert_to_result(np.sort(batch, axis=0), np.sort(batch, axis=0)[:, 0])):
      refused(self, act, whole)

  @unittest.skipUnless(importlib.util.find_spec('torch'), 'PyTorch is in environments of its models alone')
  def test_tensors_in_a_list_are_fetched_at_once(self) -> None:
    torch = importlib.import_module('torch')
    rows = [torch.arange(float(place)) for place in range(1, 5)]
    fetched = mock.Mock(side_effect=torch.Tensor.cpu)
    with mock.patch.object(torch.Tensor, 'cpu', lambda tensor: fetched(tensor)):
      refused(self, lambda batch: [Result(x.clone(), len(x)) for x in reversed(batch)], rows)
    self.assertEqual([call.args[0].numel() for call in fetched.call_args_list if call.args[0].numel() > 4], [10])
    refused(self, lambda batch: [Result({'x': x['x'].clone()}, 1) for x in reversed(batch)], [{'x': row} for row in rows])

  def test_a_batch_that_was_sorted_itself_says_nothing_without_examples(self) -> None:
    for rows in (TEXTS, [[2], [1]], [2.5, 1.5], [('b', 1), ('a', 2)]):
      for act in (lambda batch: batch.sort() or list(batch), lambda batch: batch.sort() or np.arange(len(batch))):
        with self.assertRaisesRegex(FatalError, 'sorted the batch that it was given'):
          told(act, list(rows))

  def test_rows_that_were_moved_are_of_any_type(self) -> None:
    objects = [object() for _ in range(3)]
    for rows in (TEXTS, [3, 1, 2], [True, False], list('bca'), [2.5, 1.5], [b'b', b'a'], [[2], [1]], [{'x': 2}, {'x': 1}], objects):
      for act in (
          lambda batch: batch.reverse() or [f'is {x}' for x in batch],
          lambda batch: [batch.pop() for _ in range(len(batch))],
          lambda batch: [f'is {x}' for x in batch] + (batch.reverse() or []),
          lambda batch: batch.__setitem__(slice(None), batch[1:] + batch[:1]) or batch,
          lambda batch: [Result(None, batch.pop()) for _ in range(len(batch))],
          lambda batch: batch.insert(0, batch[0]) or batch[:-1]):
        with self.subTest(rows=rows), self.assertRaisesRegex(FatalError, '(sorted|took rows out of|put rows into) the batch that it was given'):
          told(act, list(rows))
        with self.subTest('with keys', rows=rows), self.assertRaisesRegex(FatalError, 'the batch that it was given'):
          handler = per_key(By(act))
          asked(handler, [('a', row) for row in rows], handler.load_model(), None)

  def test_a_batch_may_be_filled_up_at_its_end(self) -> None:
    for rows in (TEXTS, [3, 1, 2], [[2], [1]]):
      with self.subTest(rows=rows):
        padded = told(lambda batch, rows=rows: batch.extend(['more'] * 3) or [f'is {x}' for x in batch[:len(rows)]], list(rows))
        self.assertEqual(list(padded), [f'is {x}' for x in rows])

  def test_a_batch_may_be_filled_up_and_overwritten_where_it_stands(self) -> None:

    def overwritten(batch: Any) -> None:
      for place, x in enumerate(batch):
        batch[place] = x * 10

    for rows in (TEXTS, [3, 1, 2], [[2], [1]], [2.5, 1.5]):
      filled = lambda batch: batch.extend([batch[-1]] * 3)
      for name, act in (
          ('before', lambda batch: overwritten(batch) or filled(batch)), ('after', lambda batch: filled(batch) or overwritten(batch))):
        with self.subTest(name, rows=rows):
          padded = told(lambda batch, act=act, rows=rows: act(batch) or [f'is {x}' for x in batch[:len(rows)]], list(rows))
          self.assertEqual(list(padded), [f'is {x * 10}' for x in rows])
      for moved in (lambda batch: batch.insert(0, batch[0]), lambda batch: batch.reverse() or filled(batch)):
        with self.subTest(rows=rows), self.assertRaisesRegex(FatalError, 'put rows into the batch'):
          told(lambda batch, moved=moved, rows=rows: moved(batch) or [f'is {x}' for x in batch[:len(rows)]], list(rows))
    with self.assertRaisesRegex(FatalError, 'sorted the batch'):
      told(lambda batch: batch.__setitem__(slice(None), [*np.sort(batch), 0.0]) or [0, 0, 0], [3.5, 1.5, 2.5])

  def test_beams_function_counts_the_rows_of_a_batch_that_was_filled_up(self) -> None:
    plain = lambda value: [part.tolist() for part in value] if isinstance(value, Outputs) else value
    ways = {
        'an array': (lambda batch: np.array([x[0] * 10 for x in batch]), lambda x: x[0] * 10),
        'a list': (lambda batch: [x[0] * 10 for x in batch], lambda x: x[0] * 10),
        'several outputs': (
            lambda batch: {'a': np.array([x[0] for x in batch]), 'b': [str(x[0]) for x in batch], 'c': None},
            lambda x: {'a': x[0], 'b': str(x[0])}),
        'outputs in a tuple': (lambda batch: (np.array(batch), np.array(batch) * 2), lambda x: [x, [x[0] * 2]]),
    }
    for name, (predict, expected) in ways.items():
      for rows in ([[3.0], [1.0], [2.0]], [[3.0]], [[1.0], [1.0], [2.0], [2.0]]):
        for cut, more in ((True, 3), (False, 3), (True, 4)):

          def act(batch: Any, predict: Any = predict, cut: bool = cut, more: int = more) -> Any:
            count = len(batch)
            batch.extend([batch[-1]] * more)
            return utils._convert_to_result(batch, predict(batch[:count] if cut else batch))

          keyed = per_key(By(act))
          with self.subTest(name, rows=rows, cut=cut):
            for results in (
                list(asked(By(act), rows, None, None)),
                [result for _, result in asked(keyed, [('a', row) for row in rows], keyed.load_model(), None)]):
              self.assertEqual([plain(result.inference) for result in results], list(map(expected, rows)))
              self.assertEqual([result.example for result in results], rows)
    for predictions in (np.zeros(2), np.zeros(4), [0] * 4, iter([0] * 2)):
      with self.assertRaisesRegex(FatalError, 'gave .* for 3 examples'):
        told(lambda batch: batch.extend([0] * 2) or utils._convert_to_result(batch, predictions), [[3.0], [1.0], [2.0]])
    generated = lambda batch: batch.append([0.0]) or utils._convert_to_result(batch, (x[0] for x in batch[:2]))
    self.assertEqual(told(generated, [[3.0], [1.0]]), [3, 1])

  def test_rows_that_others_have_left_are_moved_whatever_fills_the_batch_up(self) -> None:
    def usable(batch: Any, size: int) -> None:
      batch[:] = [row for row in batch if row[0] > 0]
      batch.extend([[0.0]] * (size - len(batch)))

    for size in (3, 4, 8):
      for rows in ([[-1.0], [2.0], [3.0]], [[1.0], [-2.0], [3.0]]):
        with self.subTest(size=size, rows=rows), self.assertRaisesRegex(FatalError, '(sorted|took rows out of) the batch'):
          told(lambda batch, size=size: usable(batch, size) or [x[0] for x in batch[:3]], rows)
    for rows in (['', 'bb', 'ccc'], ['aa', '', 'ccc'], [0.0, 2.5, 3.5], [(0, 1), (2, 3), (4, 5)]):
      with self.subTest(rows=rows), self.assertRaisesRegex(FatalError, 'took rows out of the batch'):
        told(lambda batch: batch.__setitem__(slice(None), [*batch[1:], *['PAD'] * 3]) or [str(x) for x in batch[:3]], rows)
    # A row that is copied over another stands in its own place as well.
    self.assertEqual(told(lambda batch: batch.__setitem__(1, batch[0]) or [x[0] for x in batch], [[1.0], [2.0]]), [1, 1])

  def test_a_handler_may_use_what_beams_function_made_of_the_rows_that_it_added(self) -> None:
    convert = lambda batch: utils._convert_to_result(batch, np.array([x[0] * 10 for x in batch]))

    def against_a_reference(batch: Any) -> Any:
      count = len(batch)
      batch.append([7.0])
      results = convert(batch)
      return [result._replace(inference=result.inference - results[-1].inference) for result in results[:count]]

    def with_copies(batch: Any) -> Any:
      count = len(batch)
      batch.extend([[x[0] + 1] for x in batch])
      results = convert(batch)
      return [(results[i].inference + results[i + count].inference) / 2 for i in range(count)]

    def overwritten_and_filled_in_front(batch: Any) -> Any:
      count = len(batch)
      batch[:] = [[0.0], *([x[0] / 2] for x in batch)]
      return convert(batch)[-count:]

    for rows in ([[3.0]], [[3.0], [1.0]], [[3.0], [1.0], [2.0]]):
      with self.subTest(rows=rows):
        self.assertEqual(told(against_a_reference, rows), [x[0] * 10 - 70 for x in rows])
        self.assertEqual(told(with_copies, rows), [x[0] * 10 + 5 for x in rows])
        self.assertEqual(told(overwritten_and_filled_in_front, rows), [x[0] * 5 for x in rows])

  def test_copies_that_numpy_sorted_are_moved_rows(self) -> None:
    for rows in ([3, 1, 2], [2.5, 1.5], TEXTS, [300, 299]):
      with self.subTest(rows=rows), self.assertRaisesRegex(FatalError, 'sorted the batch'):
        told(lambda batch: batch.__setitem__(slice(None), np.sort(batch)) or [f'is {x}' for x in batch], list(rows))

  def test_rows_of_an_array_that_was_sorted(self) -> None:
    for rows in (np.array([3.0, 1.0, 2.0]), np.array([3, 1, 2]), np.array([[3.0], [1.0]]), np.array(['b', 'a'], object), np.array([True, False])):
      for act in (
          lambda batch: batch.sort(axis=0) or batch.ravel(),
          lambda batch: batch.sort(axis=0) or [f'is {x}' for x in batch],
          lambda batch: batch.sort(axis=0) or utils._convert_to_result(batch, batch)):
        with self.subTest(rows=rows), self.assertRaisesRegex(FatalError, 'sorted the batch|in another order'):
          told(act, rows)

  def test_a_batch_whose_rows_are_in_their_places_is_right(self) -> None:

    def tenfold(batch: Any) -> Any:
      for place, x in enumerate(batch):
        batch[place] = x * 10
      return batch

    for rows in ([3, 1, 2], [2.5, 1.5], ['b', 'a'], [[2], [1]], np.array([3.0, 1.0]), np.array([[2.0, 1.0], [4.0, 3.0]])):
      with self.subTest(rows=rows):
        self.assertEqual(list(map(str, told(tenfold, rows))), [str(x * 10) for x in rows])
    ways = {
        'in order already': lambda batch: batch.sort() or list(batch),
        'equal ones swapped': lambda batch: batch.__setitem__(slice(0, 2), [batch[1], batch[0]]) or list(batch),
        'copies': lambda batch: batch.__setitem__(slice(None), [type(x)(x) for x in batch]) or list(batch),
        'there and back': lambda batch: batch.reverse() or batch.reverse() or list(batch),
    }
    for name, act in ways.items():
      for rows in ([1, 1, 2], [1.5, float('1.5'), 2.5], ['aa', 'aa', 'b'], [[1], [1], [2]]):
        with self.subTest(name, rows=rows):
          self.assertEqual(told(act, list(rows)), rows)
    # Each row sorted by itself.
    self.assertEqual(told(lambda batch: batch.sort() or batch[:, 0], np.array([[3.0, 1.0], [2.0, 5.0]])), [1, 2])

  def test_results_that_say_whose_they_are_need_no_batch(self) -> None:
    ways = {
        'taken from the end': lambda batch: [Result(x, f'is {x[0]}') for x in (batch.pop() for _ in range(len(batch)))],
        'emptied': lambda batch: [Result(x, f'is {x[0]}') for x in (batch.pop(0) for _ in range(len(batch)))],
        'sorted afterwards': lambda batch: [Result(x, f'is {x[0]}') for x in batch] + (batch.sort() or []),
        'sorted, and put back': lambda batch: (
            before := list(batch), batch.sort(), by_beam(batch), batch.__setitem__(slice(None), before))[2],
    }
    for name, act in ways.items():
      with self.subTest(name):
        self.assertEqual(told(act, [['c'], ['a'], ['b']]), ['is c', 'is a', 'is b'])
    emptied = lambda batch: [Result(x, f'is {x}') for x in (batch.pop(0) for _ in range(len(batch)))]
    self.assertEqual(told(emptied, ['c', 'a', 'b']), ['is c', 'is a', 'is b'])
    refused(self, lambda batch: [Result(x, x) for x in (batch.pop() for _ in range(len(batch)))], ['c', 'a', 'b'])

  def test_a_batch_that_is_changed_when_beams_function_has_made_the_results(self) -> None:
    ways = {
        'sorted': lambda batch: batch.sort(),
        'reversed': lambda batch: batch.reverse(),
        'one taken from the end': lambda batch: batch.pop(),
        'one taken from the front': lambda batch: batch.pop(0),
        'emptied': lambda batch: batch.clear(),
        'one added in front': lambda batch: batch.insert(0, batch[0]),
        'overwritten': lambda batch: batch.__setitem__(slice(None), batch[::-1]),
    }
    for name, change in ways.items():
      for rows in ([['c'], ['a'], ['b']], ['c', 'a', 'b'], [('c',), ('a',), ('b',)]):
        with self.subTest(name, rows=rows):
          self.assertEqual(told(lambda batch, change=change: (by_beam(batch), change(batch))[0], list(rows)), ['is c', 'is a', 'is b'])
        with self.subTest('a model per key', change=name, rows=rows):
          handler = per_key(By(lambda batch, change=change: (by_beam(batch), change(batch))[0]))
          found = asked(handler, [('a', row) for row in rows], handler.load_model(), None)
          self.assertEqual([each.inference for _, each in found], ['is c', 'is a', 'is b'])

  def test_rows_that_cannot_be_compared_say_whose_they_are(self) -> None:
    rows = [MadeOfMany(each) for each in ('c', 'a', 'b')]
    self.assertEqual(told(lambda batch: batch.reverse() or [Result(x, x.of) for x in batch], rows), ['c', 'a', 'b'])
    with self.assertRaisesRegex(FatalError, 'sorted the batch'):
      told(lambda batch: batch.reverse() or [x.of for x in batch], rows)

  def test_rows_taken_out_before_beams_function_makes_the_results(self) -> None:
    for take in (lambda batch: batch.pop(), lambda batch: batch.pop(0)):
      for rows in ([['c'], ['a'], ['b']], ['c', 'a', 'b']):
        with self.assertRaisesRegex(FatalError, 'took rows out of the batch'):
          told(lambda batch, take=take: take(batch) and by_beam(batch), list(rows))

  def test_examples_are_the_rows_as_they_were(self) -> None:

    def scaled(batch: Any) -> Any:
      for row in batch:
        row[0] *= 2
      batch[0] = [0.0]
      return utils._convert_to_result(batch, [row[0] for row in batch])

    results = asked(By(scaled), [[3.0], [1.0]], None, None)
    self.assertEqual([(result.example, result.inference) for result in results], [([3.0], 0.0), ([1.0], 2.0)])


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
    pairs = [('a', ['xxx']), ('b', ['yy']), ('a', ['z'])]
    found = asked(
        By(lambda batch: [(key, Result(row, key + row[0])) for key, row in sorted(batch, key=lambda p: len(p[1][0]))]), pairs, None, None)
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

  def score(self, act: Any, rows: Any = KEYS) -> list[Any]:
    handler = per_key(By(act))
    return by_keys(asked(handler, rows, handler.load_model(), None), rows)

  def test_several_outputs_are_no_rows(self) -> None:
    found = self.score(lambda batch: (np.arange(len(batch)), -np.arange(len(batch))))
    self.assertEqual([list(result.inference) for _, result in found], [[0, 0], [0, 0], [1, -1], [1, -1], [2, -2]])

  def test_other_numbers_of_predictions_are_refused(self) -> None:
    # Together they are as many as the rows.
    with self.assertRaisesRegex(FatalError, 'gave 4 predictions for 3 examples'):
      self.score(lambda batch: list(range(4 if len(batch) == 3 else 1)))

  def test_results_of_sorted_rows(self) -> None:
    found = self.score(lambda batch: [Result(x, x[0].upper()) for x in reversed(batch)], [(key, [text]) for key, text in KEYS])
    self.assertEqual([result.inference for _, result in found], ['A1', 'B1', 'A2', 'B2', 'A3'])


if __name__ == '__main__':
  unittest.main()
