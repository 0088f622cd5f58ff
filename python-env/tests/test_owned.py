# SPDX-License-Identifier: Apache-2.0
"""What a model changes, or uses again for its next call, changes nobody's prediction."""

import threading
import types
import unittest
import unittest.mock

import numpy as np
import pandas
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host.handlers.custom import UserFile
from beambridge_host.inference.scoring import PackedHandler, Route, Setup
from beambridge_host.wire.frames import frames_of
from beambridge_host.wire.fitting import in_sizes_of
from beambridge_host.wire.owned import owned
from tests.metamorphic import driver
from tests.metamorphic.driver import Refused, Way, ready, run
from tests.test_columns import array_of, atomic, field, tensor

DOUBLE = atomic(schema_pb2.DOUBLE)
LIST = field(array_of(DOUBLE), 'example')
NUMBER = field(DOUBLE, 'inference')
NUMBERS = field(array_of(DOUBLE), 'inference')
PLAINLY = Way(False, False, False, 1)
ONE_BY_ONE = PLAINLY._replace(one_by_one=True)
DEAD_LETTERS = PLAINLY._replace(dead_letters=True)


class Gives(base.ModelHandler[np.ndarray, base.PredictionResult, object]):
  """Predicts with a function of the stacked batch."""

  def __init__(self, give):
    self.give = give

  def load_model(self):
    return None

  def run_inference(self, batch, model, inference_args=None):
    return self.give(np.stack(batch))


def row_type(**fields):
  out = schema_pb2.FieldType()
  for name, kind in fields.items():
    each = out.row_type.schema.fields.add()
    each.name = name
    each.type.CopyFrom(kind)
  out.row_type.schema.id = '-'.join(('owned', *fields))
  return out


class ArraysUsedAgainTest(unittest.TestCase):

  def check(self, form):
    buffer = np.zeros((9, 2))

    def give(rows):
      buffer[:len(rows)] = rows
      return form(buffer[:len(rows)])

    rows = [[float(i), 1.0] for i in range(3)]
    self.assertEqual(run(Gives(give), LIST, NUMBERS, rows, ONE_BY_ONE), rows)

  def test_in_a_list(self):
    self.check(lambda buffer: [row.tolist() for row in buffer])
    self.check(list)

  def test_in_a_list_of_results(self):
    self.check(lambda buffer: [base.PredictionResult(row, row) for row in buffer])

  def test_in_a_frame(self):
    frame = pandas.DataFrame(np.zeros((9, 2)), columns=['a', 'b'])

    def form(buffer):
      frame.iloc[:len(buffer)] = buffer
      return frame.iloc[:len(buffer)]

    self.check(form)

  def test_by_shape(self):
    from beambridge_host.handlers.sklearn import sklearn
    buffer = np.zeros((9, 2))

    def predict(rows):
      buffer[:len(rows)] = np.stack([rows.sum(1), np.full(len(rows), rows.shape[1])], 1)
      return buffer[:len(rows)]

    handler = ready(sklearn(model_uri='model', input='numpy'), types.SimpleNamespace(predict=predict))
    self.assertEqual(
        run(handler, LIST, NUMBERS, [[1.0, 2.0], [1.0, 2.0, 3.0], [5.0, 5.0]], PLAINLY), [[3.0, 2.0], [6.0, 3.0], [10.0, 2.0]])

  def test_several_outputs_by_shape(self):
    from beambridge_host.handlers.sklearn import sklearn
    buffer = np.zeros((9, 2))
    declared = field(row_type(sums=array_of(DOUBLE), lengths=DOUBLE), 'inference')
    forms = {
        'by name': lambda rows: {'sums': rows[:, :1], 'lengths': rows[:, 1]},
        'in order': lambda rows: (rows[:, :1], rows[:, 1]),
    }
    for name, form in forms.items():

      def predict(rows):
        buffer[:len(rows)] = np.stack([rows.sum(1), np.full(len(rows), rows.shape[1])], 1)
        return form(buffer[:len(rows)])

      with self.subTest(name):
        handler = ready(sklearn(model_uri='model', input='numpy'), types.SimpleNamespace(predict=predict))
        found = run(handler, LIST, declared, [[1.0, 2.0], [1.0, 2.0, 3.0], [5.0, 5.0]], PLAINLY)
        self.assertEqual([tuple(each.values()) for each in found], [([3.0], 2.0), ([6.0], 3.0), ([10.0], 2.0)])

  def test_several_outputs_of_a_model_of_one_size(self):
    buffer = np.zeros((2, 1))

    def predict(inputs):
      buffer[:] = inputs['x']
      return {'x': buffer, 'y': buffer[:, 0]}

    found = in_sizes_of(2, {'x': np.arange(5.0).reshape(5, 1)}, 5, predict)
    self.assertEqual([(float(each['x'][0]), float(each['y'])) for each in found], [(i, i) for i in range(5)])


