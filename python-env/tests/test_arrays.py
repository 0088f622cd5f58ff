# SPDX-License-Identifier: Apache-2.0
"""Handlers that get a batch as one array, against the same handlers row by row."""

import os
import pickle
import tempfile
import unittest
import unittest.mock
from typing import Any, Optional, Sequence

import numpy as np
from apache_beam.ml.inference import base
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import FatalError
from beambridge_host.wire import arrays, examples
from beambridge_host.wire.columns import ColumnReader
from beambridge_host.wire.predictions import PredictionColumn
from tests.test_columns import array_of, atomic, field, tensor

FLOATS = field(array_of(atomic(schema_pb2.DOUBLE)), 'example')


class Model:
  """Sums up rows, and remembers what it was given."""

  def __init__(self) -> None:
    self.given: list[Any] = []

  def predict(self, array: Any, factor: int = 1) -> Any:
    self.given.append(array)
    return array.reshape(len(array), -1).sum(axis=1) * factor

  def __call__(self, array: Any, factor: int = 1) -> Any:
    return {'sum': self.predict(array, factor), 'first': array[:, 0]}


class Session:

  def get_inputs(self) -> Any:
    return [field(atomic(schema_pb2.FLOAT), 'input')]

  def run(self, outputs: Any, inputs: Any) -> Any:
    return [inputs['input'] * 2, 'another output']


def handler(**kwargs: Any) -> Any:
  return arrays.use_arrays(SklearnModelHandlerNumpy('model.pkl', **kwargs))


def read(declared: schema_pb2.Field, rows: Sequence[Any]) -> Any:
  return ColumnReader(declared).read(PredictionColumn(declared).pack(rows), len(rows))


class ArraysTest(unittest.TestCase):

  def test_a_handler_with_the_inference_function_of_beam_gets_one_array_and_predicts_the_same(self):
    rows = np.arange(12.0).reshape(6, 2)
    for declared in (FLOATS, tensor('float64', [2], 'example')):
      mine, model = handler(), Model()
      batch = examples.example_adapter(mine, declared)(read(declared, list(rows)))
      self.assertIsInstance(batch, np.ndarray)
      found = list(mine.run_inference(batch, model, {'factor': 3}))
      self.assertIs(model.given[0], batch)
      expected = list(SklearnModelHandlerNumpy('model.pkl').run_inference(list(rows), Model(), {'factor': 3}))
      self.assertEqual([(r.inference, r.model_id) for r in found], [(r.inference, r.model_id) for r in expected])
      self.assertEqual([r.example.tolist() for r in found], rows.tolist())

  def test_the_way_that_is_taken(self):
    words = field(atomic(schema_pb2.STRING), 'example')
    image = tensor('uint8', [2, 2], 'example')

    def own(model: Any, batch: Any, inference_args: Optional[dict[str, Any]] = None) -> Any:
      return batch

    class Own(SklearnModelHandlerNumpy):

      def run_inference(self, batch: Any, model: Any, inference_args: Any = None) -> Any:
        return batch

    for inner, declared, way in (
        (handler(), FLOATS, arrays.ONE_ARRAY),
        (handler(), image, arrays.ONE_ARRAY),
        (handler().with_postprocess_fn(str), FLOATS, arrays.ONE_ARRAY),
        (handler(), words, arrays.ROW_BY_ROW),
        (handler().with_preprocess_fn(str), FLOATS, arrays.ROW_BY_ROW),
        (handler(inference_fn=own), FLOATS, arrays.ROW_BY_ROW),
        (arrays.use_arrays(Own('model.pkl')), FLOATS, arrays.ROW_BY_ROW),
        (base.KeyedModelHandler(handler()), FLOATS, arrays.ROW_BY_ROW),
    ):
      self.assertEqual(arrays.way_of(inner, declared), way)
      with unittest.mock.patch.object(arrays._LOGGER, 'info') as info:
        arrays.announce(inner, declared, 'Score')
      text, *parts = info.call_args.args
      self.assertEqual(text % tuple(parts), f'Score: {type(inner).__name__} gets {way}')

  def test_a_handler_with_a_function_of_its_own_gets_a_list(self):
    mine = handler(inference_fn=lambda model, batch, inference_args=None: batch)
    batch = examples.example_adapter(mine, FLOATS)(read(FLOATS, [[1.0, 2.0], [3.0, 4.0]]))
    self.assertIs(type(batch), list)
    self.assertTrue(all(type(row) is np.ndarray for row in batch))

  def test_rows_of_several_shapes_are_scored_shape_by_shape_and_stay_in_order(self):
    model = Model()
    rows = [np.ones(2), np.ones(3), np.ones(2) * 2, np.ones((1, 1))]
    found = [r.inference for r in handler().run_inference(rows, model)]
    self.assertEqual(found, [2, 3, 4, 1])
    self.assertEqual([array.shape for array in model.given], [(2, 2), (1, 3), (1, 1, 1)])
    named = arrays._tensorflow(model, [np.ones(2), np.ones(3)], {}, 'id')
    self.assertEqual([(r.inference['sum'], r.model_id) for r in named], [(2, 'id'), (3, 'id')])
    self.assertEqual([row.tolist() for row in arrays._onnx(Session(), [np.ones(1), np.ones(2)])], [[2], [2, 2]])

  def test_a_model_that_gives_too_little_for_a_shape_is_an_error(self):
    with self.assertRaisesRegex(FatalError, '0 predictions for 1 example'):
      arrays.by_shape([np.ones(2), np.ones(3)], np.stack, lambda array: [] if array.shape[1] == 3 else array)

  def test_a_handler_that_takes_arrays_can_be_pickled(self):
    with tempfile.TemporaryDirectory() as folder:
      path = os.path.join(folder, 'handler')
      with open(path, 'wb') as file:
        pickle.dump(handler(), file)
      with open(path, 'rb') as file:
        self.assertTrue(examples.takes_arrays(pickle.load(file)))


if __name__ == '__main__':
  unittest.main()
