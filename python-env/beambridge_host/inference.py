# SPDX-License-Identifier: Apache-2.0
"""RunInference for pipelines written in TypeScript.

Examples arrive in packed batches made by src/ml: one element of bytes holds many rows of one window.
Beam's own RunInference runs the user's handler on them; around it, examples are unpacked into what
the handler wants, and predictions are converted to the declared types and packed.

A packed batch is `rows (varint), timestamps, keys, examples`, each of the last three after its
length; timestamps concern TypeScript only and keys are empty without a key type. The answer is the
batch itself after its length, then a column of inferences, then one of model ids if declared.
"""

import enum
import inspect
import os
import traceback
from collections import defaultdict, deque
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence

import apache_beam as beam
from apache_beam.coders import coder_impl
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host import examples
from beambridge_host.columns import ColumnReader, prefixed
from beambridge_host.errors import BridgeError, bridge_error, one_line
from beambridge_host.predictions import Misfit, PredictionColumn

PACKAGES_HINT = 'Name the missing package with withExtraPackages([…]).'

# Families of Beam's handlers whose model is a file, and never the name of something to download.
_FILE_FAMILIES = ('sklearn', 'pytorch', 'onnx', 'xgboost', 'tensorflow', 'tensorrt')


def run_inference(
    model_handler_provider: Callable[..., Any],
    schema: bytes,
    key_schema: bytes = b'',
    kwargs: Any = None,
    transform: str = '',
    base_dir: str = '') -> beam.PTransform:
  """The transform that src/ml expands.

  Args:
    model_handler_provider: a handler's class, or a function that returns a handler.
    schema: the declared output row, a serialized Schema with `example`, `inference`, `model_id`.
    key_schema: a Schema whose only field is the key, or nothing.
    kwargs: a row of arguments for the provider.
    transform: the transform's name in the pipeline, for errors.
    base_dir: folder that relative paths of models start from, when this machine runs the pipeline.
  """
  fields = {field.name: field for field in schema_pb2.Schema.FromString(schema).fields}
  keys = schema_pb2.Schema.FromString(key_schema).fields
  handler = _build_handler(model_handler_provider, _arguments(model_handler_provider, kwargs, base_dir), transform)
  if base_dir:
    _check_model_files(handler, transform)
  return PackedInference(_keyed_as_declared(handler, bool(keys), transform), fields, keys[0] if keys else None, transform)


def _arguments(provider: Any, kwargs: Any, base_dir: str) -> dict[str, Any]:
  given = kwargs if isinstance(kwargs, dict) else kwargs._asdict() if kwargs else {}
  parameters = _parameters(provider)
  return {name: _argument(name, value, parameters.get(name), base_dir) for name, value in given.items()}


def _parameters(provider: Any) -> Mapping[str, inspect.Parameter]:
  try:
    return inspect.signature(getattr(provider, '_callable', provider)).parameters
  except (TypeError, ValueError):
    return {}


def _argument(name: str, value: Any, parameter: Optional[inspect.Parameter], base_dir: str) -> Any:
  if not isinstance(value, str):
    return value
  wanted = parameter.annotation if parameter else None
  if isinstance(wanted, type) and issubclass(wanted, enum.Enum) and value in wanted.__members__:
    return wanted[value]  # An enumeration has no form in a schema: ModelFileType comes as 'JOBLIB'.
  if base_dir and name.lower().endswith(('uri', 'path', 'file', 'dir', 'model')):
    path = os.path.join(base_dir, value)
    # Not every such argument is a path, and this process has a working folder of its own.
    if os.path.exists(path) or (_is_local(value) and value.startswith('.')):
      return os.path.normpath(path)
  return value


