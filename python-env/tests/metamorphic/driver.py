# SPDX-License-Identifier: Apache-2.0
"""Runs a handler on packed batches, and says of each row what came of it."""

import copy
import itertools
import os
import pickle
import zlib
from typing import Any, Callable, Iterator, NamedTuple, Optional, Sequence

import numpy as np
from apache_beam.coders import coder_impl
from apache_beam.portability.api import schema_pb2

from beambridge_host.errors import BridgeError, FatalError, fields_of
from beambridge_host.inference.dead_letters import DeadLetterHandler
from beambridge_host.inference.inference import _declared
from beambridge_host.inference.model_cache import Plan
from beambridge_host.inference.scoring import PackedHandler, Route, Setup
from beambridge_host.wire import arrays
from beambridge_host.wire.columns import ColumnReader, ColumnWriter, prefixed
from beambridge_host.wire.examples import example_adapter
from beambridge_host.wire.frames import Frames, whole_frame
from beambridge_host.wire.packed import Columns, PackedRows
from beambridge_host.wire.predictions import PredictionColumn
from beambridge_host.wire.results import kept
from tests.test_columns import atomic, field

KEY = field(atomic(schema_pb2.STRING), 'key')
SIZES = (1, 2, 3, 17)


class Refused(NamedTuple):
  """No prediction, and why."""
  code: str
  # Whether it ended the run.
  fatal: bool


class Way(NamedTuple):
  """How rows get to a handler."""
  keyed: bool
  dead_letters: bool
  # Whether a call has one row.
  one_by_one: bool
  # How many packed batches they come in.
  batches: int
  # Whether predictions are looked at one by one, as with a model per key and in a process of its own.
  listed: bool = False
  # Whether there is a row on which the model raises, set apart by dead letters.
  failing: bool = False


WAYS = tuple(
    Way(*each) for each in itertools.product((False, True), (False, True), (False, True), (1, 2), (False, True))
) + (Way(False, True, False, 1, False, True), Way(True, True, False, 2, True, True))

# With every way of every combination these tests take nine minutes.
_EVERY_WAY = os.environ.get('BEAMBRIDGE_METAMORPHIC') == 'all'


def sampled(ways: Sequence[Way], *what: Any) -> Sequence[Way]:
  """The first way, and one of the others that goes by what is tried, so that over all of it each is tried; or all of them."""
  if _EVERY_WAY or len(ways) <= 2:
    return ways
  others = ways[1:]
  return (ways[0], others[zlib.crc32(repr(what).encode()) % len(others)])


_made: dict[Any, Any] = {}


def _once(key: Any, make: Callable[[], Any]) -> Any:
  """What `make` gives, made once: classes of rows are made with every column."""
  if key not in _made:
    _made[key] = make()
  return _made[key]


def column(declared: schema_pb2.Field, values: Sequence[Any]) -> bytes:
  """A column as TypeScript writes it: packed where the type can be."""
  return _once(('writer', declared.SerializeToString()), lambda: PredictionColumn(declared)).pack(list(values))


def packed(declared: schema_pb2.Field, values: Sequence[Any], keys: Optional[Sequence[str]]) -> bytes:
  count = coder_impl.create_OutputStream()
  count.write_var_int64(len(values))
  key_column = b'' if keys is None else _once('keys', lambda: ColumnWriter(KEY)).write(keys)
  return count.get() + prefixed(b'') + prefixed(b'times') + prefixed(key_column) + prefixed(column(declared, values))


def run(handler: Any, example: schema_pb2.Field, inference: schema_pb2.Field, rows: Sequence[Any], way: Way,
        args: Optional[dict[str, Any]] = None) -> list[Any]:
  """The prediction of each row, or why there is none."""
  if way.failing:
    return _with_failure(handler, example, inference, rows, way, args)
  scorer = _scorer(_listing(handler) if way.listed else handler, example, inference, way)
  keys = [f'k{i % 2}' for i in range(len(rows))] if way.keyed else None
  middle = len(rows) // 2 if way.batches == 2 and len(rows) > 1 else len(rows)
  parts = [(rows[:middle], keys and keys[:middle]), (rows[middle:], keys and keys[middle:])]
  batches = [packed(example, part, part_keys) for part, part_keys in parts if len(part)]
  try:
    answers = list(scorer.run_inference(PackedRows(batches), scorer.load_model(), args))
  except BridgeError as error:
    return [Refused(fields_of(error)['code'], isinstance(error, FatalError))] * len(rows)
  return [outcome for answer in answers for outcome in outcomes(inference, answer, way.dead_letters)]


