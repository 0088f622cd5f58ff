# SPDX-License-Identifier: Apache-2.0
"""Requests to models that are served elsewhere: several at once, at a bounded rate, tried again.

Beam's RemoteModelHandler tries a whole batch again when one request of it failed, waits 2.5 to 5 s
before that and doubles it. Here each request is tried again by itself, after what the service asks
for, and a row whose request fails for good has its own error.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import concurrent.futures
import os
import random
import re
import threading
import time
import traceback
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

from apache_beam.io.components.adaptive_throttler import ThrottlingSignaler
from apache_beam.io.components.rate_limiter import EnvoyRateLimiter
from apache_beam.metrics.metric import Metrics
from apache_beam.ml.inference import base

from beambridge_host.credentials import shows_one
from beambridge_host.errors import RowFailure, bridge_error, one_line
from beambridge_host.inference.pace import Pace
from beambridge_host.inference.remote_failures import RequestFailure

_FIRST_DELAY_S = 0.5
# What `Requests` is told, and what it does by itself.
_POLICY = {
    'max_retries': 4,
    'max_retry_delay_ms': 60_000,
    'max_throttle_ms': 600_000,
    'requests_per_second': None,
    'max_concurrency': 8,
    'timeout_ms': 60_000,
}
# What Beam's RemoteModelHandler is told.
_BASE_ARGUMENTS = frozenset(('throttle_delay_secs', 'window_ms', 'bucket_ms', 'overload_ratio'))

# The options of a provider that all remote handlers have.
REMOTE_OPTIONS = _BASE_ARGUMENTS.union(_POLICY, ('rate_limiter',))


class Tally:
  """What the requests of one batch came to. Counted by many threads, reported by the bundle's own."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._counts: dict[str, float] = {}
    self._began = time.monotonic()

  def add(self, name: str, amount: float = 1) -> None:
    with self._lock:
      self._counts[name] = self._counts.get(name, 0) + amount

  def take(self, name: str) -> float:
    with self._lock:
      return self._counts.pop(name, 0)

  def throttled(self) -> float:
    """The seconds for which requests were held back; many waited at once."""
    return min(self.take('throttled'), time.monotonic() - self._began)

  def names(self) -> list[str]:
    with self._lock:
      return sorted(self._counts)


class Requests:
  """Sends the requests of batches. One for all threads of a process."""

  def __init__(self, service: str, policy: Mapping[str, Any]) -> None:
    self._retries: int = policy['max_retries']
    self._longest_delay: float = policy['max_retry_delay_ms'] / 1000
    self._longest_throttle: float = policy['max_throttle_ms'] / 1000
    self._pace = Pace(policy['requests_per_second'], service)
    self._pool = concurrent.futures.ThreadPoolExecutor(policy['max_concurrency'], thread_name_prefix='remote-model')
    self._is_down = False

  def run(self, items: Sequence[Any], call: Callable[[Any, Tally], Any], tally: Tally) -> list[Any]:
    """What `call` gives for each item, or a RowFailure.

    Raises what every other request would fail with, too.
    """
    futures = [self._pool.submit(self._persist, item, call, tally) for item in items]
    try:
      return [future.result() for future in futures]
    finally:
      for future in futures:
        future.cancel()

  def _persist(self, item: Any, call: Callable[[Any, Tally], Any], tally: Tally) -> Any:
    attempt = throttles = 0
    throttled_until: Optional[float] = None
    while True:
      tally.add('throttled', self._pace.wait())
      attempt += 1
      tally.add('requests')
      try:
        result = call(item, tally)
      except RequestFailure as failure:
        if failure.fatal:
          raise failure.error() from None
        if failure.throttled:
          # A service that is busy is no service that fails: it has time, not a number of attempts.
          throttles += 1
          delay = failure.wait if failure.wait is not None else min(self._longest_delay, _first_delays(throttles))
          throttled_until = throttled_until or time.monotonic() + self._longest_throttle
          enough = self._retries == 0 or time.monotonic() + delay > throttled_until
        else:
          delay = failure.wait if failure.wait is not None else _first_delays(attempt - throttles)
          # One request has shown that nothing is there: the others need not wait as long to find out.
          enough = attempt - throttles > self._retries or (failure.down and self._is_down)
        enough = enough or delay > self._longest_delay
        if not failure.retry or enough:
          self._is_down = failure.down
          return RowFailure(failure.error(attempt))
        tally.add('retries')
        if failure.throttled:
          self._pace.hold(delay)
          # Or all that waited would come back in the same moment.
          pause = delay * random.uniform(1, 1.25)
          time.sleep(pause)
          tally.add('throttled', pause)
        else:
          time.sleep(delay)
      except Exception as error:
        # Neither its text nor that of what it came from may be printed with its traceback.
        if shows_one(''.join(traceback.format_exception(error))):
          raise bridge_error('PYTHON_EXCEPTION', f'a request failed: {one_line(error)}') from None
        raise
      else:
        self._is_down = False
        return result