def _build_handler(provider: Any, arguments: dict[str, Any], transform: str) -> Any:
  try:
    handler = provider(**arguments)
  except BridgeError:
    raise
  except Exception as error:
    raise _python_error(error, 'the model handler could not be built', transform) from error
  if not (hasattr(handler, 'load_model') and hasattr(handler, 'run_inference')):
    raise bridge_error(
        'INVALID_ARGUMENT',
        f'the model loader gave a {type(handler).__name__}, which is no ModelHandler',
        hint='Name a ModelHandler class, or end the source text with a function that returns a handler.',
        transform=transform)
  if handler.should_skip_batching():
    raise bridge_error(
        'UNSUPPORTED',
        'handlers made with with_no_batching() take batches as examples, which cannot be declared',
        hint='Leave with_no_batching() out and set max_batch_size=1 to score examples one by one.',
        transform=transform)
  return handler


def _keyed_as_declared(handler: Any, keyed: bool, transform: str) -> Any:
  if not keyed:
    why = examples.fits_unkeyed(handler)
    if why:
      raise bridge_error(
          'INVALID_ARGUMENT', why, hint='Use RunInference.ofKVs and give the key type.', transform=transform)
    return handler
  if examples.takes_keys(handler) or not examples.says_example(handler):
    return handler
  return base.KeyedModelHandler(handler)


def _is_local(path: str) -> bool:
  return '://' not in path


def _check_model_files(handler: Any, transform: str) -> None:
  for inner in examples.inner_handlers(handler):
    modules = [cls.__module__ for cls in type(inner).__mro__]
    if not any(m == f'apache_beam.ml.inference.{family}_inference' for m in modules for family in _FILE_FAMILIES):
      continue
    for name, value in vars(inner).items():
      if not name.endswith(('_uri', '_path')) or not isinstance(value, str) or not value or not _is_local(value):
        continue
      if not os.path.exists(value):
        raise _not_found(value, transform)


def _not_found(path: Any, transform: str) -> BridgeError:
  return bridge_error(
      'MODEL_NOT_FOUND',
      f'there is no model at {path}',
      hint='Relative paths start from the folder in which the program runs. Check the path and who may read it.',
      transform=transform)


def _python_error(error: BaseException, what: str, transform: str) -> BridgeError:
  hint = PACKAGES_HINT if isinstance(error, ImportError) else None
  return bridge_error('PYTHON_EXCEPTION', f'{what}: {one_line(error)}', hint=hint, transform=transform)


def _load_error(error: BaseException, transform: str) -> BridgeError:
  if isinstance(error, FileNotFoundError):
    return _not_found(error.filename or one_line(error), transform)
  if isinstance(error, (ImportError, MemoryError)):
    return _python_error(error, 'the model could not be loaded', transform)
  return bridge_error(
      'MODEL_INVALID',
      f'the model could not be loaded: {one_line(error)}',
      hint='The file is damaged, of another framework, or of a version that this one cannot read.',
      transform=transform)


class PackedRows:
  """Examples of one or more packed batches. Its length is what RunInference counts as inferences."""

  def __init__(self, batches: list[tuple[bytes, int]], rows: list[Any]) -> None:
    self.batches = batches
    self.rows = rows

  def __len__(self) -> int:
    return len(self.rows)


class PackedInference(beam.PTransform):
  """Packed batches in, answers out."""

  def __init__(
      self, handler: Any, fields: dict[str, schema_pb2.Field], key: Optional[schema_pb2.Field], transform: str) -> None:
    super().__init__()
    self._handler = handler
    self._fields = fields
    self._key = key
    self._transform = transform

  def expand(self, pcoll: beam.PCollection) -> beam.PCollection:
    batching = self._handler.batch_elements_kwargs()
    handler = PackedHandler(self._handler, self._transform)
    batches = pcoll
    if 'min_batch_size' in batching or 'max_batch_duration_secs' in batching:
      # Only then: it moves elements to the end of their window, and batches arrive large already.
      wanted = {k: v for k, v in batching.items() if k in ('min_batch_size', 'max_batch_size', 'max_batch_duration_secs')}
      batches = pcoll | beam.BatchElements(**wanted, element_size_fn=_row_count).with_output_types(list[bytes])
    declared = [self._fields[name].SerializeToString() for name in ('inference', 'model_id') if name in self._fields]
    return (
        batches
        | 'Unpack' >> beam.ParDo(
            Unpack(
                self._handler,
                self._fields['example'].SerializeToString(),
                self._key.SerializeToString() if self._key is not None else b''))
        | 'RunInference' >> base.RunInference(handler)
        | 'Pack' >> beam.ParDo(Pack(declared, self._transform)).with_output_types(bytes))


