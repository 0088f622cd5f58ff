# SPDX-License-Identifier: Apache-2.0
"""Predictions put back in the order of the rows, where they say themselves whose they are.

Predictions belong to rows by their places. A handler may sort its batch, by length for instance, or group (key, example) pairs by
key, as Beam's with a model per key does: then the examples or the keys that it gives back say whose each prediction is. An example
says it where it is the object of a row and of no other. Where some do and stand elsewhere, all have to, or nobody knows whose the
others are. One that is merely equal to another row is no proof, and is refused.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import datetime
import decimal
import enum
import operator
from collections import Counter, defaultdict, deque
from typing import Any, Hashable, Optional, Sequence

import numpy as np
from apache_beam.ml.inference import base

from beambridge_host.errors import BridgeError
from beambridge_host.wire import unconverted
from beambridge_host.wire.content import are_same, contents, in_other_order
from beambridge_host.wire.route_keys import route_key
from beambridge_host.wire.several import not_a_batch

# Bytes that are compared at once.
_PIECE = 2**18


def is_pair(value: Any) -> bool:
  """Whether a value may be a key with its example, or with its prediction."""
  return type(value) is tuple and len(value) == 2


def _places(given: Sequence[Hashable], wanted: Sequence[Hashable]) -> Optional[list[int]]:
  """For each of what is wanted its place in what is given; None where these are not the same, as often."""
  if Counter(given) != Counter(wanted):
    return None
  waiting: dict[Hashable, deque[int]] = defaultdict(deque)
  for place, each in enumerate(given):
    waiting[each].append(place)
  return [waiting[each].popleft() for each in wanted]


# Values of which Python, numpy or a program has one object for all: that one stands in two places may be by chance.
_SHARED = (
    type(None), int, float, complex, str, bytes, frozenset, enum.Enum, np.generic, decimal.Decimal, datetime.date, datetime.time,
    datetime.timedelta, type)


def _is_own(value: Any) -> bool:
  """Whether a value is an object that is nobody else's, so that whoever gives it means this row."""
  if type(value) is tuple:
    return any(map(_is_own, value))
  return not isinstance(value, _SHARED)


def change_of(taken: Sequence[Any], rows: Sequence[Any]) -> Optional[str]:
  """What a handler did to the batch that it was given, if its predictions may have lost their rows by it.

  Rows that were overwritten with others, such as scaled ones or predictions, are in their places. Of a batch that lost rows
  nobody can tell afterwards whether those were taken from the front or from the end.

  Args:
    rows: what the batch held before.
  """
  if len(taken) < len(rows):
    return 'took rows out of'
  if len(taken) > len(rows):
    # Filled up at its end, as to a fixed size, unless all rows are there still and do not stand at its beginning.
    stands = isinstance(taken, np.ndarray) or all(map(operator.is_, taken, rows))
    if not stands and not Counter(map(id, rows)) - Counter(map(id, taken)):
      return 'put rows into'
    if not stands and _is_rest_and_filler(taken, rows):
      return 'took rows out of'
    taken = taken[:len(rows)]
  if isinstance(taken, np.ndarray):
    return 'sorted' if not _is_as_it_came(taken, rows) and in_other_order(taken, unconverted.taken(rows), [None] * len(rows)) else None
  if all(map(operator.is_, taken, rows)):
    return None
  was_moved = (Counter(map(id, taken)) == Counter(map(id, rows)) or _has_moved(taken, rows)) and not _are_equal(taken, rows)
  return 'sorted' if was_moved or in_other_order(taken, rows, [None] * len(rows)) else None


def _is_rest_and_filler(taken: Sequence[Any], rows: Sequence[Any]) -> bool:
  """Whether a batch begins with some of the rows, in their order, one in the place of another, and goes on with one thing alone."""
  place = 0
  left = iter(enumerate(rows))
  moved = False
  for each in taken:
    found = next((at for at, row in left if row is each), None)
    if found is None:
      break
    moved = moved or found != place
    place += 1
  return moved and len({id(each) for each in taken[place:]}) <= 1


def _has_moved(taken: Sequence[Any], rows: Sequence[Any]) -> bool:
  """Whether a row that is nobody else's stands in another's place and not in its own: some before it were taken out, say."""
  stands = {id(row) for each, row in zip(taken, rows) if each is row}
  own = {id(row) for row in rows if _is_own(row)} - stands
  return bool(own) and any(id(each) in own for each in taken)