class OutputsOfCallsTest(unittest.TestCase):

  def test_an_output_that_one_call_has_and_another_has_not(self):
    nullable = atomic(schema_pb2.DOUBLE)
    nullable.nullable = True
    inference = schema_pb2.Field(name='inference', type=row_type(score=DOUBLE, extra=nullable))
    form = lambda rows: {'score': rows.sum(1), 'extra': rows[:, 0] if rows[0, 0] > 0 else None}
    right = [{'score': 3.0, 'extra': 1.0}, {'score': 1.0, 'extra': None}, {'score': 5.0, 'extra': 2.0}]
    for way in (ONE_BY_ONE, ONE_BY_ONE._replace(dead_letters=True), ONE_BY_ONE._replace(listed=True)):
      self.assertEqual(run(Gives(form), LIST, inference, [[1.0, 2.0], [-1.0, 2.0], [2.0, 3.0]], way), right)
    in_order = lambda rows: tuple(form(rows).values())
    self.assertEqual(run(Gives(in_order), LIST, inference, [[1.0, 2.0], [-1.0, 2.0], [2.0, 3.0]], ONE_BY_ONE), right)


  def test_outputs_of_one_row_each_are_not_rows(self):
    form = lambda rows: (rows.mean(0, keepdims=True), rows.std(0, keepdims=True))
    for count in (1, 2, 3):
      for way in (PLAINLY, DEAD_LETTERS):
        found = run(Gives(form), LIST, NUMBERS, [[1.0, 2.0]] * count, way)
        self.assertEqual(found, [Refused('INFERENCE_MISMATCH', True)] * count)


class ChangedExamplesTest(unittest.TestCase):

  def outcomes(self, input, predict):
    from beambridge_host.handlers.sklearn import sklearn
    handler = ready(sklearn(model_uri='model', input=input), types.SimpleNamespace(predict=predict))
    outer = handler.with_postprocess_fn(lambda result: float(np.ravel(result.example)[0]))
    declared = driver._declared({'example': LIST, 'inference': NUMBER}, [])
    packed = PackedHandler(Setup([Route(handler, outer, False, {})], declared, 'T', driver._plan(), 'made'))
    rows = driver.PackedRows([driver.packed(LIST, [[1.0, 2.0], [3.0, 4.0]], None)])
    return driver.outcomes(NUMBER, packed.run_inference(rows, packed.load_model(), None)[0], False)

  def test_functions_after_a_model_see_the_examples_as_they_were(self):
    def in_place(rows):
      rows *= 2
      return rows.sum(1)

    def texts_in_place(rows):
      rows *= 2
      return [str(row) for row in rows]

    def frame_in_place(frame):
      frame[0] = frame[0] * 2
      return frame.sum(axis=1).to_numpy()

    self.assertEqual(self.outcomes('numpy', in_place), [1.0, 3.0])
    self.assertEqual(self.outcomes('numpy', texts_in_place), [1.0, 3.0])
    self.assertEqual(self.outcomes('pandas', frame_in_place), [1.0, 3.0])

  def test_lists_in_rows_that_are_asked_about_again(self):
    def infer(self, batch, model, inference_args=None):
      rows = batch if not hasattr(batch[0], 'iloc') else pandas.concat(list(batch)).itertuples()
      rows = list(rows)
      for row in rows:
        row.tags.append('x')
      if any(row.value > 1e6 for row in rows):
        raise ValueError('too large')
      return [float(len(row.tags)) for row in rows]

    example = schema_pb2.Field(name='example', type=row_type(tags=array_of(atomic(schema_pb2.STRING)), value=DOUBLE))
    body = {'load_model': lambda self: None, 'run_inference': infer}
    for bases in ((base.ModelHandler,), (base.ModelHandler[pandas.DataFrame, base.PredictionResult, object],)):
      handler = types.new_class('Appends', bases, {}, lambda names: names.update(body))()
      rows = [{'tags': ['a'], 'value': 1.0}, {'tags': ['a', 'b'], 'value': 2.0}, {'tags': [], 'value': 1e7}]
      self.assertEqual(run(handler, example, NUMBER, rows, DEAD_LETTERS), [2.0, 3.0, Refused('ValueError', False)])

  def test_every_form_is_copied_all_the_way_down(self):
    from scipy import sparse
    matrix = sparse.csr_matrix(np.ones((1, 2)))
    copied = owned([matrix])[0]
    copied.data *= 2
    self.assertEqual(matrix.sum(), 2.0)
    objects = np.array([[1], None], object)
    owned(objects)[0].append(2)
    self.assertEqual(objects[0], [1])
    named = base.PredictionResult({'a': [1]}, [np.zeros(1)], 'm')
    owned(named).example['a'].append(2)
    owned(named).inference[0][0] = 1
    self.assertEqual((named.example, named.inference[0][0]), ({'a': [1]}, 0.0))