def _row_count(batch: bytes) -> int:
  return coder_impl.create_InputStream(batch[:10]).read_var_int64()


class Unpack(beam.DoFn):
  """Packed batches to rows for a handler."""

  def __init__(self, handler: Any, example_field: bytes, key_field: bytes) -> None:
    self._handler = handler
    self._fields = (example_field, key_field)

  def setup(self) -> None:
    example, key = self._fields
    self._examples = ColumnReader(schema_pb2.Field.FromString(example))
    self._keys = ColumnReader(schema_pb2.Field.FromString(key)) if key else None
    self._adapt = examples.example_adapter(self._handler)

  def process(self, element: Any) -> Iterator[PackedRows]:
    batches: list[tuple[bytes, int]] = []
    rows: list[Any] = []
    for raw in [element] if isinstance(element, bytes) else element:
      stream = coder_impl.create_InputStream(raw)
      count = stream.read_var_int64()
      stream.read_all(True)  # The timestamps.
      keys, column = stream.read_all(True), stream.read_all(True)
      values = self._adapt(self._examples.read(column, count))
      if self._keys is not None:
        keyed = self._keys.read(keys, count)
        values = list(zip(keyed.tolist() if hasattr(keyed, 'tolist') else keyed, values))
      batches.append((raw, count))
      rows.extend(values)
    yield PackedRows(batches, rows)


