# SPDX-License-Identifier: Apache-2.0
"""What RunInference counts, under Beam's names, for each call of a handler.

Beam counts what its own batching step made. Here that would be packed batches, which say nothing about
the model, so Beam's collector is fed with the calls instead.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Iterable

from apache_beam.metrics import Metrics
from apache_beam.ml.inference import base

try:
  # Beam forgets this module of Python's where torch is missing, and then measures no memory.
  import resource

  base.resource = base.resource or resource
except ImportError:
  pass  # Windows has none.


class InferenceMetrics:
  """Counts for a whole transform, and for parts of it under a prefix."""

  def __init__(self, namespace: str) -> None:
    self._namespace = namespace
    self._collectors = {'': base._MetricsCollector(namespace)}
    self._update_failures = Metrics.counter(namespace, 'modelUpdateFailures')

  def called(self, rows: int, size: int, microseconds: int, prefixes: Iterable[str]) -> None:
    """A handler answered."""
    for collector in self._of(prefixes):
      collector.update(rows, size, microseconds)

  def failed(self, prefixes: Iterable[str]) -> None:
    """A handler raised."""
    for collector in self._of(prefixes):
      collector.failed_batches_counter.inc()

  def loaded(self, loadings: Iterable[Any]) -> None:
    """Models were loaded."""
    for loading in loadings:
      self._collectors[''].update_load_model_metrics(loading.milliseconds, loading.bytes)

  def update_failed(self) -> None:
    """A model update could not be loaded."""
    self._update_failures.inc()

  def _of(self, prefixes: Iterable[str]) -> Iterable[Any]:
    yield self._collectors['']
    for prefix in prefixes:
      if prefix not in self._collectors:
        self._collectors[prefix] = base._MetricsCollector(self._namespace, prefix)
      yield self._collectors[prefix]
