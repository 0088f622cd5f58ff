# SPDX-License-Identifier: Apache-2.0
"""XGBoost: Beam's handlers, which predict row by row, made to predict a batch at once.

Beam's module imports `datatable`, which has no wheels for Python 3.13 and later: where it is missing, a
module without content takes its place.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import functools
import importlib
import logging
import sys
import types
from typing import Any, Iterable, Optional, Sequence

import numpy as np
import xgboost as xgb
from apache_beam.ml.inference import base, utils

from beambridge_host.errors import bridge_error
from beambridge_host.inference.providers import provider
from beambridge_host.wire import arrays
from beambridge_host.wire.fitted_columns import in_order_of
from beambridge_host.wire.frames import Frames, whole_frame
from beambridge_host.wire.outputs import of_estimator

try:
  import datatable  # pylint: disable=unused-import
  HAS_DATATABLE = True
except ImportError:
  stub = types.ModuleType('datatable')
  stub.Frame = type('Frame', (), {'__module__': 'datatable'})
  sys.modules['datatable'] = stub
  HAS_DATATABLE = False

xgboost_inference = importlib.import_module('apache_beam.ml.inference.xgboost_inference')
if not HAS_DATATABLE:
  del sys.modules['datatable']


def _together(batch: Any) -> Any:
  """One matrix or frame of all examples, each of which is one row."""
  if isinstance(batch, np.ndarray):
    return batch.reshape(-1, 1) if batch.ndim == 1 else batch
  if isinstance(batch, Frames):
    return batch.frame
  kind = type(batch[0]).__module__.split('.')[0]
  if kind == 'pandas':
    return whole_frame(batch)
  if kind == 'scipy':
    return importlib.import_module('scipy.sparse').vstack(list(batch), format='csr')
  if kind == 'datatable':
    return np.concatenate([frame.to_numpy() for frame in batch])
  rows = arrays.stacked(list(batch))
  # A row may be a matrix of one row already.
  return rows.reshape(len(rows), -1) if rows.ndim == 1 or rows.ndim == 3 and rows.shape[1] == 1 else rows


def predict_together(
    batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
  """Predicts all rows in one call."""

  def predict(rows: Any) -> Any:
    if hasattr(rows, 'iloc'):
      rows = in_order_of(model, rows)
      _warn_of_codes(model, rows)
    if isinstance(model, xgb.Booster):
      rows = xgb.DMatrix(rows, enable_categorical=hasattr(rows, 'iloc'))
    return model.predict(rows, **(inference_args or {}))

  if isinstance(batch, Frames):
    return of_estimator(predict(_together(batch)))
  return arrays.by_shape(batch, _together, predict, of_estimator)


_LOGGER = logging.getLogger(__name__)

_CODES = (
    'This XGBoost model knows categories by their place alone: it was saved by a version before 3.1, or without their names. '
    'The values of an enumeration must be declared in the order that they had in training (of pandas: sorted).')


@functools.lru_cache(maxsize=None)
def _warned_of_codes() -> None:
  _LOGGER.warning(_CODES)


def _warn_of_codes(model: Any, frame: Any) -> None:
  """Says it where a category is taken for another one if it was declared in another place."""
  if not any(str(dtype) == 'category' for dtype in frame.dtypes) or not hasattr(xgb.Booster, 'get_categories'):
    return
  booster = model if isinstance(model, xgb.Booster) else getattr(model, 'get_booster', lambda: None)()
  if isinstance(booster, xgb.Booster) and booster.get_categories().empty():
    _warned_of_codes()


predict_together.takes_arrays = True  # type: ignore[attr-defined]


class _Identified:
  """Says which model predicted, and takes another one in a model update."""

  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    if isinstance(batch, Frames) and not getattr(self._inference_fn, 'takes_arrays', False):
      # A function of the user's own gets one frame for all rows.
      return arrays.scored_frame(
          lambda frame: self._inference_fn(frame, model, inference_args), batch, model, self._model_state)
    predictions = self._inference_fn(batch, model, inference_args)
    if isinstance(predictions, list) and any(isinstance(each, base.PredictionResult) for each in predictions):
      return predictions
    return utils._convert_to_result(batch, predictions, self._model_state)

  def update_model_path(self, model_path: Optional[str] = None) -> None:
    self._model_state = model_path or self._model_state


class XgboostNumpy(_Identified, xgboost_inference.XGBoostModelHandlerNumpy):
  """Examples are arrays."""


class XgboostPandas(_Identified, xgboost_inference.XGBoostModelHandlerPandas):
  """Examples are data frames of one row."""


class XgboostSciPy(_Identified, xgboost_inference.XGBoostModelHandlerSciPy):
  """Examples are sparse matrices of one row."""


class XgboostDatatable(_Identified, xgboost_inference.XGBoostModelHandlerDatatable):
  """Examples are datatable's frames of one row."""


@provider(paths=['model_state'], functions=['model_class'], classes='xgboost')
def xgboost(*, input: str, model_class: Any, model_state: str, **options: Any) -> Any:
  """A handler of arrays, data frames, sparse matrices or datatable's frames."""
  if input == 'datatable' and not HAS_DATATABLE:
    raise bridge_error(
        'UNSUPPORTED', 'datatable is not installed, and has no wheels for Python 3.13 and later',
        hint="Use input: 'numpy' or 'pandas', or an older Python in BEAMBRIDGE_BASE_PYTHON.")
  handler = {
      'numpy': XgboostNumpy, 'pandas': XgboostPandas, 'scipy': XgboostSciPy, 'datatable': XgboostDatatable
  }[input]
  options.setdefault('inference_fn', predict_together)
  return handler(model_class, model_state, **options)