class UnlikeFramesTest(unittest.TestCase):

  def test_rows_of_unlike_widths_are_never_one_frame(self):
    from beambridge_host.handlers.sklearn import sklearn

    def predict(frame):
      if frame.shape[1] != 3:
        raise ValueError('wants three numbers')
      return frame.sum(axis=1).to_numpy()

    handler = ready(sklearn(model_uri='model', input='pandas'), types.SimpleNamespace(predict=predict))
    rows = [[1.0, 2.0], [1.0, 2.0, 3.0]]
    refused = Refused('ValueError', False)
    self.assertEqual(run(handler, LIST, NUMBER, rows, DEAD_LETTERS), [refused, 6.0])
    self.assertEqual(run(handler, LIST, NUMBER, rows, DEAD_LETTERS._replace(batches=2)), [refused, 6.0])
    for way in (PLAINLY, PLAINLY._replace(batches=2)):
      self.assertEqual({outcome.code for outcome in run(handler, LIST, NUMBER, rows, way)}, {'PYTHON_EXCEPTION'})


  def test_the_index_counts_the_rows_of_a_call(self):
    def infer(self, batch, model, inference_args=None):
      frame = pandas.concat(list(batch))
      frame['more'] = pandas.Series(np.arange(len(frame)))
      return (frame[0] + frame['more'] - np.arange(len(frame))).to_numpy()

    body = {'load_model': lambda self: None, 'run_inference': infer}
    bases = (base.ModelHandler[pandas.DataFrame, base.PredictionResult, object],)
    handler = types.new_class('MakesColumn', bases, {}, lambda names: names.update(body))()
    for way in driver.WAYS[:-2]:
      self.assertEqual(run(handler, LIST, NUMBER, [[1.0], [2.0], [3.0]], way), [1.0, 2.0, 3.0], way)
    ragged = run(handler, LIST, NUMBER, [[1.0], [2.0, 0.0], [3.0]], DEAD_LETTERS)
    self.assertEqual(ragged, [1.0, 2.0, 3.0])

  def test_a_tensor_is_as_many_columns_by_itself(self):
    values = np.arange(12.0).reshape(2, 2, 3)
    frames = frames_of(tensor('float64', [2, 3]))
    together, alone = frames(values).frame, frames(list(values)).frame
    pandas.testing.assert_frame_equal(together, alone)


class UserFileTest(unittest.TestCase):

  def test_threads_that_unpickle_at_once_see_all_of_a_file(self):
    entered, threads, found = threading.Event(), [], []
    user_file = UserFile('slow.py', 'import time\nfrom slow_files import entered\nentered.set()\ntime.sleep(0.2)\nclass Handler: pass\n')
    module = types.ModuleType('slow_files')
    module.entered = entered
    with unittest.mock.patch.dict('sys.modules', {'slow_files': module}):
      for _ in range(2):
        threads.append(threading.Thread(target=lambda: found.append(hasattr(user_file.install(), 'Handler'))))
        threads[-1].start()
        entered.wait(5)
      for thread in threads:
        thread.join()
    self.assertEqual(found, [True, True])
