# SPDX-License-Identifier: Apache-2.0
"""Columns of data frames have the declared types, whatever the values of a batch are."""

import decimal
import itertools
import os
import pickle
import tempfile
import unittest
import uuid
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas
from apache_beam.portability.api import schema_pb2
from apache_beam.utils import multi_process_shared
from apache_beam.utils.timestamp import Timestamp
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from beambridge_host.errors import BridgeError, FatalError
from beambridge_host.handlers.sklearn import sklearn
from beambridge_host.wire import examples
from beambridge_host.wire.columns import ColumnReader, ColumnWriter
from beambridge_host.wire.fitted_columns import in_order_of, refuse_other_columns, telling
from beambridge_host.wire.frames import Frames, column_of, frames_of, whole_frame
from tests.test_columns import DECIMAL, MILLIS, array_of, atomic, field, tensor, with_forms
from tests.test_predictions import logical

A = schema_pb2

NUMBERS = (
    (A.BYTE, 'int8'), (A.INT16, 'int16'), (A.INT32, 'int32'), (A.INT64, 'int64'), (A.FLOAT, 'float32'),
    (A.DOUBLE, 'float64'))
# Pandas has a type of its own for texts since 3, which no version for Python 3.10 is.
TEXT = str(pandas.Series(['a']).dtype)


def cases() -> list[tuple[schema_pb2.Field, list[Any], str]]:
  """A declared type, two of its values, and the type of its column."""
  out = []
  for kind, dtype in NUMBERS:
    out.append((field(atomic(kind), 'x'), [1, 2], dtype))
    out.append((field(atomic(kind, nullable=True), 'x'), [1, 2], dtype if dtype.startswith('float') else 'float64'))
  instant, amount = logical(MILLIS, atomic(A.INT64)), logical(DECIMAL, atomic(A.BYTES))
  for nullable in (False, True):
    out.append((field(atomic(A.BOOLEAN, nullable), 'x'), [True, False], 'float64' if nullable else 'bool'))
    out.append((field(atomic(A.STRING, nullable), 'x'), ['a', 'b'], TEXT))
    out.append((with_forms(atomic(A.STRING, nullable), {'': {'enumeration': ['b', 'a']}}, 'x'), ['a', 'b'], 'category'))
    for kind, values, dtype in ((instant, [Timestamp(1), Timestamp(2)], 'datetime64[us]'),
                                (amount, [decimal.Decimal('1.5'), decimal.Decimal(2)], 'float64')):
      declared = schema_pb2.FieldType()
      declared.CopyFrom(kind)
      declared.nullable = nullable
      out.append((field(declared, 'x'), values, dtype))
    out.append((field(atomic(A.BYTES, nullable), 'x'), [b'a\0', b''], 'object'))
  out.append((field(array_of(atomic(A.DOUBLE)), 'x'), [[1.0], [2.0, 3.0]], 'object'))
  return out


