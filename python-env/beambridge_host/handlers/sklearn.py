# SPDX-License-Identifier: Apache-2.0
"""scikit-learn: Beam's handlers as they are."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any

from apache_beam.ml.inference import sklearn_inference

from beambridge_host.inference.providers import provider


@provider(paths=['model_uri'])
def sklearn(*, model_uri: str, input: str, model_file_type: str = 'PICKLE', **options: Any) -> Any:
  """A handler of arrays, or of data frames."""
  handler = {
      'numpy': sklearn_inference.SklearnModelHandlerNumpy,
      'pandas': sklearn_inference.SklearnModelHandlerPandas,
  }[input]
  return handler(model_uri, sklearn_inference.ModelFileType[model_file_type], **options)
