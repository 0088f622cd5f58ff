# SPDX-License-Identifier: Apache-2.0
"""Predictions put back in the order of the rows, where they say themselves whose they are.

Predictions belong to rows by their places. A handler may sort its batch, by length for instance, or group (key, example) pairs by
key, as Beam's with a model per key does: then the examples or the keys that it gives back say whose each prediction is.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import operator
from collections import Counter, defaultdict, deque
from typing import Any, Hashable, Optional, Sequence

from apache_beam.ml.inference import base

from beambridge_host.errors import BridgeError
from beambridge_host.wire.content import same_contents
from beambridge_host.wire.route_keys import route_key
from beambridge_host.wire.several import not_a_batch


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


def moved(examples: Sequence[Any], rows: Sequence[Any]) -> Optional[list[int]]:
  """For each row the place of its example, where those are the very rows in another order; else None."""
  if len(examples) == len(rows) and all(map(operator.is_, examples, rows)):
    return None
  return _places(list(map(id, examples)), list(map(id, rows)))


def moved_or_copied(examples: Sequence[Any], rows: Sequence[Any], keys: Sequence[Sequence[Hashable]] = ()) -> Optional[list[int]]:
  """The same where examples are the rows or equal copies of them, as pandas, numpy and JSON give.

  Examples that a handler made otherwise say nothing.

  Args:
    keys: that of each example and of each row, where both have some.
  """
  if len(examples) == len(rows) and all(map(operator.is_, examples, rows)):
    return None
  given_keys, wanted_keys = keys or ([()] * len(examples), [()] * len(rows))
  places = _places(list(zip(given_keys, map(id, examples))), list(zip(wanted_keys, map(id, rows))))
  if places is not None:
    return places
  same = same_contents(examples, rows) if len(rows) > 1 else None
  if same is None:
    return None
  given, wanted = (list(zip(each, held)) for each, held in zip((given_keys, wanted_keys), same))
  return None if given == wanted else _places(given, wanted)


def moved_results(results: Sequence[Any], rows: Sequence[Any]) -> Optional[list[int]]:
  """The same of results, each with its example or with its key as well; None where they do not say."""
  if results and all(isinstance(result, base.PredictionResult) for result in results):
    return moved_or_copied([result.example for result in results], rows)
  if not all(is_pair(result) and isinstance(result[1], base.PredictionResult) for result in results):
    return None
  if not all(map(is_pair, rows)) or all(result[1].example is row[1] for result, row in zip(results, rows)):
    return None
  # Two keys may have the same example.
  keys = [[route_key(key) for key, _ in each] for each in (results, rows)]
  return moved_or_copied([result.example for _, result in results], [example for _, example in rows], keys)


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