class ColumnsTest(unittest.TestCase):

  def test_the_declared_type_decides_and_the_values_do_not(self):
    counted = 0
    for declared, values, dtype in cases():
      nulls = [None] if declared.type.nullable else []
      for size in (1, 2, 3):
        for chosen in itertools.product(values + nulls, repeat=size):
          column = pandas.Series(column_of(declared)(list(chosen)))
          self.assertEqual(str(column.dtype), dtype, (declared, chosen))
          self.assertEqual(column.isna().tolist(), [value is None for value in chosen])
          counted += 1
    self.assertGreater(counted, 400)

  def test_values(self):
    self.assertEqual(column_of(field(logical(MILLIS, atomic(A.INT64)), 'x'))([Timestamp(1.5)]).tolist(),
                     [pandas.Timestamp(1.5, unit='s').to_pydatetime()])
    categories = column_of(with_forms(atomic(A.STRING), {'': {'enumeration': ['b', 'a']}}, 'x'))(['a', 'a'])
    self.assertEqual(list(categories.categories), ['b', 'a'])
    with self.assertRaisesRegex(ValueError, '9007199254740993 would be rounded'):
      column_of(field(atomic(A.INT64, nullable=True), 'x'))([None, 2**53 + 1])

  def test_frames_without_rows_as_examples(self):
    self.assertEqual(frames_of(field(array_of(atomic(A.DOUBLE)), 'example'))(np.ones((2, 3))).frame.shape, (2, 3))
    texts = frames_of(field(array_of(atomic(A.STRING)), 'example'))([['a', 'b'], ['c', 'd']]).frame
    self.assertEqual([str(dtype) for dtype in texts.dtypes], [TEXT, TEXT])
    self.assertEqual(frames_of(tensor('float32', [2, 2], 'example'))(np.ones((3, 2, 2))).frame.shape, (3, 4))
    self.assertEqual(str(frames_of(field(atomic(A.STRING), 'example'))(['a']).frame.dtypes[0]), TEXT)
    with self.assertRaisesRegex(BridgeError, 'depend on the batch'):
      frames_of(field(A.FieldType(map_type=A.MapType(key_type=atomic(A.STRING), value_type=atomic(A.DOUBLE))), 'example'))

  def test_a_frame_is_a_sequence_of_frames_of_one_row(self):
    frames = Frames(pandas.DataFrame({'a': [1, 2, 3]}))
    self.assertEqual([row['a'].iloc[0] for row in frames], [1, 2, 3])
    self.assertEqual(frames[-1]['a'].tolist(), [3])
    self.assertEqual(frames[1:].frame['a'].tolist(), [2, 3])
    self.assertEqual(examples.together([frames[:1], frames[1:]]).frame['a'].tolist(), [1, 2, 3])

  def test_the_index_of_a_batch_counts_its_rows(self):
    frames = Frames(pandas.DataFrame({'a': [1, 2, 3]}))
    for batch in (frames, frames[1:], frames[2:], [frames[1], frames[2]], list(frames)):
      frame = whole_frame(batch)
      self.assertEqual(frame.index.tolist(), list(range(len(batch))))
      frame['twice'] = pandas.Series([value * 2 for value in frame['a']])
      self.assertEqual(frame['twice'].tolist(), [value * 2 for value in frame['a']])
    self.assertEqual(list(frames.frame.columns), ['a'])

  def test_columns_in_the_order_of_the_model(self):
    frame = pandas.DataFrame({'b': [1], 'a': [2]})
    model = DecisionTreeClassifier().fit(pandas.DataFrame({'a': [1, 2], 'b': [1, 2]}), [0, 1])
    self.assertEqual(list(in_order_of(model, frame).columns), ['a', 'b'])
    self.assertEqual(list(in_order_of(model, frame.assign(c=1)).columns), ['b', 'a', 'c'])
    self.assertEqual(list(in_order_of(object(), frame).columns), ['b', 'a'])
    # CatBoost's models, and XGBoost's boosters.
    for attribute in ('feature_names_', 'feature_names'):
      self.assertEqual(list(in_order_of(SimpleNamespace(**{attribute: ['a', 'b']}), frame).columns), ['a', 'b'])

  def test_columns_of_lightgbm_which_looks_at_no_names(self):
    frame = pandas.DataFrame({'b c': [1], 'a': [2]})
    for model in (_booster(['a', 'b_c']), _regressor(['a', 'b_c'])):
      self.assertEqual(list(in_order_of(model, frame).columns), ['a', 'b c'])
      refuse_other_columns(model, in_order_of(model, frame))
      for other in (frame.rename(columns={'a': 'd'}), frame[['a']], frame.assign(d=1)):
        with self.assertRaisesRegex(FatalError, 'fitted on the columns a, b_c, and the example has '):
          refuse_other_columns(model, in_order_of(model, other))
      refuse_other_columns(model, pandas.DataFrame([[1, 2]]))
    for nameless in (_booster(['Column_0', 'Column_1']), type('LGBMRegressor', (), {'__module__': 'lightgbm.sklearn'})()):
      refuse_other_columns(nameless, in_order_of(nameless, frame))
    refuse_other_columns(DecisionTreeClassifier(), frame)


def _booster(names: list[str]) -> Any:
  """What LightGBM's Booster tells of its columns; the package is no part of the environments."""
  return type('Booster', (), {'__module__': 'lightgbm.basic', 'feature_name': lambda self: names})()


def _regressor(names: list[str]) -> Any:
  kind = type('LGBMRegressor', (), {'__module__': 'lightgbm.sklearn', 'feature_names_in_': np.array(names)})
  return type('MyRegressor', (kind,), {})()


def _numbers(frame: Any) -> Any:
  return frame[['age', 'city']].astype('float64')


