# SPDX-License-Identifier: Apache-2.0
"""scikit-learn: Beam's handlers, with any method of a model, and with data frames that are one for a batch."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Sequence

from apache_beam.ml.inference import sklearn_inference

from beambridge_host.inference.providers import provider
from beambridge_host.wire import arrays
from beambridge_host.wire.fitted_columns import refuse_other_columns
from beambridge_host.wire.outputs import of_estimator


class Method:
  """Calls a method of the model on a batch that is one array or one data frame."""

  takes_arrays = True

  def __init__(self, method: str) -> None:
    self.method = method

  def __call__(self, model: Any, batch: Any, inference_args: Optional[Mapping[str, Any]] = None) -> Any:
    call = getattr(model, self.method)
    args = inference_args or {}
    if hasattr(batch, 'iloc'):
      refuse_other_columns(model, batch)
      return of_estimator(call(batch, **args))
    return arrays.by_shape(batch, arrays.stacked, lambda array: call(array, **args), of_estimator)


class SklearnPandas(sklearn_inference.SklearnModelHandlerPandas):
  """Examples are the rows of one data frame."""

  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    return arrays.scored_frames(self, batch, model, inference_args)


@provider(paths=['model_uri'])
def sklearn(
    *,
    model_uri: str,
    input: str,
    model_file_type: str = 'PICKLE',
    method: str = 'predict',
    **options: Any) -> Any:
  """A handler of arrays, or of data frames."""
  handler = {
      'numpy': sklearn_inference.SklearnModelHandlerNumpy,
      'pandas': SklearnPandas,
  }[input]
  options.setdefault('inference_fn', Method(method))
  return handler(model_uri, sklearn_inference.ModelFileType[model_file_type], **options)