class PackedHandler(base.ModelHandler):
  """A handler of packed rows around the user's handler."""

  def __init__(self, inner: Any, transform: str) -> None:
    super().__init__()
    self._inner = inner
    self._transform = transform

  def __str__(self) -> str:
    return str(self._inner)

  def load_model(self) -> Any:
    try:
      model = self._inner.load_model()
    except Exception as error:
      raise _load_error(error, self._transform) from error
    self._check_model(model)
    return model

  def _check_model(self, model: Any) -> None:
    inner = next(examples.inner_handlers(self._inner))
    predicts = getattr(inner, '_model_inference_fn', None)
    is_default = getattr(predicts, '__module__', '') == 'apache_beam.ml.inference.sklearn_inference'
    if is_default and not isinstance(model, base._ModelHandlerManager) and not hasattr(model, 'predict'):
      raise bridge_error(
          'MODEL_INVALID',
          f'the model file holds a {type(model).__module__}.{type(model).__qualname__}, which cannot predict',
          hint='Save a fitted scikit-learn estimator with pickle.dump(model, file).',
          transform=self._transform)

  def run_inference(
      self, batch: PackedRows, model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    rows = batch.rows
    predictions: list[Any] = []
    try:
      for apply in self._inner.get_preprocess_fns():
        rows = [apply(row) for row in rows]
      for part in self._slices(rows):
        predictions.extend(self._in_order(part, list(self._inner.run_inference(part, model, inference_args))))
      for apply in self._inner.get_postprocess_fns():
        predictions = [apply(prediction) for prediction in predictions]
    except BridgeError:
      raise
    except Exception as error:
      # Models of a KeyedModelHandler that has several are loaded here.
      frames = traceback.walk_tb(error.__traceback__)
      if any(frame.f_code.co_name == 'load_model' for frame, _ in frames):
        raise _load_error(error, self._transform) from error
      raise _python_error(error, 'the model handler failed', self._transform) from error
    out, start = [], 0
    for raw, count in batch.batches:
      out.append((raw, predictions[start:start + count]))
      start += count
    return out

  def _slices(self, rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    batching = self._inner.batch_elements_kwargs()
    largest = batching.get('max_batch_weight') or batching.get('max_batch_size') or len(rows)
    size_of = batching.get('element_size_fn')
    if size_of is None:
      for start in range(0, len(rows), largest):
        yield rows[start:start + largest]
      return
    part: list[Any] = []
    weight = 0
    for row in rows:
      size = size_of(row)
      if part and weight + size > largest:
        yield part
        part, weight = [], 0
      part.append(row)
      weight += size
    if part:
      yield part

  def _in_order(self, rows: Sequence[Any], predictions: list[Any]) -> list[Any]:
    if len(predictions) != len(rows):
      raise bridge_error(
          'INFERENCE_MISMATCH',
          f'the model handler gave {len(predictions)} predictions for {len(rows)} examples',
          hint='A handler must give one prediction for each example, in order.',
          transform=self._transform)
    if not getattr(self._inner, '_id_to_mh_map', None):
      return predictions
    # With a model per key, predictions come grouped by key.
    waiting: dict[Any, deque[Any]] = defaultdict(deque)
    for prediction in predictions:
      waiting[prediction[0]].append(prediction)
    return [waiting[row[0]].popleft() for row in rows]

  def get_num_bytes(self, batch: PackedRows) -> int:
    return sum(len(raw) for raw, _ in batch.batches)

  def should_skip_batching(self) -> bool:
    return True

  def get_metrics_namespace(self) -> str:
    return self._inner.get_metrics_namespace()

  def get_resource_hints(self) -> dict:
    return self._inner.get_resource_hints()

  def validate_inference_args(self, inference_args: Optional[dict[str, Any]]) -> None:
    self._inner.validate_inference_args(inference_args)

  def update_model_path(self, model_path: Optional[str] = None) -> None:
    self._inner.update_model_path(model_path)

  def update_model_paths(self, model: Any, model_paths: Any = None) -> None:
    self._inner.update_model_paths(model, model_paths)

  def set_environment_vars(self) -> None:
    self._inner.set_environment_vars()

  def share_model_across_processes(self) -> bool:
    return self._inner.share_model_across_processes()

  def model_copies(self) -> int:
    return self._inner.model_copies()

  def override_metrics(self, metrics_namespace: str = '') -> bool:
    return self._inner.override_metrics(metrics_namespace)

  def should_garbage_collect_on_timeout(self) -> bool:
    return self._inner.should_garbage_collect_on_timeout()


class Pack(beam.DoFn):
  """Predictions to the declared types, beside the batch that they answer."""

  def __init__(self, declared: list[bytes], transform: str) -> None:
    self._declared = declared
    self._transform = transform

  def setup(self) -> None:
    fields = [schema_pb2.Field.FromString(field) for field in self._declared]
    self._columns = [(field.name, PredictionColumn(field)) for field in fields]

  def process(self, element: tuple[bytes, list[Any]]) -> Iterator[bytes]:
    raw, predictions = element
    results = [_result(prediction) for prediction in predictions]
    out = [prefixed(raw)]
    for name, column in self._columns:
      try:
        out.append(prefixed(column.pack([getattr(result, name) for result in results])))
      except Misfit as misfit:
        raise bridge_error(
            'INFERENCE_MISMATCH',
            misfit.describe(name),
            hint='Declare the type that the model gives, or convert in the model handler.',
            transform=self._transform) from None
    yield b''.join(out)


def _result(prediction: Any) -> base.PredictionResult:
  if isinstance(prediction, tuple) and not isinstance(prediction, base.PredictionResult) and len(prediction) == 2:
    prediction = prediction[1]  # A key and its prediction.
  if isinstance(prediction, base.PredictionResult):
    return prediction
  # A handler or a postprocessing function may give its result bare.
  return base.PredictionResult(None, prediction)
