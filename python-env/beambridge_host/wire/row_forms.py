# SPDX-License-Identifier: Apache-2.0
"""Examples and rows in one form, so that what they hold can be compared: frames, series, named tuples, dicts, tensors.

What examples hold beside the parts of a row does not count: a frame that was sorted has an index, or a column more with the prediction.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, Sequence

import numpy as np

from beambridge_host.wire.exact_numbers import as_numpy
from beambridge_host.wire.frames import Frames

SEQUENCES = (list, tuple, np.ndarray)


def as_array(values: Any) -> Any:
  """A tensor as an array, fetched at once and not row by row from where a model runs; anything else as it is."""
  try:
    return as_numpy(values) if len(getattr(values, 'shape', ())) and hasattr(values, 'dtype') else values
  except Exception:  # pylint: disable=broad-except
    return values  # A tensor of which numpy has none, such as a sparse one.


def rows_of(batch: Sequence[Any]) -> Sequence[Any]:
  """Rows that are made anew each time that they are looked at. Those of a frame are dear as frames of one row."""
  return batch.frame.to_dict('records') if isinstance(batch, Frames) else tuple(batch)


def _near(values: Sequence[Any]) -> Sequence[Any]:
  """Tensors as arrays, those of one type fetched at once; in dicts by their names."""
  if type(values) is np.ndarray and values.dtype != object:
    return values
  if all(isinstance(each, Mapping) for each in values) and len({frozenset(each) for each in values}) == 1:
    names = list(values[0])
    if any(isinstance(part, Mapping) or _is_tensor(part) for part in values[0].values()):
      return [dict(zip(names, parts)) for parts in zip(*(_near([each[name] for each in values]) for name in names))]
    return values
  torch = sys.modules.get('torch')
  are_alike = torch is not None and all(isinstance(each, torch.Tensor) and each.layout is torch.strided for each in values)
  if torch is None or not are_alike or len({(each.dtype, each.device) for each in values}) > 1:
    return [as_array(each) if _is_tensor(each) else each for each in values]
  whole = torch.cat([each.detach().reshape(-1) for each in values]).cpu()
  return [as_numpy(part.reshape(each.shape)) for part, each in zip(whole.split([each.numel() for each in values]), values)]


def _is_tensor(value: Any) -> bool:
  return hasattr(value, 'dtype') and hasattr(value, 'numpy') and not hasattr(value, 'iloc')


def _records(values: Sequence[Any]) -> Sequence[Any]:
  """Rows of frames as dicts."""
  if not all(hasattr(each, 'iloc') for each in values):
    return values
  if all(each.ndim == 2 and len(each) == 1 for each in values):
    return sys.modules['pandas'].concat(values).to_dict('records')
  return [each.to_dict() if each.ndim == 1 else each for each in values]


def _is_named(value: Any) -> bool:
  return isinstance(value, Mapping) or isinstance(value, tuple) and hasattr(value, '_asdict')


def _named(value: Any) -> Any:
  """Rows of whichever class as dicts, all the way down."""
  if isinstance(value, Mapping):
    return {name: _named(part) for name, part in value.items()}
  if isinstance(value, list):
    return list(map(_named, value)) if value and _is_named(value[0]) else value
  return {name: _named(part) for name, part in value._asdict().items()} if _is_named(value) else value


def _listed(value: Any) -> Any:
  """The values of a row, in their order."""
  value = as_numpy(value)
  if isinstance(value, np.ndarray):
    return value[0] if value.ndim > 1 and len(value) == 1 else value
  return list(value.values()) if isinstance(value, Mapping) else list(value) if isinstance(value, tuple) else value


def in_one_form(given: Sequence[Any], wanted: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
  """Examples and rows in the same form, whichever class those are of."""
  given, wanted = _records(_near(given)), _records(wanted)
  first, row = (next((each for each in values if each is not None), None) for values in (given, wanted))
  if not _is_named(first) and not _is_named(row):
    return given, wanted
  if _is_named(first) and _is_named(row):
    named = list(map(_named, given)), list(map(_named, wanted))
    names = _named(row).keys()
    if _named(first).keys() >= names:
      return [{name: each[name] for name in names if name in each} if isinstance(each, dict) else each for each in named[0]], named[1]
  given, wanted = list(map(_listed, given)), list(map(_listed, wanted))
  # Where one has more, that of itertuples() is in front.
  return [each[-len(row):] if isinstance(each, SEQUENCES) and isinstance(row, SEQUENCES) else each
          for each, row in zip(given, wanted)], wanted