def _listing(handler: Any) -> Any:
  """The handler with predictions as a child process gives them."""
  out = copy.copy(handler)
  out.run_inference = lambda rows, model, args=None: pickle.loads(pickle.dumps(list(kept(handler.run_inference(rows, model, args), rows))))
  return out


FAILS = 1e7


def _with_failure(handler: Any, example: schema_pb2.Field, inference: schema_pb2.Field, rows: Sequence[Any], way: Way,
                  args: Optional[dict[str, Any]]) -> list[Any]:
  out = copy.copy(handler)

  def infer(batch: Any, model: Any, args: Any = None) -> Any:
    if any(np.max(np.asarray(whole_frame(batch) if isinstance(batch, Frames) else row)) == FAILS for row in batch):
      raise ValueError('this row fails')
    return handler.run_inference(batch, model, args)

  out.run_inference = infer
  found = run(out, example, inference, [*rows, np.full_like(rows[0], FAILS)], way._replace(failing=False), args)
  assert isinstance(found[-1], Refused) and (found[-1].code == 'ValueError' or found[-1].fatal), found
  return found[:-1]


def _scorer(handler: Any, example: schema_pb2.Field, inference: schema_pb2.Field, way: Way) -> PackedHandler:
  declared = _declared({'example': example, 'inference': inference}, [KEY] if way.keyed else [])
  batching = {'max_batch_size': 1} if way.one_by_one else {'min_batch_size': 64}
  setup = Setup([Route(handler, handler, False, batching)], declared, 'T', _plan(), 'made')
  scorer = (DeadLetterHandler if way.dead_letters else PackedHandler)(setup)
  scorer._columns = _once(('columns', declared), lambda: Columns(declared, 'T', False))
  scorer._adapters = [example_adapter(handler, scorer._columns.example)]
  return scorer


_tags: Iterator[int] = itertools.count()


def _plan() -> Plan:
  return Plan(f'metamorphic-{next(_tags)}', None)


def outcomes(inference: schema_pb2.Field, answer: bytes, dead_letters: bool) -> list[Any]:
  stream = coder_impl.create_InputStream(answer)
  count = coder_impl.create_InputStream(stream.read_all(True)).read_var_int64()
  failed: dict[int, Refused] = {}
  if dead_letters:
    failures = coder_impl.create_InputStream(stream.read_all(True))
    for _ in range(failures.read_var_int64()):
      row = failures.read_var_int64()
      texts = [failures.read_all(True).decode() for _ in range(4)]
      failed[row] = Refused(texts[1], False)
  reader = _once(('reader', inference.SerializeToString()), lambda: ColumnReader(inference))
  read = iter(reader.read(stream.read_all(True), count - len(failed)))
  return [failed[row] if row in failed else plain(next(read)) for row in range(count)]


def plain(value: Any) -> Any:
  """Values of any library as Python's, to be compared."""
  if hasattr(value, '_asdict'):
    return {name: plain(part) for name, part in value._asdict().items()}
  if hasattr(value, 'detach'):
    value = value.detach().cpu()
  if hasattr(value, 'numpy') and callable(value.numpy):
    value = value.numpy()
  if hasattr(value, 'tolist'):
    value = value.tolist()
  if isinstance(value, dict):
    return {name: plain(part) for name, part in value.items()}
  if isinstance(value, (list, tuple)):
    return [plain(part) for part in value]
  return round(value, 5) if isinstance(value, float) and value == value else repr(value) if value != value else value


def ready(handler: Any, model: Any) -> Any:
  """The handler as a pipeline makes it, with this model in the place of a file's."""
  handler.load_model = lambda: model
  return arrays.use_arrays(handler)


