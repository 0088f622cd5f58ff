# SPDX-License-Identifier: Apache-2.0
"""XGBoost: Beam's handlers, which predict row by row, made to predict a batch at once.

Beam's module imports `datatable`, which has no wheels for Python 3.13 and later: where it is missing, a
module without content takes its place.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib
import sys
import types
from typing import Any, Iterable, Optional, Sequence

import numpy as np
import xgboost as xgb
from apache_beam.ml.inference import base

from beambridge_host.errors import bridge_error
from beambridge_host.inference.providers import provider

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


def _together(batch: Sequence[Any]) -> Any:
  """One matrix or frame of all examples, each of which is one row."""
  first = batch[0]
  kind = type(first).__module__.split('.')[0]
  if kind == 'pandas':
    return importlib.import_module('pandas').concat(list(batch))
  if kind == 'scipy':
    return importlib.import_module('scipy.sparse').vstack(batch, format='csr')
  if kind == 'datatable':
    return np.concatenate([frame.to_numpy() for frame in batch])
  return np.concatenate([np.atleast_2d(row) for row in batch])


def predict_together(
    batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
  """Predicts all rows in one call."""
  rows = _together(batch)
  if isinstance(model, xgb.Booster):
    rows = xgb.DMatrix(rows)
  return model.predict(rows, **(inference_args or {}))


class _Identified:
  """Says which model predicted, and takes another one in a model update."""

  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    predictions = self._inference_fn(batch, model, inference_args)
    return [
        each if isinstance(each, base.PredictionResult) else base.PredictionResult(row, each, self._model_state)
        for row, each in zip(batch, predictions)
    ]

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
