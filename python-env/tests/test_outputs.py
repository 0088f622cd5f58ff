# SPDX-License-Identifier: Apache-2.0
"""What a model gave is proven to be a prediction for each example, whatever the size of the batch."""

import collections
import dataclasses
import pickle
import unittest
from typing import Any

import numpy as np
import pandas
import scipy.sparse
from apache_beam.ml.inference import base, utils
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import FatalError, fields_of
from beambridge_host.wire import results
from beambridge_host.wire.arrays import by_shape
from beambridge_host.wire.frames import Frames
from beambridge_host.wire.misfit import Misfit
from beambridge_host.wire.outputs import PerRow, of_estimator, of_model, predictions_of
from beambridge_host.wire.several import Outputs, Several
from beambridge_host.wire.predictions import PredictionColumn
from tests.test_columns import array_of, atomic, field, tensor
from tests.test_inference import ColumnReader

DOUBLE = atomic(schema_pb2.DOUBLE)
STRING = atomic(schema_pb2.STRING)
MAYBE = atomic(schema_pb2.DOUBLE, nullable=True)
Named = collections.namedtuple('Named', ['a', 'b'])
SIZES = (1, 2, 3, 17)


@dataclasses.dataclass
class Data:
  a: Any
  b: Any


def row(**fields: Any) -> Any:
  schema = schema_pb2.Schema(fields=[field(kind, name) for name, kind in fields.items()])
  return schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema))


def packed(declared: Any, count: int, outputs: Any, batch: Any = None) -> list[Any]:
  """The predictions that come out of what a model gave, as the declared type reads them, whole and row by row."""
  found = utils._convert_to_result(list(range(count)) if batch is None else batch, outputs, 'm')
  one = declared if isinstance(declared, schema_pb2.Field) else field(declared, 'inference')
  values = found.values('inference') if isinstance(found, results.Results) else [each.inference for each in found]
  # As dead letters, several models and a process of the model's own have them.
  listed = pickle.loads(pickle.dumps([each.inference for each in found]))
  said = []
  for way in (values, listed):
    try:
      read = ColumnReader(one).read(PredictionColumn(one).pack(way), count)
      said.append([tuple(each) if isinstance(each, tuple) else each.tolist() if hasattr(each, 'tolist') else each for each in read])
    except (FatalError, Misfit) as error:
      said.append(error)
  if isinstance(said[0], Exception):
    assert type(said[0]) is type(said[1]) and str(said[0]) == str(said[1]), said
    raise said[0]
  assert said[0] == said[1] or str(said[0]) == str(said[1]), said  # NaN differs from itself.
  return said[0]


