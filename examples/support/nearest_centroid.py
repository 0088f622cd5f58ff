# SPDX-License-Identifier: Apache-2.0
"""A model handler of one's own, for the example custom-handler: the nearest of a few centroids."""

import json
from typing import Any, Iterable, Optional, Sequence

import numpy
from apache_beam.ml.inference.base import ModelHandler, PredictionResult


class NearestCentroid(ModelHandler[numpy.ndarray, PredictionResult, tuple]):
  """Says which centroid is nearest, and how far away it is.

  Args:
    centroids: path of a JSON file that holds an object, the centroids by their labels.
    metric: `euclidean` or `manhattan`.
  """

  def __init__(self, centroids: str, metric: str = 'euclidean') -> None:
    super().__init__()
    self._path = centroids
    self._order = {'manhattan': 1, 'euclidean': 2}[metric]

  def load_model(self) -> tuple:
    with open(self._path) as file:
      centroids = json.load(file)
    return list(centroids), numpy.array(list(centroids.values()))

  def run_inference(
      self, batch: Sequence[numpy.ndarray], model: tuple,
      inference_args: Optional[dict[str, Any]] = None) -> Iterable[PredictionResult]:
    labels, centroids = model
    rows = numpy.stack(batch)
    distances = numpy.linalg.norm(rows[:, None, :] - centroids[None, :, :], ord=self._order, axis=2)
    for row, nearest, distance in zip(batch, distances.argmin(axis=1), distances.min(axis=1)):
      yield PredictionResult(row, {'label': labels[nearest], 'distance': float(distance)})
