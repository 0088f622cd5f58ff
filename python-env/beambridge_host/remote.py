# SPDX-License-Identifier: Apache-2.0
"""Requests to models that are served elsewhere: several at once, at a bounded rate, tried again.

Beam's RemoteModelHandler tries a whole batch again when one request of it failed, waits 2.5 to 5 s
before that and doubles it. Here each request is tried again by itself, after what the service asks
for, and a row whose request fails for good has its own error.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import concurrent.futures
import email.utils
import hashlib
import os
import random
import re
import tempfile
import threading
import time
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence

from apache_beam.io.components.adaptive_throttler import ThrottlingSignaler
from apache_beam.io.components.rate_limiter import EnvoyRateLimiter
from apache_beam.metrics.metric import Metrics
from apache_beam.ml.inference import base

from beambridge_host.errors import BridgeError, FatalError, RowFailure, bridge_error
from beambridge_host.models import missing_credential

try:
  import fcntl
except ImportError:  # Windows has none: there the rate holds for each process.
  fcntl = None  # type: ignore[assignment]

_FIRST_DELAY_S = 0.5
# What `Requests` is told, and what it does by itself.
_POLICY = {
    'max_retries': 4,
    'max_retry_delay_ms': 60_000,
    'requests_per_second': None,
    'max_concurrency': 8,
    'timeout_ms': 60_000,
}
# What Beam's RemoteModelHandler is told.
_BASE_ARGUMENTS = frozenset(('throttle_delay_secs', 'window_ms', 'bucket_ms', 'overload_ratio'))

# The options of a provider that all remote handlers have.
REMOTE_OPTIONS = _BASE_ARGUMENTS.union(_POLICY, ('rate_limiter',))


class RequestFailure(Exception):
  """One request that failed, and what that means."""

  def __init__(
      self,
      code: str,
      message: str,
      hint: str,
      *,
      retry: bool = False,
      wait: Optional[float] = None,
      throttled: bool = False,
      down: bool = False,
      fatal: bool = False) -> None:
    """
    Args:
      retry: whether it may go well another time.
      wait: after how many seconds, if the service said so.
      throttled: whether the service wants fewer requests.
      down: whether nothing is there to answer any request.
      fatal: whether every other row would fail in the same way.
    """
    super().__init__(message)
    self.code, self.message, self.hint = code, message, hint
    self.retry, self.wait, self.throttled, self.down, self.fatal = retry, wait, throttled, down, fatal

  def error(self, attempts: int = 1) -> BridgeError:
    message = f'{self.message} ({attempts} attempts)' if attempts > 1 else self.message
    make = FatalError if self.fatal else BridgeError
    return bridge_error(self.code, message, hint=self.hint, make=make)


def of_status(
    status: int, service: str, said: str, *, wait: Optional[float] = None, credential: str = '') -> RequestFailure:
  """What an answer with an HTTP status that is no success means.

  Args:
    service: what was asked, for messages.
    said: what it said about it.
    wait: the seconds after which it wants to be asked again.
    credential: where the credential comes from, for hints.
  """
  said = f': {said}' if said else ''
  if status in (401, 403):
    return RequestFailure(
        'CREDENTIALS_REFUSED',
        f'{service} refuses the credential (HTTP {status}){said}',
        f'Check what is in {credential}, and what it may be used for.' if credential else
        'The service wants a credential: name the environment variable that holds it with apiKeyEnv.',
        fatal=True)
  if status == 429:
    return RequestFailure(
        'ENDPOINT_UNAVAILABLE', f'{service} throttles (HTTP 429){said}',
        'Lower requestsPerSecond or maxConcurrency, or raise maxRetries.', retry=True, wait=wait, throttled=True)
  if status in (408, 409, 425) or status >= 500:
    return RequestFailure(
        'ENDPOINT_UNAVAILABLE', f'{service} fails (HTTP {status}){said}',
        'The service has a fault or is overloaded: try later, or raise maxRetries.', retry=True, wait=wait)
  return RequestFailure(
      'ENDPOINT_REFUSED', f'{service} refuses the request (HTTP {status}){said}',
      'Check the address, the name of the model and the options; or this example is too long for the model.')


def mismatch(service: str, answered: str) -> RequestFailure:
  """An answer that makes no sense."""
  return RequestFailure(
      'ENDPOINT_MISMATCH', f'{service} answered {answered}',
      'Check that the address is that of the API which the handler speaks.')


def unreachable(service: str, why: str) -> RequestFailure:
  return RequestFailure(
      'ENDPOINT_UNAVAILABLE', f'{service} cannot be reached: {why}',
      'Check the address, and that the service runs and can be reached from where Python runs.',
      retry=True, down=True)


def timed_out(service: str, seconds: float) -> RequestFailure:
  return RequestFailure(
      'ENDPOINT_UNAVAILABLE', f'{service} did not answer within {seconds:g} s',
      'Raise timeoutMs if the model needs longer.', retry=True)


def environment_credential(name: str) -> str:
  """The credential that an environment variable of this process holds."""
  value = os.environ.get(name, '').strip()
  if not value:
    raise missing_credential(name)
  return value


def retry_after(headers: Mapping[str, str]) -> Optional[float]:
  """The seconds after which a service wants to be asked again, if it says so."""
  for name, unit in (('retry-after-ms', 1000), ('retry-after', 1)):
    try:
      return max(0.0, float(headers[name]) / unit)
    except (KeyError, ValueError):
      continue
  try:
    return max(0.0, email.utils.parsedate_to_datetime(headers['retry-after']).timestamp() - time.time())
  except (KeyError, ValueError, TypeError):
    return None


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


class Pace:
  """When a request may be sent: at most so many a second by all processes of this machine together,
  and none while the service wants none."""

  def __init__(self, per_second: Optional[float], service: str) -> None:
    self._interval = 1 / per_second if per_second else 0.0
    self._lock = threading.Lock()
    self._next = 0.0
    self._held_until = 0.0
    user = os.getuid() if hasattr(os, 'getuid') else ''
    digest = hashlib.sha256(f'{service}\0{per_second}'.encode()).hexdigest()[:20]
    self._file = os.path.join(tempfile.gettempdir(), f'beambridge-rate-{user}-{digest}')

  def hold(self, seconds: float) -> None:
    """No request of this process in the next seconds."""
    with self._lock:
      self._held_until = max(self._held_until, time.monotonic() + seconds)

  def wait(self) -> float:
    """Returns when a request may be sent, with the seconds that it took."""
    began = time.monotonic()
    if self._interval:
      _sleep_until(self._slot())
    while self._held_until > time.monotonic():  # Others may have extended it meanwhile.
      _sleep_until(self._held_until)
    return time.monotonic() - began

  def _slot(self) -> float:
    with self._lock:
      try:
        opened = os.open(self._file, os.O_RDWR | os.O_CREAT | getattr(os, 'O_NOFOLLOW', 0), 0o600) if fcntl else None
      except OSError:
        opened = None  # Nowhere to agree with other processes: the rate holds for this one.
      if opened is None:
        self._next = self._after(self._next)
        return self._next
      try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        slot = self._after(_number(os.read(opened, 64)))
        os.lseek(opened, 0, os.SEEK_SET)
        os.write(opened, f'{slot:>32.6f}'.encode())
        return slot
      finally:
        os.close(opened)  # Unlocks, too.

  def _after(self, last: float) -> float:
    now = time.monotonic()
    # A time far ahead is from before this machine started.
    return max(now, last + self._interval) if last < now + 3600 else now


def _number(text: bytes) -> float:
  try:
    return float(text)
  except ValueError:
    return 0.0  # New, or cut off when the disk was full.


def _sleep_until(moment: float) -> None:
  time.sleep(max(0.0, moment - time.monotonic()))


class Requests:
  """Sends the requests of batches. One for all threads of a process."""

  def __init__(self, service: str, policy: Mapping[str, Any]) -> None:
    self._retries: int = policy['max_retries']
    self._longest_delay: float = policy['max_retry_delay_ms'] / 1000
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
    attempt = 0
    while True:
      tally.add('throttled', self._pace.wait())
      attempt += 1
      tally.add('requests')
      try:
        result = call(item, tally)
      except RequestFailure as failure:
        if failure.fatal:
          raise failure.error() from None
        delay = failure.wait if failure.wait is not None else _FIRST_DELAY_S * 2**(attempt - 1) * random.uniform(0.75, 1)
        # One request has shown that nothing is there: the others need not wait as long to find out.
        enough = attempt > self._retries or delay > self._longest_delay or (failure.down and self._is_down)
        if not failure.retry or enough:
          self._is_down = failure.down
          return RowFailure(failure.error(attempt))
        tally.add('retries')
        if failure.throttled:
          self._pace.hold(delay)
        else:
          time.sleep(delay)
      else:
        self._is_down = False
        return result


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