class OutputsTest(unittest.TestCase):

  def test_a_model_may_use_its_arrays_again(self):
    buffer = np.arange(6.0).reshape(3, 2)
    for outputs in (buffer, {'a': buffer[:, 0], 'b': buffer[:, 1]}):
      buffer[:] = 1
      found = utils._convert_to_result([0, 1, 2], outputs, 'm')
      buffer[:] = 9
      self.assertNotIn('9', repr([each.inference for each in found]))

  def refuses(self, declared: Any, count: int, outputs: Any, text: str) -> None:
    with self.assertRaises(FatalError, msg=str((count, outputs))) as caught:
      packed(declared, count, outputs)
    marked = fields_of(caught.exception)
    self.assertEqual(marked['code'], 'INFERENCE_MISMATCH')
    self.assertRegex(marked['message'], text)

  def test_several_outputs_are_spread_over_a_declared_row_whatever_the_size(self):
    for count in SIZES:
      a, b = np.arange(count) * 1.0, np.arange(count) + 0.5
      expected = list(zip(a.tolist(), b.tolist()))
      for outputs in ((a, b), of_model([a, b]), of_estimator([a.reshape(-1, 1), b.reshape(-1, 1)]), {'a': a, 'b': b}, {'b': b, 'a': a, 'more': a}, Named(a, b), Data(a, b),
                      (a.tolist(), b.tolist()), {'a': a, 'b': b}.values(), pandas.DataFrame({'a': a, 'b': b}),
                      np.rec.fromarrays([a, b], names=['a', 'b']), (a.reshape(-1, 1), b)):
        self.assertEqual(packed(row(a=DOUBLE, b=DOUBLE), count, outputs), expected, (count, outputs))

  def test_and_refused_otherwise_whatever_the_size(self):
    for count in SIZES:
      a, b = np.arange(count) * 1.0, np.arange(count) + 0.5
      for declared in (DOUBLE, array_of(DOUBLE), MAYBE, row(a=DOUBLE)):
        for outputs in ((a, b), of_model([a, b]), (a.tolist(), b.tolist()), (a, np.stack([b, b], axis=1))):
          self.refuses(declared, count, outputs, 'gave 2 outputs, and the declared inference is')
      for declared in (DOUBLE, array_of(DOUBLE)):
        self.refuses(declared, count, {'a': a, 'b': b}, r'gave 2 outputs \(a, b\)')
      self.refuses(row(a=DOUBLE, c=MAYBE), count, {'a': a, 'b': b}, "gives no 'c', only a, b")

  def test_a_list_of_arrays_that_a_function_gave_is_refused_whatever_the_size(self):
    # In a batch of two, of three: arrays that could be either.
    for count in SIZES:
      for width in (2, 3):
        for outputs in ([np.ones(width)] * count, [np.ones((width, 2))] * count, [np.ones(count), np.ones(count)],
                        [np.ones(width), 1.0][:count] * count, of_estimator([np.ones(width)] * count)):
          for declared in (DOUBLE, array_of(DOUBLE), row(a=DOUBLE, b=DOUBLE), row(a=DOUBLE, b=DOUBLE, c=DOUBLE)):
            self.refuses(declared, count, outputs, 'one for each example, or as many outputs')
      self.refuses(row(a=array_of(DOUBLE)), count, {'a': [np.ones(2)] * count}, "output 'a' of the model is a list")

  def test_batches_of_one_in_a_list_are_predictions_whatever_the_size(self):
    for count in SIZES:
      vectors = [np.array([[i, 0.5]]) for i in range(count)]
      self.assertEqual(packed(array_of(DOUBLE), count, vectors), [[i, 0.5] for i in range(count)])
      self.assertEqual(packed(array_of(DOUBLE), count, list(map(scipy.sparse.csr_matrix, vectors))), [[i, 0.5] for i in range(count)])
      self.assertEqual(packed(DOUBLE, count, [np.array([i]) for i in range(count)]), list(range(count)))
      frames = [pandas.DataFrame({'a': [i], 'b': [0.5]}) for i in range(count)]
      self.assertEqual(packed(row(a=DOUBLE, b=DOUBLE), count, frames), [(i, 0.5) for i in range(count)])
      self.assertEqual(packed(array_of(DOUBLE), count, frames), [[i, 0.5] for i in range(count)])

  def test_one_output_with_a_name_is_that_output(self):
    for count in SIZES:
      a = np.arange(count) * 1.0
      for outputs in ({'a': a}, pandas.DataFrame({'a': a}), Named(a, None)._asdict() and {'x': a}, np.rec.fromarrays([a], names=['a'])):
        self.assertEqual(packed(DOUBLE, count, outputs), a.tolist(), outputs)
      self.assertEqual(packed(array_of(DOUBLE), count, {'a': a.reshape(-1, 1)}), a.reshape(-1, 1).tolist())
      self.assertEqual(packed(array_of(DOUBLE), count, pandas.DataFrame({'a': a})), a.reshape(-1, 1).tolist())
      self.assertEqual(packed(array_of(DOUBLE), count, pandas.DataFrame({'a': a, 'b': a})), [[each, each] for each in a])

  def test_maps_have_all_outputs(self):
    numbers = schema_pb2.FieldType(map_type=schema_pb2.MapType(key_type=STRING, value_type=DOUBLE))
    maybes = schema_pb2.FieldType(map_type=schema_pb2.MapType(key_type=STRING, value_type=MAYBE))
    for count in SIZES:
      a = np.arange(count) * 1.0
      self.assertEqual(packed(numbers, count, {'a': a, 'b': a}), [{'a': each, 'b': each} for each in a])
      self.refuses(numbers, count, {'a': a, 'b': np.ones(5)}, "output 'b' of the model is one numpy.ndarray")
      self.refuses(numbers, count, {'a': a, 'loss': None}, "output 'loss' of the model is None")
      self.assertEqual(packed(maybes, count, {'a': a, 'loss': None}), [{'a': each, 'loss': None} for each in a])

  def test_an_output_that_is_no_batch_keeps_its_place(self):
    for count in (1, 2, 4, 17):
      a = np.arange(count) * 1.0
      outputs = (a, np.ones(5), a + 1)
      self.refuses(row(a=DOUBLE, b=DOUBLE), count, outputs, 'gave 3 outputs')
      self.refuses(DOUBLE, count, (a, np.ones(5)), 'gave 2 outputs')
      self.refuses(row(a=DOUBLE, b=DOUBLE, c=DOUBLE), count, outputs, 'output 1 of the model is one numpy.ndarray of shape')
      self.assertEqual(packed(row(a=DOUBLE, b=MAYBE), count, (a, None)), [(each, None) for each in a])

  def test_a_batch_of_several_shapes_drops_no_output(self):
    rows = [np.ones(2), np.ones(3), np.ones(2) * 2]

    def given(named: bool) -> Any:
      return lambda array: {'a': array.mean(1), 'b': np.ones(5)} if named else (array.mean(1), np.ones(5))

    for named in (True, False):
      outputs = by_shape(rows, np.stack, given(named))
      self.refuses(row(a=DOUBLE, b=DOUBLE), 3, outputs, "output ('b'|1) of the model is one numpy.ndarray of shape")
      self.refuses(DOUBLE, 3, outputs, 'gave 2 outputs')
      if named:
        self.assertEqual(packed(row(a=DOUBLE), 3, outputs), [(1,), (1,), (2,)])
      else:
        self.refuses(row(a=DOUBLE), 3, outputs, 'gave 2 outputs')
    self.assertEqual(packed(DOUBLE, 3, by_shape(rows, np.stack, lambda array: {'a': array.mean(1)})), [1, 1, 2])

  def test_an_output_that_is_no_batch(self):
    score = row(score=DOUBLE, weight=DOUBLE)
    for count in (1, 2, 5, 17):
      outputs = {'score': np.arange(count) * 1.0, 'weight': np.array([10.0, 20.0, 30.0])}
      self.refuses(score, count, outputs, r"the output 'weight' of the model is one numpy.ndarray of shape \[3\] for")
      # Nobody asked for it.
      self.assertEqual(packed(row(score=DOUBLE), count, outputs), [(value,) for value in outputs['score']])
    self.refuses(score, 2, {'score': np.ones(2), 'weight': np.float64(1)}, "output 'weight' of the model is a numpy.float64")
    self.refuses(score, 2, {'score': np.ones(2), 'weight': None}, "output 'weight' of the model is None")
    self.assertEqual(packed(row(score=DOUBLE, weight=MAYBE), 2, {'score': np.ones(2), 'weight': None}), [(1, None)] * 2)
    self.assertEqual(packed(row(score=DOUBLE), 2, {'loss': None, 'score': np.ones(2)}), [(1,), (1,)])
    self.refuses(row(loss=DOUBLE), 2, {'loss': None}, 'is None')

  def test_a_first_dimension_that_is_not_the_batch(self):
    rows = np.arange(6.0).reshape(2, 3)
    self.refuses(array_of(DOUBLE), 2, rows.T, r'one numpy.ndarray of shape \[3, 2\] for 2 examples')
    self.refuses(DOUBLE, 1, rows[:1].squeeze(), r'shape \[3\] for 1 example$')
    self.refuses(DOUBLE, 4, np.array(1.5), r'shape \[\] for 4 examples')
    self.refuses(DOUBLE, 4, np.float64(1.5), 'a numpy.float64 for 4 examples')
    self.refuses(DOUBLE, 2, [1.0], '1 prediction for 2 examples')
    self.refuses(DOUBLE, 2, [1.0, 2.0, 3.0], '3 predictions for 2 examples')
    self.refuses(DOUBLE, 2, (value for value in (1.0, 2.0, 3.0)), '3 predictions for 2 examples')

  def test_one_number_for_one_example(self):
    for one in (np.array(1.5), np.float64(1.5), 1.5, np.array([1.5]), [1.5]):
      self.assertEqual(packed(DOUBLE, 1, one), [1.5])

  def test_what_is_no_sequence_of_predictions(self):
    for outputs in (None, 'abc', b'abc', {1.0, 2.0, 3.0}, base.PredictionResult(1, 2, 'x'), {'a': 1, 'b': 2, 'c': 3}.keys(), object()):
      self.refuses(STRING, 3, outputs, 'the model handler gave')

  def test_predictions_one_by_one(self):
    for count in SIZES:
      for outputs in ([{'a': 1.0, 'b': 2.0, 'more': 'x'}] * count, [Named(1.0, 2.0)] * count, PerRow([Outputs((1.0, 2.0))] * count)):
        self.assertEqual(packed(row(a=DOUBLE, b=DOUBLE), count, outputs), [(1, 2)] * count)
      self.assertEqual(packed(array_of(DOUBLE), count, [[1.0, 2.0]] * count), [[1, 2]] * count)
      self.assertEqual(packed(array_of(DOUBLE), count, PerRow([np.ones(2)] * count)), [[1, 1]] * count)
      # Beam's own function for XGBoost.
      self.assertEqual(packed(DOUBLE, count, [np.ones(1)] * count), [1.0] * count)

  def test_masked_values_are_null_or_refused(self):
    masked = np.ma.masked_array([1.0, 2.0, 3.0], mask=[False, True, False])
    self.assertEqual(packed(MAYBE, 3, masked), [1, None, 3])
    self.assertEqual(packed(DOUBLE, 2, masked[::2]), [1, 3])
    self.assertEqual(packed(row(a=MAYBE), 3, {'a': masked}), [(1,), (None,), (3,)])
    with self.assertRaises(Misfit):
      packed(DOUBLE, 3, masked)
    for count in SIZES:
      # As a custom handler gives them, for each example.
      rows = [np.ma.masked_array([1.0, 2.0], mask=[False, True])] * count
      self.assertEqual(packed(array_of(MAYBE), count, PerRow(rows)), [[1, None]] * count)
      self.assertEqual(packed(MAYBE, count, PerRow([np.ma.masked] * count)), [None] * count)
      self.assertEqual(packed(MAYBE, count, PerRow([np.ma.masked_array(1.0, mask=True)] * count)), [None] * count)
      self.assertEqual(packed(row(a=MAYBE), count, PerRow([{'a': np.ma.masked}] * count)), [(None,)] * count)
      for declared in (array_of(DOUBLE), tensor('float64', [2])):
        with self.assertRaises(Misfit):
          packed(declared, count, PerRow(rows))
      with self.assertRaises(Misfit):
        packed(DOUBLE, count, PerRow([np.ma.masked] * count))
      self.assertEqual(packed(array_of(DOUBLE), count, PerRow([np.ma.masked_array([1.0, 2.0])] * count)), [[1, 2]] * count)
    table = np.ma.masked_array([[1.0, 2.0], [3.0, 4.0]], mask=[[False, True], [False, False]])
    self.assertEqual(packed(array_of(MAYBE), 2, table), [[1, None], [3, 4]])

  def test_sparse_frames_series_and_objects(self):
    dense = np.array([[0.0, 1.0], [2.0, 0.0], [0.0, 0.0]])
    for outputs in (scipy.sparse.csr_matrix(dense), scipy.sparse.coo_array(dense), np.matrix(dense),
                    pandas.DataFrame(dense), pandas.DataFrame(dense, columns=['x', 'y'])):
      self.assertEqual(packed(array_of(DOUBLE), 3, outputs), dense.tolist())
    self.assertEqual(packed(STRING, 2, pandas.Series(['a', 'b'])), ['a', 'b'])
    self.assertEqual(packed(atomic(schema_pb2.STRING, nullable=True), 2, pandas.Series(['a', None], dtype='string')), ['a', None])
    self.assertEqual(packed(STRING, 2, np.array(['a', 'b'], object)), ['a', 'b'])
    self.assertEqual(packed(array_of(STRING), 2, np.array([['a', 'b'], ['c', 'd']], object)), [['a', 'b'], ['c', 'd']])
    self.assertEqual(packed(STRING, 2, pandas.Categorical(['a', 'b'])), ['a', 'b'])

  def test_an_index_that_says_that_rows_moved(self):
    values = pandas.Series([3.0, 1.0, 2.0])
    moved, said = values.sort_values(), 'in another order: its index begins with \\[1, 2, 0\\]'
    frames = [pandas.DataFrame({'x': [place]}) for place in range(3)]
    both = row(a=DOUBLE, b=DOUBLE)
    for declared, outputs in (
        (DOUBLE, moved),
        (row(a=DOUBLE), pandas.DataFrame({'a': moved})),
        (both, {'a': values, 'b': moved}),
        (both, (values, moved)),
        (both, (moved, values)),
        (row(a=DOUBLE), {'a': moved}),
        (row(a=array_of(DOUBLE)), {'a': pandas.DataFrame({'x': moved})})):
      for batch in (frames, Frames(pandas.DataFrame({'x': range(3)}))):
        with self.assertRaisesRegex(FatalError, said) as caught:
          packed(declared, 3, outputs, batch)
        self.assertIn('sort_index()', fields_of(caught.exception)['hint'])
      # Whoever was given no frame has an index of its own, such as the clusters that it found, in some batches a permutation.
      self.assertEqual(len(packed(declared, 3, outputs)), 3)
    # What is not wanted need not be right, and an index that is none of the batch's says nothing.
    self.assertEqual(packed(row(a=DOUBLE), 3, {'a': values, 'b': moved}, frames), [(3.0,), (1.0,), (2.0,)])
    self.assertEqual(packed(DOUBLE, 3, moved.sort_index(), frames), [3, 1, 2])
    self.assertEqual(packed(DOUBLE, 3, moved.reset_index(drop=True), frames), [1, 2, 3])
    for index in ([5, 3, 4], ['b', 'a', 'c'], [0, 0, 0]):
      self.assertEqual(packed(DOUBLE, 3, pandas.Series([1.0, 2.0, 3.0], index=index), frames), [1, 2, 3])

  def test_what_is_missing_in_pandas_does_not_depend_on_other_rows(self):
    whole = atomic(schema_pb2.INT64, nullable=True)
    for values in ([None], [1, None], [1.5, None], [None, None], [float('nan'), None], [1, float('nan')]):
      frame, count = pandas.DataFrame({'a': values}), len(values)
      absent = [None if value is None or value != value else value for value in values]
      for outputs in (frame, {'a': frame['a']}):
        self.assertEqual(packed(row(a=MAYBE), count, outputs), [(value,) for value in absent], values)
      for outputs in (frame, frame['a']):
        self.assertEqual(packed(MAYBE, count, outputs), absent, values)
      if 1.5 not in values:
        self.assertEqual(packed(row(a=whole), count, frame), [(value,) for value in absent], values)
        self.assertEqual(packed(whole, count, frame['a']), absent)
    lists = schema_pb2.FieldType(nullable=True, array_type=schema_pb2.ArrayType(element_type=DOUBLE))
    self.assertEqual(packed(lists, 2, pandas.DataFrame({'a': [1.0, 2.0], 'b': [3.0, 4.0]})), [[1, 3], [2, 4]])
    # NaN of a model is a number where the type has no null, and in what is not pandas'.
    for declared, outputs in ((DOUBLE, pandas.Series([1, None])), (MAYBE, np.array([1, np.nan]))):
      first, second = packed(declared, 2, outputs)
      self.assertEqual(first, 1)
      self.assertNotEqual(second, second)

  def test_parts_of_several_calls(self):
    first = utils._convert_to_result([1, 2], (np.ones(2), np.zeros(2)))
    second = utils._convert_to_result([3], (np.ones(1) * 5, np.ones(1) * 6))
    whole = results.joined([first, second]).values('inference')
    self.assertIsInstance(whole, Several)
    self.assertEqual([list(each) for each in whole], [[1, 0], [1, 0], [5, 6]])
    self.assertEqual([list(each) for each in whole[1:]], [[1, 0], [5, 6]])
    self.assertEqual(list(whole[2]), [5, 6])

  def test_keyed_handlers_of_beam_cut_nothing(self):

    class Short(base.ModelHandler):

      def load_model(self) -> Any:
        return None

      def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        return [1] * (len(batch) + 1)

    for keyed in (base.KeyedModelHandler, base.MaybeKeyedModelHandler):
      with self.assertRaisesRegex(FatalError, '3 predictions for 2 examples'):
        list(keyed(Short()).run_inference([('a', 1), ('b', 2)], None))

  def test_an_array_that_a_handler_returns(self):
    self.assertEqual([each.inference for each in results.kept(np.arange(2), [0, 0])], [0, 1])
    self.assertEqual([dict(each) for each in results.kept({'a': np.arange(2), 'b': 2}, [0, 0]).values('inference')], [{'a': 0}, {'a': 1}])
    self.assertEqual(predictions_of([], 0), [])


if __name__ == '__main__':
  unittest.main()