class ModelTest(unittest.TestCase):
  """A row is predicted alike alone and beside any other."""

  def setUp(self):
    self.folder = tempfile.TemporaryDirectory()
    self.addCleanup(self.folder.cleanup)

  def example(self) -> schema_pb2.Field:
    fields = [field(atomic(A.STRING, True), 'city'), field(atomic(A.DOUBLE, True), 'age')]
    return field(A.FieldType(row_type=A.RowType(schema=A.Schema(fields=fields))), 'example')

  def handler(self, model: Any, **options: Any) -> Any:
    path = os.path.join(self.folder.name, 'model.pkl')
    with open(path, 'wb') as file:
      pickle.dump(model, file)
    return sklearn(model_uri=path, input='pandas', **options)

  def score(self, handler: Any, rows: list[dict[str, Any]], **args: Any) -> list[Any]:
    declared = self.example()
    column = ColumnWriter(declared).write([SimpleNamespace(**row) for row in rows])
    adapted = examples.example_adapter(handler, declared)(ColumnReader(declared).read(column, len(rows)))
    return [each.inference for each in handler.run_inference(adapted, handler.load_model(), args)]

  def test_a_null_beside_others_and_alone(self):
    train = pandas.DataFrame({'city': pandas.Series(['oslo', 'rome', None, 'oslo', None, 'rome'], dtype='str'),
                              'age': [40, 20, 40, np.nan, 30, 50]})
    model = make_pipeline(
        ColumnTransformer([('age', SimpleImputer(), ['age']), ('city', OneHotEncoder(handle_unknown='ignore'), ['city'])]),
        DecisionTreeClassifier(random_state=0))
    labels = ['north', 'south', 'unknown', 'north', 'unknown', 'south']
    handler = self.handler(model.fit(train, labels))
    rows = [{'city': None, 'age': 40.0}, {'city': 'oslo', 'age': 40.0}, {'city': None, 'age': None}, {'city': 'rome', 'age': None}]
    expected = {repr(row): self.score(handler, [row])[0] for row in rows}
    self.assertEqual(expected[repr(rows[0])], 'unknown')
    for size in (2, 3):
      for batch in itertools.product(rows, repeat=size):
        self.assertEqual(self.score(handler, list(batch)), [expected[repr(row)] for row in batch])

  def test_another_method_than_predict(self):
    model = DecisionTreeClassifier().fit(pandas.DataFrame({'age': [1.0, 2.0], 'city': [np.nan, np.nan]}), ['a', 'b'])
    handler = self.handler(make_pipeline(FunctionTransformer(_numbers), model), method='predict_proba')
    rows = [{'city': None, 'age': 1.0}, {'city': None, 'age': 2.0}]
    self.assertEqual([each.tolist() for each in self.score(handler, rows)], [[1, 0], [0, 1]])

  def test_inference_functions_take_the_frame_and_give_plain_predictions(self):
    model = DecisionTreeClassifier().fit(pandas.DataFrame({'city': [1, 2], 'age': [1, 2]}), ['a', 'b'])
    rows = [{'city': None, 'age': 1.0}, {'city': None, 'age': 2.0}]

    def probabilities(model: Any, batch: Any, inference_args: Any = None) -> Any:
      return model.predict_proba(batch[['city', 'age']].astype({'city': 'float64'}))

    def in_beams_way(model: Any, batch: Any, inference_args: Any = None) -> Any:
      return probabilities(model, batch), [batch.iloc[[i]] for i in range(len(batch))]

    for function in (probabilities, in_beams_way):
      found = self.score(self.handler(model, inference_fn=function), rows)
      self.assertEqual([each.shape for each in found], [(2,), (2,)])

  def test_a_model_behind_a_proxy_tells_its_columns_too(self):
    frame = pandas.DataFrame({'b': [1.0], 'a': [2.0]})
    for name, make in (
        ('scikit-learn', lambda: DecisionTreeClassifier().fit(frame[['a', 'b']], [0])),
        ('LightGBM', lambda: _booster(['a', 'b'])),
        ('of no attributes', lambda: {'feature_names': 1})):
      with self.subTest(name):
        shared = multi_process_shared.MultiProcessShared(telling(make), tag=f'test_{uuid.uuid4().hex}', always_proxy=True)
        proxy = shared.acquire()
        expected = ['b', 'a'] if name == 'of no attributes' else ['a', 'b']
        self.assertEqual(list(in_order_of(proxy, frame).columns), expected)
        if name == 'LightGBM':
          with self.assertRaisesRegex(FatalError, 'fitted on the columns a, b, and the example has b, c'):
            refuse_other_columns(proxy, frame.rename(columns={'a': 'c'}))
        shared.release(proxy)

  def test_models_that_raise_what_they_like_tell_no_columns(self):
    frame = pandas.DataFrame({'a': [1.0], 'b': [2.0]})

    class Record(dict):

      def __getattr__(self, name: str) -> Any:
        return self[name]

    class Untrained:

      @property
      def feature_names(self) -> Any:
        raise RuntimeError('not trained')

      def __setattr__(self, name: str, value: Any) -> None:
        raise RuntimeError('frozen')

    class Knows(Untrained):
      feature_names = ['b', 'a']

    class Nested:
      feature_names = [['b'], ['a']]

    for make, expected in ((Record, ['a', 'b']), (Untrained, ['a', 'b']), (Knows, ['b', 'a']), (Nested, ['a', 'b'])):
      with self.subTest(make.__name__):
        self.assertEqual(list(in_order_of(telling(make)(), frame).columns), expected)

  def test_rows_that_a_function_moves_and_puts_back_are_right(self):
    # Those that stay moved are refused where every output passes: see test_outputs.py.
    model = DecisionTreeClassifier().fit(pandas.DataFrame({'city': [1, 2], 'age': [1, 2]}), ['a', 'b'])
    rows = [{'city': None, 'age': age} for age in (3.0, 1.0, 2.0)]
    double = lambda model, batch, inference_args=None: batch['age'] * 2
    self.assertEqual(list(self.score(self.handler(model, inference_fn=double), rows)), [6, 2, 4])
    shuffled = lambda model, batch, inference_args=None: batch.sort_values('age')['age'] * 2
    put_back = lambda model, batch, inference_args=None: shuffled(model, batch).sort_index()
    self.assertEqual(list(self.score(self.handler(model, inference_fn=put_back), rows)), [6, 2, 4])


if __name__ == '__main__':
  unittest.main()
