# SPDX-License-Identifier: Apache-2.0
"""Columns of a data frame in the order in which a model was fitted on them.

Libraries of models say it under names of their own, and some take columns by their places without a look. A model that several
processes share is reached through a proxy, which has its methods and nothing else: there the model itself is asked, once.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Callable, NamedTuple

import numpy as np
from apache_beam.utils import multi_process_shared

from beambridge_host.errors import FatalError, bridge_error


class Fitted(NamedTuple):
  """What is known of the columns on which a model was fitted."""
  # In their order; none where it does not tell.
  names: list[Any]
  # LightGBM goes by places and looks at no names.
  is_lightgbm: bool

  def told(self) -> tuple[list[Any], bool]:
    """This, as a method, which a proxy has, and as what every process can read."""
    return tuple(self)


# The method of a model that is shared, and where its proxy keeps what it said.
_METHOD, _KEPT = 'beambridge_fitted', '_beambridge_fitted'


def telling(load: Callable[[], Any]) -> Callable[[], Any]:
  """A function that loads a model which can be asked through a proxy, too."""

  def load_model() -> Any:
    model = load()
    fitted = _fitted(model)
    if fitted.names or fitted.is_lightgbm:
      try:
        setattr(model, _METHOD, fitted.told)
      except Exception:  # pylint: disable=broad-except
        pass  # Of a class that allows no attributes, of which no library is that tells names.
    return model

  return load_model


def fitted_on(model: Any) -> Fitted:
  """On which columns a model was fitted."""
  if not isinstance(model, multi_process_shared._AutoProxyWrapper):
    return _fitted(model)
  kept = vars(model)
  if _KEPT not in kept:
    tell = getattr(model, _METHOD, None)
    kept[_KEPT] = Fitted(*tell()) if callable(tell) else _fitted(model)
  return kept[_KEPT]


def _fitted(model: Any) -> Fitted:
  is_lightgbm = any(kind.__module__.partition('.')[0] == 'lightgbm' for kind in type(model).__mro__)
  # scikit-learn and what follows it; XGBoost's boosters; CatBoost; LightGBM's boosters.
  for attribute in ('feature_names_in_', 'feature_names', 'feature_names_', 'feature_name'):
    try:
      names = getattr(model, attribute, None)
      if attribute == 'feature_name' and callable(names) and is_lightgbm:
        names = names()
      if isinstance(names, (list, tuple, np.ndarray)):
        hash(tuple(names))  # Columns have no names that cannot be compared.
        return Fitted(list(names), is_lightgbm)
    except Exception:  # pylint: disable=broad-except
      continue  # Any class may be a model, and raise what it likes where it has none or is not ready: it does not tell.
  return Fitted([], is_lightgbm)


def in_order_of(model: Any, frame: Any) -> Any:
  """The frame with its columns in the order in which the model was fitted, where they are the same."""
  fitted = fitted_on(model)
  names, columns = fitted.names, _as_named(fitted, frame)
  if names == columns or len(names) != len(columns) or set(names) != set(columns):
    return frame
  return frame.iloc[:, [columns.index(name) for name in names]]


def refuse_other_columns(model: Any, frame: Any) -> None:
  """Raises where LightGBM, which goes by places and looks at no names, would take columns for others."""
  fitted = fitted_on(model)
  if not fitted.is_lightgbm or not all(isinstance(name, str) for name in frame.columns):
    return
  names = fitted.names
  # Nor does one tell of columns that had no names, or it calls them so.
  if names in ([], _as_named(fitted, frame), [f'Column_{place}' for place in range(len(names))]):
    return
  raise bridge_error(
      'INVALID_ARGUMENT', f'the model was fitted on the columns {_listed(names)}, and the example has {_listed(frame.columns)}',
      hint='Declare example: row({ … }) with these fields, in any order, or choose the columns in an inferenceFn.', make=FatalError)


def _as_named(fitted: Fitted, frame: Any) -> list[Any]:
  """The columns as a model names them: LightGBM puts underscores for spaces."""
  return [str(name).replace(' ', '_') for name in frame.columns] if fitted.is_lightgbm else list(frame.columns)


def _listed(names: Any) -> str:
  shown = ', '.join(map(str, names[:10]))
  return shown if len(names) <= 10 else f'{shown} and {len(names) - 10} more'
