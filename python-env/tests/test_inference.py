# SPDX-License-Identifier: Apache-2.0
"""RunInference on packed batches, against the same handler in a pipeline of Python's own."""

import json
import os
import pickle
import tempfile
import unittest
import unittest.mock
from typing import Any, Iterable, Optional, Sequence

import apache_beam as beam
import numpy as np
import pandas
from apache_beam.coders import coder_impl
from apache_beam.ml.inference import base
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy, SklearnModelHandlerPandas
from apache_beam.portability.api import schema_pb2
from apache_beam.testing.util import assert_that, equal_to
from sklearn.linear_model import LogisticRegression

from beambridge_host.errors import MARKER, BridgeError
from beambridge_host.inference import batching
from beambridge_host.inference.inference import run_inference
from beambridge_host.inference.models import shape_hint
from beambridge_host.wire import examples
from beambridge_host.wire.columns import ColumnReader, ColumnWriter, prefixed
from tests.test_columns import array_of, atomic, field

FLOATS = array_of(atomic(schema_pb2.DOUBLE))
INT64 = atomic(schema_pb2.INT64)


def schema(example: schema_pb2.FieldType, inference: schema_pb2.FieldType, model_id: bool = False) -> bytes:
  fields = [field(example, 'example'), field(inference, 'inference')]
  if model_id:
    fields.append(field(atomic(schema_pb2.STRING, nullable=True), 'model_id'))
  return schema_pb2.Schema(fields=fields).SerializeToString()


KEYS = schema_pb2.Schema(fields=[field(atomic(schema_pb2.STRING), 'key')]).SerializeToString()


def batch(
    example: schema_pb2.FieldType, rows: list[Any], keys: Optional[list[str]] = None, updates: bytes = b'') -> bytes:
  count = coder_impl.create_OutputStream()
  count.write_var_int64(len(rows))
  key_column = ColumnWriter(field(atomic(schema_pb2.STRING), 'key')).write(keys) if keys else b''
  column = ColumnWriter(field(example, 'example')).write(rows)
  return count.get() + prefixed(updates) + prefixed(b'times') + prefixed(key_column) + prefixed(column)


def inferences(serialized: bytes, answer: bytes) -> list[Any]:
  inference = schema_pb2.FieldType.FromString(serialized)  # Messages cannot be pickled.
  stream = coder_impl.create_InputStream(answer)
  raw, column = stream.read_all(True), stream.read_all(True)
  count = coder_impl.create_InputStream(raw).read_var_int64()
  read = ColumnReader(field(inference, 'inference')).read(column, count)
  return [value.tolist() if hasattr(value, 'tolist') else value for value in read]


class Describe(base.ModelHandler):
  """Predicts what it was given."""

  def __init__(self, **kwargs: Any) -> None:
    super().__init__(**kwargs)
    self.largest = 0

  def load_model(self) -> Any:
    return None

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [base.PredictionResult(row, f'{type(row).__name__} of {len(batch)}', 'me') for row in batch]


class DescribePairs(base.ModelHandler[tuple[str, str], Any, Any]):

  def load_model(self) -> Any:
    return None

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [(key, f'{key}-{text}') for key, text in batch]


class GroupPairs(DescribePairs):

  def __init__(self, key: str = '') -> None:
    super().__init__()
    self._key = key

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [(self._key or key, f'{key}-{text}') for key, text in sorted(batch, key=lambda pair: pair[0])]


WORDS = """
from apache_beam.ml.inference import base

class Word(base.ModelHandler):
  def __init__(self, word):
    super().__init__()
    self._word = word
  def load_model(self):
    return ''
  def run_inference(self, batch, model, inference_args=None):
    return [self._word + row for row in batch]

def per_key():
  return base.KeyedModelHandler([base.KeyModelMapping(['a'], Word('A')), base.KeyModelMapping(['b', 'c'], Word('B'))])
"""


class Twice(Describe):

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [(row, 2 * row) for row in batch]


