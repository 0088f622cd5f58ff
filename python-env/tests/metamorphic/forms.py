# SPDX-License-Identifier: Apache-2.0
"""Forms in which a model may give what it found, each with what it means for one row."""

import math
from typing import Any, Callable, NamedTuple

import numpy as np
from apache_beam.portability.api import schema_pb2

from tests.test_columns import array_of, atomic, field, row_of, tensor

NUMBER = atomic(schema_pb2.DOUBLE)
MAYBE = atomic(schema_pb2.DOUBLE, nullable=True)
# More columns than sizes of batches that are tried, so that no dimension is taken for another by chance.
WIDTH = 4

Row = Any


def _mean(row: Row) -> float:
  return float(np.mean(row))


def _top(row: Row) -> float:
  return float(np.max(row))


def _low(row: Row) -> float:
  return float(np.min(row))


def _two(row: Row) -> dict[str, Any]:
  return {'a': _mean(row), 'b': _top(row)}


def _in_order(row: Row) -> dict[str, Any]:
  return {'a': _mean(row), 'loss': _top(row)}


# Outputs without names go to the fields of any row that has as many.
_TWO = {'row of 2': _two, 'row with nullable': _in_order}


def _three(row: Row) -> dict[str, Any]:
  return {'a': _mean(row), 'b': _top(row), 'c': _low(row)}


DECLARED = {
    'number': field(NUMBER, 'inference'),
    'nullable number': field(MAYBE, 'inference'),
    'list': field(array_of(NUMBER), 'inference'),
    'list of nullables': field(array_of(MAYBE), 'inference'),
    'tensor': tensor('float64', [WIDTH], 'inference'),
    'pair tensor': tensor('float64', [2], 'inference'),
    'text': field(atomic(schema_pb2.STRING), 'inference'),
    'row of 1': row_of([field(NUMBER, 'a')], 'inference'),
    'row of 2': row_of([field(NUMBER, 'a'), field(NUMBER, 'b')], 'inference'),
    'row of 3': row_of([field(NUMBER, 'a'), field(NUMBER, 'b'), field(NUMBER, 'c')], 'inference'),
    'row with nullable': row_of([field(NUMBER, 'a'), field(MAYBE, 'loss')], 'inference'),
}

_NUMBERS = ('number', 'nullable number')
_LISTS = ('list', 'list of nullables', 'tensor')


class Form(NamedTuple):
  """What a model gives for rows x (an array of n rows), and what it means."""
  give: Callable[[Any], Any]
  # By declared type, what is right for a row; the others are refused.
  right: dict[str, Callable[[Row], Any]]
  # Whether a batch of some size may be refused while another is right.
  by_size: bool = False


def _for(names: Any, right: Callable[[Row], Any]) -> dict[str, Callable[[Row], Any]]:
  return {name: right for name in names}


def _list(row: Row) -> list[float]:
  return [float(value) for value in row]


def _masked_row(row: Row) -> list[Any]:
  return [None if value > 2 else float(value) for value in row]


def _named(**parts: Callable[[Row], Any]) -> Callable[[Row], Any]:
  return lambda row: {name: part(row) for name, part in parts.items()}


# For every library with `mean(1)`, which has to say how it does the rest: see libraries.py.
def common(lib: Any) -> dict[str, Form]:
  mean, top, low, matrix = lib.mean, lib.top, lib.low, lib.same
  return {
      'numbers': Form(mean, _for(_NUMBERS, _mean)),
      'numbers in a column': Form(
          lambda x: lib.reshape(mean(x), (-1, 1)),
          {**_for(_NUMBERS, _mean), **_for(('list', 'list of nullables'), lambda row: [_mean(row)])}),
      'vectors': Form(matrix, _for(_LISTS, _list)),
      'a tuple of 2': Form(lambda x: (mean(x), top(x)), _TWO),
      'a list of 2': Form(lambda x: [mean(x), top(x)], _TWO),
      'a tuple of 3': Form(lambda x: (mean(x), top(x), low(x)), {'row of 3': _three}),
      'a list of 2 matrices': Form(lambda x: [lib.reshape(mean(x), (-1, 1)), lib.reshape(top(x), (-1, 1))], _TWO),
      'a list of 3': Form(lambda x: [mean(x), top(x), low(x)], {'row of 3': _three}),
      'a tuple of 1': Form(lambda x: (mean(x),), {**_for(_NUMBERS, _mean)}),
      'a dict of 2': Form(
          lambda x: {'a': mean(x), 'b': top(x)}, {'row of 2': _two, 'row of 1': _named(a=_mean)}),
      'a dict of 3 in another order': Form(
          lambda x: {'c': low(x), 'b': top(x), 'a': mean(x)},
          {'row of 3': _three, 'row of 2': _two, 'row of 1': _named(a=_mean)}),
      'a dict of 1': Form(
          lambda x: {'a': mean(x)}, {**_for(_NUMBERS, _mean), 'row of 1': _named(a=_mean)}),
      'a dict of vectors': Form(lambda x: {'a': matrix(x)}, _for(_LISTS, _list)),
      'a dict with a constant': Form(
          lambda x: {'a': mean(x), 'b': lib.constant([10.0, 20.0, 30.0, 40.0, 50.0])}, {'row of 1': _named(a=_mean)}),
      'a dict with None': Form(
          lambda x: {'loss': None, 'a': mean(x)},
          {'row of 1': _named(a=_mean), 'row with nullable': _named(a=_mean, loss=lambda row: None)}),
      'a dict with a number': Form(
          lambda x: {'loss': lib.total(x), 'a': mean(x)},
          # Of one row a number is that row's.
          {'row of 1': _named(a=_mean), 'row with nullable': _named(a=_mean, loss=lambda row: float(np.sum(row)))}, True),
      'a number for all': Form(lib.total, _for(_NUMBERS, lambda row: float(np.sum(row))), True),
      'squeezed numbers': Form(
          lambda x: lib.squeeze(lib.reshape(mean(x), (-1, 1))), _for(_NUMBERS, _mean), True),
      'squeezed vectors': Form(lambda x: lib.squeeze(x), _for(_LISTS, _list), True),
      'transposed': Form(lambda x: lib.transpose(x), {}),
      'transposed by twos': Form(lambda x: lib.transpose(lib.two(x)), {}, True),
      'nothing': Form(lambda x: None, {}),
  }