def _first_delays(attempt: int) -> float:
  return _FIRST_DELAY_S * 2**min(attempt - 1, 20) * random.uniform(0.75, 1)


class RemoteRows:
  """The parts of a remote handler that are the same for every service: comes before Beam's class."""

  credentials: tuple[str, ...] = ()
  service = ''

  def set_policy(self, policy: dict[str, Any], options: Mapping[str, Any]) -> None:
    """Takes over what the constructors of Beam's remote handlers refuse or forget."""
    self._policy = policy
    self._env_vars = dict(options.get('env_vars') or {})
    self._seconds_left = 0.0

  @property
  def least_rows(self) -> int:
    """Fewer rows at once would leave connections unused."""
    return 4 * self._policy['max_concurrency']

  def missing_credentials(self) -> Iterable[str]:
    given = getattr(self, '_env_vars', {})
    return [name for name in self.credentials if not (given.get(name) or os.environ.get(name, '')).strip()]

  def given_credentials(self) -> Iterable[tuple[str, str]]:
    given = getattr(self, '_env_vars', {})
    return [(name, (given.get(name) or os.environ.get(name, '')).strip()) for name in self.credentials]

  def requests(self) -> Requests:
    return Requests(self.service, self._policy)

  def report(self, tally: Tally) -> None:
    """Counts in the metrics of the bundle that runs on this thread."""
    namespace = self.get_metrics_namespace()  # type: ignore[attr-defined]
    seconds = tally.throttled() + self._seconds_left
    self._seconds_left = seconds % 1
    if seconds >= 1:
      ThrottlingSignaler(namespace).signal_throttled(int(seconds))
    for name in tally.names():
      Metrics.counter(namespace, f'remote_{name}').inc(int(tally.take(name)))


def split_policy(options: dict[str, Any]) -> dict[str, Any]:
  """Takes what `Requests` is told out of a provider's options."""
  return {name: options.pop(name, default) for name, default in _POLICY.items()}


def split_base(options: dict[str, Any]) -> dict[str, Any]:
  """Takes what Beam's RemoteModelHandler is told out of a provider's options."""
  out = {name: options.pop(name) for name in _BASE_ARGUMENTS & options.keys()}
  limiter = options.pop('rate_limiter', None)
  if limiter is not None:
    snake = {re.sub('[A-Z]', lambda letter: f'_{letter[0].lower()}', name): value for name, value in limiter.items()}
    out['rate_limiter'] = EnvoyRateLimiter(**snake)
  return out


# The arguments of Beam's handlers for batching, with the names that its batching has for them.
_BATCHING = {
    'min_batch_size': 'min_batch_size',
    'max_batch_size': 'max_batch_size',
    'max_batch_duration_secs': 'max_batch_duration_secs',
    'max_batch_weight': 'max_batch_weight',
    'element_size_fn': 'element_size_fn',
    'batch_length_fn': 'length_fn',
    'batch_bucket_boundaries': 'bucket_boundaries',
}


def split_batching(options: dict[str, Any]) -> dict[str, Any]:
  """Takes what batching is told out of a provider's options."""
  return {theirs: options.pop(ours) for ours, theirs in _BATCHING.items() if ours in options}


def prediction(example: Any, value: Any, model_id: Optional[str]) -> Any:
  """A prediction, unless the row has failed."""
  return value if isinstance(value, RowFailure) else base.PredictionResult(example, value, model_id)


def plain(value: Any) -> Any:
  """An example as JSON can hold it: rows as dicts, arrays as lists."""
  if hasattr(value, '_asdict'):
    value = value._asdict()
  elif hasattr(value, 'tolist'):
    value = value.tolist()
  if isinstance(value, dict):
    return {name: plain(part) for name, part in value.items()}
  if isinstance(value, (list, tuple)):
    return [plain(part) for part in value]
  return value