class DescribeArrays(base.ModelHandler[np.ndarray, base.PredictionResult, Any]):

  def load_model(self) -> Any:
    return None

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [f'{type(row).__name__} {row.dtype}' for row in batch]


class Factor:

  def __init__(self, factor: float) -> None:
    self._factor = factor

  def times(self, value: float) -> float:
    return self._factor * value


class Times(base.ModelHandler[float, base.PredictionResult, Factor]):

  def __init__(self, factor: float) -> None:
    super().__init__()
    self._factor = factor

  def load_model(self) -> Factor:
    if self._factor == 0:
      raise ValueError('no factor')
    return Factor(self._factor)

  def run_inference(self, batch: Sequence[Any], model: Any, inference_args: Any = None) -> Iterable[Any]:
    return [base.PredictionResult(row, model.times(float(row))) for row in batch]


def models_per_key() -> base.ModelHandler:
  return base.KeyedModelHandler([
      base.KeyModelMapping(['a'], Times(10)),
      base.KeyModelMapping(['b', 'c'], Times(100)),
  ])


class HintsOfRowsTest(unittest.TestCase):
  """What scikit-learn says of rows is told with what it most often comes from."""

  def test_rows_of_another_width_or_without_numbers(self) -> None:
    model = LogisticRegression().fit([[0.0, 1.0], [1.0, 0.0]], [0, 1])
    for rows, hint in (([[1.0, 2.0, 3.0]], 'as many numbers'), ([[np.nan, 1.0]], 'skipHeaderLines'), ([[np.inf, 1.0]], 'skipHeaderLines')):
      with self.assertRaises(ValueError) as raised:
        model.predict(rows)
      self.assertIn(hint, shape_hint(raised.exception, SklearnModelHandlerNumpy('none'), FLOATS.SerializeToString()) or '')


class UnkeyedTest(unittest.TestCase):

  def test_functions_around_a_handler_do_not_change_what_it_takes(self) -> None:
    both = base.MaybeKeyedModelHandler(Describe())
    for handler in (both, both.with_preprocess_fn(str), both.with_postprocess_fn(str), Describe().with_preprocess_fn(str)):
      self.assertIsNone(examples.fits_unkeyed(handler))
    for handler in (DescribePairs(), DescribePairs().with_postprocess_fn(str)):
      self.assertEqual(examples.fits_unkeyed(handler), 'DescribePairs takes (key, example) pairs')


class BatchSizesTest(unittest.TestCase):

  def sizes(self, rows: int, seconds: float = 0.0, **options: Any) -> list[int]:
    now = [0.0]
    sizes = []
    with unittest.mock.patch.object(batching.time, 'perf_counter', lambda: now[0]):
      for part in batching.BatchSizes(options).slices(range(rows)):
        sizes.append(len(part))
        now[0] += seconds * len(part)
    return sizes

  def test_batches_grow_while_the_model_is_fast(self):
    self.assertEqual(self.sizes(500), [16, 32, 64, 128, 256, 4])
    self.assertEqual(self.sizes(100, seconds=0.01), [16] * 6 + [4])
    self.assertEqual(self.sizes(31, seconds=1), [16, 8, 4, 3])

  def test_a_least_size_above_the_largest_of_ours_is_kept(self):
    self.assertEqual(self.sizes(50_000, min_batch_size=20_000), [20_000, 20_000, 10_000])
    self.assertEqual(self.sizes(25, min_batch_size=20, max_batch_size=10), [10, 10, 5])

  def test_limits_hold(self):
    self.assertEqual(self.sizes(10, max_batch_size=4), [4, 4, 2])
    self.assertEqual(self.sizes(100, min_batch_size=40, seconds=1), [40, 40, 20])
    self.assertEqual(self.sizes(6, max_batch_size=5, element_size_fn=lambda row: row), [3, 1, 1, 1])


  def test_rows_of_a_bucket_share_calls_and_keep_their_order(self):
    calls = []

    def act(rows: Sequence[str]) -> Sequence[str]:
      calls.append(list(rows))
      return [row.upper() for row in rows]

    sizes = batching.BatchSizes({'length_fn': len, 'bucket_boundaries': [2, 4]})
    self.assertEqual(sizes.apply(['aaaa', 'b', 'cc', 'd', 'eee'], act), ['AAAA', 'B', 'CC', 'D', 'EEE'])
    self.assertEqual(calls, [['b', 'd'], ['cc', 'eee'], ['aaaa']])

  def test_rows_and_weight_are_bounded_together(self):
    heavy = {'element_size_fn': lambda row: row, 'max_batch_weight': 10, 'max_batch_size': 3}
    parts = list(batching.BatchSizes(heavy).slices([1, 1, 1, 1, 9, 2, 20]))
    self.assertEqual(parts, [[1, 1, 1], [1, 9], [2], [20]])


class RunInferenceTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.folder = tempfile.TemporaryDirectory()
    rng = np.random.default_rng(1)
    cls.rows = rng.normal(size=(50, 3))
    cls.model = LogisticRegression().fit(cls.rows, (cls.rows.sum(axis=1) > 0).astype(int))
    cls.path = os.path.join(cls.folder.name, 'model.pkl')
    with open(cls.path, 'wb') as file:
      pickle.dump(cls.model, file)

  @classmethod
  def tearDownClass(cls):
    cls.folder.cleanup()

  def score(self, provider: Any, example: Any, inference: Any, rows: list[Any], *, keys: Any = None,
            expected: Any, **options: Any) -> None:
    transform = run_inference(
        provider, schema(example, inference), KEYS if keys else b'', transform='Here', **options)

    serialized = inference.SerializeToString()

    def read(answers: list[bytes]) -> list[Any]:
      return [value for answer in answers for value in inferences(serialized, answer)]

    with beam.Pipeline('BundleBasedDirectRunner') as p:
      answers = p | beam.Create([batch(example, rows, keys)], reshuffle=False) | transform
      assert_that(answers | beam.combiners.ToList() | beam.Map(read), equal_to([expected]))

  def refuses(self, code: str, make: Any) -> dict[str, Any]:
    with self.assertRaises(Exception) as caught:
      make()
    line = next(line for line in str(caught.exception).split('\n') if line.startswith(MARKER))
    marked = json.loads(line[line.index('{'):])
    self.assertEqual(marked['code'], code)
    self.assertEqual(marked['transform'], 'Here')
    return marked

  def test_equals_the_model_itself(self):
    expected = self.model.predict(self.rows).tolist()
    for handler in (SklearnModelHandlerNumpy, SklearnModelHandlerPandas):
      self.score(handler, FLOATS, INT64, list(self.rows), kwargs={'model_uri': self.path}, expected=expected)

  def test_plain_handlers_get_python_values_and_others_what_they_declare(self):
    text = atomic(schema_pb2.STRING)
    self.score(Describe, FLOATS, text, [[1.0], [2.0]], expected=['list of 2', 'list of 2'])
    self.score(Describe, INT64, text, [1], expected=['int of 1'])
    self.score(DescribeArrays, array_of(atomic(schema_pb2.FLOAT)), text, [[1.0]], expected=['ndarray float32'])

  def test_no_batch_is_larger_than_the_handler_allows(self):
    text = atomic(schema_pb2.STRING)
    self.score(
        Describe, INT64, text, [1, 2, 3], kwargs={'max_batch_size': 2}, expected=['int of 2', 'int of 2', 'int of 1'])

  def test_batches_are_gathered_when_the_handler_asks(self):
    transform = run_inference(
        Describe, schema(INT64, atomic(schema_pb2.STRING)), kwargs={'min_batch_size': 3, 'max_batch_size': 3})
    with beam.Pipeline('BundleBasedDirectRunner') as p:
      answers = p | beam.Create([batch(INT64, [i]) for i in range(3)], reshuffle=False) | transform
      texts = answers | beam.FlatMap(lambda answer: inferences(atomic(schema_pb2.STRING).SerializeToString(), answer))
      assert_that(texts, equal_to(['int of 3'] * 3))

  def test_a_model_per_key_keeps_the_order_of_rows(self):
    self.score(
        models_per_key, atomic(schema_pb2.DOUBLE), atomic(schema_pb2.DOUBLE), [1.0, 2.0, 3.0, 4.0, 5.0],
        keys=['a', 'b', 'a', 'c', 'b'], expected=[10.0, 200.0, 30.0, 400.0, 500.0])

  def test_a_model_per_key_out_of_a_file_does_too(self):
    text = atomic(schema_pb2.STRING)
    options = json.dumps({'file': 'words.py', 'source': WORDS, 'name': 'per_key'})
    self.score(
        'beambridge_host.handlers.custom.custom', text, text, ['1', '2', '3', '4', '5'], keys=['a', 'b', 'a', 'c', 'b'],
        options=options, expected=['A1', 'B2', 'A3', 'B4', 'B5'])

  def test_a_handler_of_pairs_that_groups_them_by_key(self):
    text = atomic(schema_pb2.STRING)
    options = {'keys': ['a', 'b', 'a', 'b', 'a'], 'expected': ['a-1', 'b-2', 'a-3', 'b-4', 'a-5']}
    self.score(GroupPairs, text, text, ['1', '2', '3', '4', '5'], **options)
    self.score(lambda: GroupPairs().with_postprocess_fn(lambda pair: pair), text, text, ['1', '2', '3', '4', '5'], **options)
    self.refuses('INFERENCE_MISMATCH', lambda: self.score(
        lambda: GroupPairs('other'), text, text, ['1', '2', '3', '4', '5'], **options))

  def test_a_handler_that_says_nothing_of_its_examples_gets_the_values_of_key_values(self):
    text = atomic(schema_pb2.STRING)
    self.score(Describe, text, text, ['txt'], keys=['K'], expected=['str of 1'])

  def test_a_handler_that_declares_pairs_gets_them(self):
    text = atomic(schema_pb2.STRING)
    self.score(DescribePairs, text, text, ['txt', 'b'], keys=['K', 'L'], expected=['K-txt', 'L-b'])

  def test_predictions_that_are_pairs_are_no_keys(self):
    self.score(Twice, INT64, array_of(INT64), [1, 2], expected=[[1, 2], [2, 4]])
    self.score(Twice, INT64, array_of(INT64), [1, 2], keys=['a', 'b'], expected=[[1, 2], [2, 4]])

  def test_a_handler_without_keys_is_made_one_with_keys(self):
    self.score(Times, atomic(schema_pb2.DOUBLE), atomic(schema_pb2.DOUBLE), [1.5], keys=['a'],
               kwargs={'factor': 2}, expected=[3.0])

  def test_pre_and_postprocessing(self):
    def handler() -> base.ModelHandler:
      return Times(2).with_preprocess_fn(lambda x: x + 1).with_postprocess_fn(lambda p: p.inference + 0.5)

    self.score(handler, atomic(schema_pb2.DOUBLE), atomic(schema_pb2.DOUBLE), [1.0], expected=[4.5])

  def test_rows_are_data_frames_for_pandas(self):
    example = schema_pb2.FieldType(row_type=schema_pb2.RowType(schema=schema_pb2.Schema(
        fields=[field(atomic(schema_pb2.DOUBLE), 'x'), field(INT64, 'n')])))
    row = ColumnReader(field(example)).read(ColumnWriter(field(example)).write([beam.Row(x=0.5, n=2)]), 1)
    frames = examples.example_adapter(SklearnModelHandlerPandas(self.path), field(example))(row)
    pandas.testing.assert_frame_equal(frames[0], pandas.DataFrame({'x': [0.5], 'n': [2]}))

  def test_relative_paths_start_from_the_given_folder(self):
    self.score(SklearnModelHandlerNumpy, FLOATS, INT64, [self.rows[0]], kwargs={'model_uri': 'model.pkl'},
               base_dir=self.folder.name, expected=self.model.predict(self.rows[:1]).tolist())

  def test_a_missing_model_is_found_before_anything_runs(self):
    marked = self.refuses('MODEL_NOT_FOUND', lambda: run_inference(
        SklearnModelHandlerNumpy, schema(FLOATS, INT64), kwargs={'model_uri': 'no.pkl'}, transform='Here',
        base_dir=self.folder.name))
    self.assertIn('no.pkl', marked['message'])

  def test_a_model_that_is_missing_where_it_runs(self):
    self.refuses('MODEL_NOT_FOUND', lambda: self.score(
        SklearnModelHandlerNumpy, FLOATS, INT64, [self.rows[0]], kwargs={'model_uri': '/no/such.pkl'}, expected=[]))

  def test_files_that_are_no_models(self):
    for name, content in (('text', b'no model'), ('empty', b''), ('dict', pickle.dumps({'a': 1}))):
      path = os.path.join(self.folder.name, name)
      with open(path, 'wb') as file:
        file.write(content)
      self.refuses('MODEL_INVALID', lambda path=path: self.score(
          SklearnModelHandlerNumpy, FLOATS, INT64, [self.rows[0]], kwargs={'model_uri': path}, expected=[]))

  def test_a_handler_that_cannot_be_built(self):
    marked = self.refuses('PYTHON_EXCEPTION', lambda: run_inference(
        SklearnModelHandlerNumpy, schema(FLOATS, INT64), transform='Here'))
    self.assertIn('model_uri', marked['message'])

  def test_a_misspelt_argument_of_a_handler_that_takes_any(self):
    marked = self.refuses('PYTHON_EXCEPTION', lambda: run_inference(
        SklearnModelHandlerNumpy, schema(FLOATS, INT64), kwargs={'model_uri': self.path, 'colour': 1},
        transform='Here'))
    self.assertIn("'colour'", marked['message'])
    arguments = {'model_uri': self.path, 'env_vars': {}, 'max_batch_size': 5}
    run_inference(SklearnModelHandlerNumpy, schema(FLOATS, INT64), kwargs=arguments)

  def test_what_is_no_handler(self):
    self.refuses('INVALID_ARGUMENT', lambda: run_inference(dict, schema(FLOATS, INT64), transform='Here'))

  def test_a_keyed_handler_without_keys(self):
    marked = self.refuses(
        'INVALID_ARGUMENT', lambda: run_inference(models_per_key, schema(FLOATS, INT64), transform='Here'))
    self.assertIn('ofKVs', marked['hint'])

  def test_a_handler_without_batching(self):
    self.refuses('UNSUPPORTED', lambda: run_inference(
        lambda: Describe().with_no_batching(), schema(FLOATS, INT64), transform='Here'))

  def test_what_a_handler_cannot_be_asked_for(self):
    def asking(provider: Any = Times, **settings: Any) -> Any:
      return lambda: run_inference(
          provider, schema(FLOATS, INT64), transform='Here', settings=settings,
          kwargs={'factor': 2} if provider is Times else None)

    marked = self.refuses('UNSUPPORTED', asking(model_updates=True))
    self.assertIn('Times takes no model updates', marked['message'])
    self.refuses('INVALID_ARGUMENT', asking(resource_hints={'min_ram': 'lots'}))
    with unittest.mock.patch.dict('sys.modules', {'torch': None, 'apache_beam.ml.inference.model_manager': None}):
      self.refuses('PYTHON_EXCEPTION', asking(model_manager={'verbose_logging': False}))

  def test_hints_and_identifiers_reach_beam(self):
    settings = {'resource_hints': {'min_ram': '1GB', 'cpu_count': '2'}, 'model_identifier': 'me',
                'metrics_namespace': 'mine', 'inference_args': {'nested': beam.Row(a=1)}}
    transform = run_inference(Describe, schema(INT64, INT64), transform='Here', settings=settings)
    hints = {urn.rsplit(':', 2)[-2]: value for urn, value in transform.get_resource_hints().items()}
    self.assertEqual(hints, {'min_ram_bytes': b'1000000000', 'cpu_count': b'2'})
    with unittest.mock.patch.object(base, 'RunInference', wraps=base.RunInference) as made:
      with beam.Pipeline('BundleBasedDirectRunner') as p:
        _ = p | beam.Create([batch(INT64, [])], reshuffle=False) | transform
    given = made.call_args.kwargs
    self.assertEqual((given['model_identifier'], given['metrics_namespace']), ('me', 'mine'))
    self.assertEqual(given['inference_args'], {'nested': {'a': 1}})

  def test_an_exception_while_predicting(self):
    marked = self.refuses('PYTHON_EXCEPTION', lambda: self.score(
        SklearnModelHandlerNumpy, FLOATS, INT64, [[1.0]], kwargs={'model_uri': self.path}, expected=[]))
    self.assertIn('1 features', marked['message'])
    self.assertIn('as many numbers as the model was trained with', marked['hint'])

  def test_numbers_for_a_model_of_rows(self):

    def hint(handler: Any, example: Any = INT64, value: Any = 1) -> Optional[str]:
      return self.refuses('PYTHON_EXCEPTION', lambda: self.score(
          handler, example, INT64, [value], kwargs={'model_uri': self.path}, expected=[])).get('hint')

    self.assertIn('example: array(float64)', hint(SklearnModelHandlerNumpy))
    self.assertIn('example: array(float64)', hint(SklearnModelHandlerNumpy, atomic(schema_pb2.FLOAT, nullable=True), 1.0))
    # A frame has rows, a text is no number, and functions may make anything of one.
    self.assertIn('as many numbers', hint(SklearnModelHandlerPandas))
    self.assertIsNone(hint(SklearnModelHandlerNumpy, atomic(schema_pb2.STRING), 'a'))
    self.assertIn('as many numbers', hint(lambda model_uri: SklearnModelHandlerNumpy(model_uri).with_preprocess_fn(lambda number: [number])))
    self.assertIsNone(hint(
        lambda model_uri: SklearnModelHandlerNumpy(model_uri, inference_fn=lambda *_: [0]).with_postprocess_fn(lambda _: 1 // 0)))

  def test_a_prediction_that_does_not_fit(self):
    marked = self.refuses('INFERENCE_MISMATCH', lambda: self.score(
        Describe, INT64, INT64, [1], expected=[]))
    self.assertIn("inference: str 'int of 1' does not fit the declared type int64", marked['message'])

  def test_the_model_id(self):
    transform = run_inference(Describe, schema(INT64, atomic(schema_pb2.STRING), model_id=True))

    def model_ids(answer: bytes) -> list[Any]:
      stream = coder_impl.create_InputStream(answer)
      stream.read_all(True), stream.read_all(True)
      return ColumnReader(field(atomic(schema_pb2.STRING, nullable=True), 'model_id')).read(stream.read_all(True), 1)

    with beam.Pipeline('BundleBasedDirectRunner') as p:
      answers = p | beam.Create([batch(INT64, [1])], reshuffle=False) | transform
      assert_that(answers | beam.Map(model_ids), equal_to([['me']]))

  def test_an_enumeration_by_name(self):
    with self.assertRaises(BridgeError):
      self.score(SklearnModelHandlerNumpy, FLOATS, INT64, [self.rows[0]], base_dir='/',
                 kwargs={'model_uri': '/no.joblib', 'model_file_type': 'JOBLIB'}, expected=[])


if __name__ == '__main__':
  unittest.main()
