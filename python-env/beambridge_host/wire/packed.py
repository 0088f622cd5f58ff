# SPDX-License-Identifier: Apache-2.0
"""Packed batches: what is in them, and what is written back.

A packed batch is `rows (varint), updates, timestamps, keys, examples`, each of the last four after its
length. Updates say which models may score these rows, newest first, each a path and a name after their
lengths; without any the handler's own does. Timestamps concern TypeScript only, and keys are empty
without a key type. The answer is the batch itself after its length, then a column of inferences, then
one of model ids if declared. The other end is src/ml/packing.ts.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Iterator, NamedTuple, Optional, Sequence

import apache_beam as beam
from apache_beam.coders import coder_impl
from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2
from apache_beam.utils.windowed_value import WindowedValue

from beambridge_host.errors import BridgeError, RowFailure, bridge_error
from beambridge_host.wire.columns import ColumnReader, prefixed
from beambridge_host.wire.misfit import Misfit
from beambridge_host.wire.predictions import PredictionColumn
from beambridge_host.wire.results import Results


class Declared(NamedTuple):
  """Declared fields as serialized messages, which cannot be pickled themselves."""
  example: bytes
  # Empty without keys.
  key: bytes
  # The inference, and the model id if it is wanted.
  predicted: tuple[bytes, ...]


def row_count(batch: bytes) -> int:
  """How many rows a packed batch holds."""
  return coder_impl.create_InputStream(batch[:10]).read_var_int64()


class PackedRows:
  """What RunInference takes for a batch of examples: its length is what it counts.

  Beam encodes some elements to learn their size, and a worker elsewhere may not know this class, so
  it is pickled as the plain batches.
  """

  def __init__(self, batches: list[bytes]) -> None:
    self.batches = batches
    self._count = sum(map(row_count, batches))

  def __len__(self) -> int:
    return self._count

  def __reduce__(self) -> tuple[Any, ...]:
    return (list, (self.batches,))


class Gather(beam.DoFn):
  """Gives packed batches their length in rows, and puts those of a bundle together until they have enough.

  Beam's BatchElements would move them to the end of their window, and what holds their rows back then is nothing:
  the watermark passes, and behind the model they are late.
  """

  def __init__(self, enough: int = 1) -> None:
    """
    Args:
      enough: rows that a handler wants at once, if there are as many.
    """
    super().__init__()
    self._enough = enough
    # By window and pane, which the rows keep.
    self._held: dict[tuple[Any, Any], tuple[list[bytes], int, Any]] = {}

  def start_bundle(self) -> None:
    self._held = {}

  def process(
      self,
      element: bytes,
      timestamp: Any = beam.DoFn.TimestampParam,
      window: Any = beam.DoFn.WindowParam,
      pane: Any = beam.DoFn.PaneInfoParam
  ) -> Iterator[Any]:
    if self._enough <= 1:
      yield PackedRows([element])
      return
    batches, rows, earliest = self._held.pop((window, pane), ([], 0, timestamp))
    batches.append(element)
    rows += row_count(element)
    earliest = min(earliest, timestamp)
    if rows < self._enough:
      self._held[window, pane] = (batches, rows, earliest)
    else:
      # A TimestampedValue would be put into the windows of its timestamp, which need not be those of the rows.
      yield WindowedValue(PackedRows(batches), earliest, [window], pane)

  def finish_bundle(self) -> Iterator[WindowedValue]:
    held, self._held = self._held, {}
    for (window, pane), (batches, _, earliest) in held.items():
      yield WindowedValue(PackedRows(batches), earliest, [window], pane)


class Columns:
  """Reads examples and writes predictions of the declared types."""

  def __init__(self, declared: Declared, transform: str, reads_keys: bool = True) -> None:
    self._example = schema_pb2.Field.FromString(declared.example)
    self._examples = ColumnReader(self._example)
    # Handlers that take examples alone do not see the keys, which TypeScript gives back.
    is_keyed = declared.key and reads_keys
    self._keys = ColumnReader(schema_pb2.Field.FromString(declared.key)) if is_keyed else None
    predicted = [schema_pb2.Field.FromString(field) for field in declared.predicted]
    self._predicted = [(field.name, PredictionColumn(field)) for field in predicted]
    self._transform = transform

  @property
  def example(self) -> schema_pb2.Field:
    """The declared example."""
    return self._example

  def parse(self, batch: bytes) -> tuple[bytes, Optional[Sequence[Any]], Sequence[Any]]:
    """The model updates, the keys, if there are any, and the examples of a packed batch: numbers as they came."""
    stream = coder_impl.create_InputStream(batch)
    count = stream.read_var_int64()
    updates = stream.read_all(True)
    stream.read_all(True)  # The timestamps.
    keys, column = stream.read_all(True), stream.read_all(True)
    values = self._examples.unconverted(column, count)
    if self._keys is None:
      return updates, None, values
    keyed = self._keys.read(keys, count)
    return updates, keyed.tolist() if hasattr(keyed, 'tolist') else keyed, values

  def answer(self, batch: bytes, predictions: Sequence[Any]) -> bytes:
    """The batch and its predictions in the declared types."""
    results = predictions if isinstance(predictions, Results) else [result_of(each) for each in predictions]
    try:
      return prefixed(batch) + self.pack(results)
    except Misfit as misfit:
      raise self._mismatch(misfit) from None

  def pack(self, results: Sequence[base.PredictionResult]) -> bytes:
    """The columns of predictions. Raises Misfit, whose path starts with the field, for the first that does not fit."""
    out = []
    for name, column in self._predicted:
      try:
        values = results.values(name) if isinstance(results, Results) else [getattr(result, name) for result in results]
        out.append(prefixed(column.pack(values)))
      except Misfit as misfit:
        misfit.path = name + misfit.path
        raise
    return b''.join(out)

  def checked(self, result: base.PredictionResult) -> base.PredictionResult:
    """The result, if every declared field of it fits."""
    try:
      self.pack([result])
    except Misfit as misfit:
      raise self._mismatch(misfit) from None
    return result

  def _mismatch(self, misfit: Misfit) -> BridgeError:
    return bridge_error(
        'INFERENCE_MISMATCH',
        misfit.describe(''),
        hint='Declare the type that the model gives, or convert in the model handler.',
        transform=self._transform)


class Update(NamedTuple):
  """A model that is to score some rows."""
  path: str
  name: str


def read_updates(data: bytes) -> list[Update]:
  """The updates of a packed batch, newest first."""
  stream = coder_impl.create_InputStream(data)
  updates = []
  while stream.size() > 0:
    updates.append(Update(stream.read_all(True).decode(), stream.read_all(True).decode()))
  return updates


def row_failure(prediction: Any) -> Optional[RowFailure]:
  """The failure that stands for a prediction, if one does."""
  if type(prediction) is tuple and len(prediction) == 2:
    prediction = prediction[1]  # A key and its prediction.
  return prediction if isinstance(prediction, RowFailure) else None


def without_key(prediction: Any) -> Any:
  """What a handler of (key, example) pairs gave for one, without the key."""
  return prediction[1] if type(prediction) is tuple and len(prediction) == 2 else prediction


def result_of(prediction: Any) -> base.PredictionResult:
  """A prediction as Beam has it."""
  # A handler or a postprocessing function may give its result bare.
  return prediction if isinstance(prediction, base.PredictionResult) else base.PredictionResult(None, prediction)


def identified(prediction: Any, path: str) -> base.PredictionResult:
  """A prediction that says which model made it, where the handler does not."""
  result = result_of(prediction)
  return result if result.model_id is not None else result._replace(model_id=path)
