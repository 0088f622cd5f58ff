# SPDX-License-Identifier: Apache-2.0
"""Batches in the shape that a model's input has.

A number or a flat list may stand for any shape of its size, as [7] for [7, 1] or 784 numbers for [1, 28, 28],
and a model made for a batch of one size gets batches of that size. src/ml/local/onnx-tensors.ts does the same.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Callable, Optional

import numpy as np

from beambridge_host.errors import bridge_error
from beambridge_host.wire.exact_numbers import as_numpy
from beambridge_host.wire.outputs import PerRow, predictions_of
from beambridge_host.wire.owned import owned

# A length of None differs from call to call; a shape of None is not known.
Shape = Optional[Sequence[Optional[int]]]


def fitted(batch: np.ndarray, shape: Shape, name: str) -> np.ndarray:
  """The batch in the shape of the input. Raises `ROW_MISMATCH` where it cannot have it."""
  if not shape:
    return batch
  inner, row = tuple(shape[1:]), batch.shape[1:]
  if len(row) == len(inner) and all(size in (None, length) for size, length in zip(inner, row)):
    return batch
  if len(row) <= 1 and None not in inner and int(np.prod(inner)) == int(np.prod(row)):
    return batch.reshape(len(batch), *inner)
  raise bridge_error(
      'ROW_MISMATCH', f'an example has the shape {_text(row)}, and the input {name} of the model takes {_text(inner)}',
      hint='Change the declared example type, or the elements, to what the model takes.')


def batch_size(shapes: Sequence[Shape]) -> Optional[int]:
  """The only size of a batch that a model takes, if there is one."""
  sizes = {shape[0] for shape in shapes if shape and shape[0] is not None}
  return sizes.pop() if len(sizes) == 1 else None


def in_sizes_of(
    size: Optional[int], inputs: Mapping[str, np.ndarray], count: int,
    predict: Callable[[Mapping[str, np.ndarray]], Any]) -> Any:
  """What `predict` gives for a batch, asked for in batches of one size; the last is filled with its last row."""
  if size is None or size == count:
    return predict(inputs)
  out = PerRow()
  for start in range(0, count, size):
    part = {name: array[start:start + size] for name, array in inputs.items()}
    filled = {name: np.concatenate([array, array[-1:].repeat(size - len(array), axis=0)]) for name, array in part.items()}
    out.extend(owned(as_numpy(predictions_of(predict(filled), size))[:count - start]))
  return out


def _text(shape: Sequence[Optional[int]]) -> str:
  return f'[{", ".join("any" if size is None else str(size) for size in shape)}]'