def _is_as_it_came(array: np.ndarray, rows: Sequence[Any]) -> bool:
  """Whether an array holds its rows still. In pieces, since all of them at once would be dear beside a large one."""
  step = max(1, _PIECE // max(1, array[:1].nbytes))
  return all(are_same(array[at:at + step], unconverted.taken(rows[at:at + step])) for at in range(0, len(rows), step))


def _are_equal(taken: Sequence[Any], rows: Sequence[Any]) -> bool:
  held = contents(rows)
  try:
    return held is not None and held == contents(taken)
  except Exception:  # pylint: disable=broad-except
    return False  # Sparse matrices are equal by the element.


def say_of_their_rows(results: Sequence[Any], rows: Sequence[Any]) -> bool:
  """Whether each result has what its own row holds as its example."""
  pairs = [(result[1], row[1]) if is_pair(result) and is_pair(row) else (result, row) for result, row in zip(results, rows)]
  return len(results) == len(rows) and _are_equal([_example(result) for result, _ in pairs], [row for _, row in pairs])


def order_of_examples(examples: Sequence[Any], rows: Sequence[Any], keys: Sequence[Hashable] = ()) -> Optional[list[int]]:
  """For each row the place of its example, where those are the very rows in another order; None where they are in their places.

  Raises where some are rows in other places and others do not say whose they are, and where they hold what rows hold, in another
  order, and are other objects: a handler may have sorted its batch, or have given as the example something that another row
  holds by chance, such as a complement or a neighbour.

  Args:
    keys: that of each example and its row, where they have some: examples of one key are not those of another.
  """
  moved = [place for place, (example, row) in enumerate(zip(examples, rows)) if example is not row]
  if len(examples) != len(rows) or not moved:
    return None
  keys = keys or [None] * len(rows)
  very = set(zip(keys, map(id, rows)))
  if any((keys[place], id(examples[place])) in very and _is_own(examples[place]) for place in moved):
    places = _proven(examples, rows, keys, moved)
    if places is None:
      raise not_a_batch(
          'some of the examples that the model handler gave are rows in another order, and others do not say whose they are',
          hint=f'{_HOW} None, and what was made of a row, say nothing: give the rows as they were with those, too.')
    return places
  if in_other_order(*([values[place] for place in moved] for values in (examples, rows, keys))):
    raise not_a_batch(
        'the examples that the model handler gave hold what the rows hold, in another order: they do not prove whose each prediction is',
        hint=f'{_HOW} Texts, numbers and copies are no row itself: put those that you sorted back in order.')
  return None


_HOW = 'Give the row itself as example, or predictions in the order of the rows.'


def _proven(examples: Sequence[Any], rows: Sequence[Any], keys: Sequence[Hashable], moved: Sequence[int]) -> Optional[list[int]]:
  often = Counter(map(id, rows))
  # Rows without a value go with those that have one.
  if not all(rows[place] is None or often[id(rows[place])] == 1 and _is_own(rows[place]) for place in moved):
    return None
  places = _places(list(zip(keys, map(id, examples))), list(zip(keys, map(id, rows))))
  held = contents(rows) if places is None else None
  if held is None:
    return places
  # One object may stand for all rows that are equal to it.
  by_id = dict(zip(map(id, rows), held))
  if not by_id.keys() >= set(map(id, examples)):
    return None
  return _places([(key, by_id[id(example)]) for key, example in zip(keys, examples)], list(zip(keys, held)))


def order_of_results(results: Sequence[Any], rows: Sequence[Any]) -> Optional[list[int]]:
  """The same of results, each with its example or with its key as well; None where they do not say."""
  keyed = [result for result in results if is_pair(result)]
  if len(keyed) < len(results) or not all(map(is_pair, rows)):
    return order_of_examples(list(map(_example, results)), rows)
  # Two keys may have the same example.
  wanted = [route_key(key) for key, _ in rows]
  by_key = _places([route_key(key) for key, _ in keyed], wanted)
  if by_key is None:
    return None
  within = order_of_examples([_example(keyed[place][1]) for place in by_key], [example for _, example in rows], wanted)
  return by_key if within is None else [by_key[place] for place in within]


def _example(result: Any) -> Any:
  return result.example if isinstance(result, base.PredictionResult) else None


def by_keys(predictions: Sequence[Any], pairs: Sequence[Any]) -> Sequence[Any]:
  """Predictions of (key, example) pairs in the order of these. Raises where they are of other keys.

  Those without a key stay where they are.
  """
  if not all(map(is_pair, pairs)) or not any(map(is_pair, predictions)):
    return predictions
  wanted = [route_key(key) for key, _ in pairs]
  given = [route_key(prediction[0]) if is_pair(prediction) else key for prediction, key in zip(predictions, wanted)]
  if given == wanted:
    return predictions
  places = _places(given, wanted) if all(map(is_pair, predictions)) else None
  if places is None:
    raise _other_keys(given, wanted)
  return [predictions[place] for place in places]


def _other_keys(given: Sequence[Any], wanted: Sequence[Any]) -> BridgeError:
  counts, expected = Counter(given), Counter(wanted)
  key = next((key for key in (*counts, *expected) if counts[key] != expected[key]), given[0])
  return not_a_batch(
      f'of {len(given)} predictions the model handler gave {counts[key]} with the key {key!r}, which {expected[key]} of the examples have',
      hint='A handler of (key, example) pairs gives (key, prediction) for each of them, with the key that it was given.')