def of_numpy(x: Any) -> dict[str, Form]:
  """Further forms of functions that give numpy's and Python's values."""
  import pandas
  import scipy.sparse
  del x
  masked = lambda x: np.ma.masked_greater(np.asarray(x), 2)
  return {
      'masked vectors': Form(masked, {'list of nullables': _masked_row, **_for(('list', 'tensor'), _list)}, True),
      'masked numbers': Form(
          lambda x: masked(x)[:, 0],
          {'nullable number': lambda row: _masked_row(row)[0], 'number': lambda row: float(row[0])}, True),
      'sparse': Form(scipy.sparse.csr_matrix, _for(_LISTS, _list)),
      'sparse array': Form(scipy.sparse.coo_array, _for(_LISTS, _list)),
      'matrix': Form(np.asmatrix, _for(_LISTS, _list)),
      'objects': Form(lambda x: x.astype(object), _for(('list', 'list of nullables'), _list), True),
      'object numbers': Form(lambda x: x.astype(object).mean(axis=1), _for(_NUMBERS, _mean)),
      'texts': Form(lambda x: np.array([f'{math.floor(each.mean())}' for each in x]), {'text': lambda row: f'{math.floor(_mean(row))}'}),
      'text objects': Form(
          lambda x: np.array([f'{math.floor(each.mean())}' for each in x], object),
          {'text': lambda row: f'{math.floor(_mean(row))}'}),
      'list of numbers': Form(lambda x: x.mean(axis=1).tolist(), _for(_NUMBERS, _mean)),
      'list of lists': Form(lambda x: x.tolist(), _for(_LISTS, _list)),
      'list of dicts': Form(
          lambda x: [{'a': _mean(row), 'b': _top(row), 'more': 1} for row in x],
          {'row of 2': _two, 'row of 1': _named(a=_mean)}),
      'tuple of lists': Form(lambda x: (x.mean(axis=1).tolist(), x.max(axis=1).tolist()), _TWO),
      'list of arrays': Form(lambda x: [row for row in x], {}),
      'list of pairs': Form(lambda x: [row[:2] for row in x], {}),
      'list of triples': Form(lambda x: [row[:3] for row in x], {}),
      'list of batches of one': Form(lambda x: [row[None] for row in x], _for(_LISTS, _list)),
      'generator': Form(lambda x: (_mean(row) for row in x), _for(_NUMBERS, _mean)),
      'series': Form(lambda x: pandas.Series(x.mean(axis=1)), _for(_NUMBERS, _mean)),
      'frame': Form(
          lambda x: pandas.DataFrame({'a': x.mean(axis=1), 'b': x.max(axis=1)}),
          {'row of 2': _two, 'row of 1': _named(a=_mean), **_for(('list', 'list of nullables', 'pair tensor'), lambda row: [_mean(row), _top(row)])}),
      'frame of 1': Form(
          lambda x: pandas.DataFrame({'a': x.mean(axis=1)}),
          {**_for(_NUMBERS, _mean), 'row of 1': _named(a=_mean), **_for(('list', 'list of nullables'), lambda row: [_mean(row)])}),
      'structured': Form(
          lambda x: np.rec.fromarrays([x.mean(axis=1), x.max(axis=1)], names=['a', 'b']),
          {'row of 2': _two, 'row of 1': _named(a=_mean)}),
      'too few': Form(lambda x: x.mean(axis=1)[1:], {}),
      'too many': Form(lambda x: np.concatenate([x.mean(axis=1), [1.0]]), {}),
      'a list too long': Form(lambda x: [*x.mean(axis=1), 1.0], {}),
  }
