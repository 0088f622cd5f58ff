# SPDX-License-Identifier: Apache-2.0
"""What it means that a request to a model elsewhere failed, whatever the service."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import email.utils
import math
import os
import re
import time
from typing import Mapping, Optional

from beambridge_host.credentials import hidden, remember
from beambridge_host.errors import BridgeError, FatalError, bridge_error
from beambridge_host.inference.models import check_credential, missing_credential


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
    message = hidden(message)
    super().__init__(message)
    self.code, self.message, self.hint = code, message, hint
    self.retry, self.throttled, self.down, self.fatal = retry, throttled, down, fatal
    # No time, and one that is over, is no answer: the service would be asked again without a pause.
    self.wait = wait if wait is not None and 0 < wait < math.inf else None

  def error(self, attempts: int = 1) -> BridgeError:
    message = f'{self.message} ({attempts} attempts)' if attempts > 1 else self.message
    make = FatalError if self.fatal else BridgeError
    return bridge_error(self.code, message, hint=self.hint, make=make)


def of_status(
    status: int, service: str, said: str, *, wait: Optional[float] = None, credential: str = '',
    spent: bool = False) -> RequestFailure:
  """What an answer with an HTTP status that is no success means.

  Args:
    service: what was asked, for messages.
    said: what it said about it.
    wait: the seconds after which it wants to be asked again.
    credential: where the credential comes from, for hints.
    spent: whether an account has nothing left, which waiting does not mend.
  """
  said = f': {said}' if said else ''
  if status in (401, 403):
    return RequestFailure(
        'CREDENTIALS_REFUSED',
        f'{service} refuses the credential (HTTP {status}){said}',
        f'Check what is in {credential}, and what it may be used for.' if credential else
        'The service wants a credential: name the environment variable that holds it with apiKeyEnv.',
        fatal=True)
  if status == 429 and spent:
    return RequestFailure(
        'ENDPOINT_UNAVAILABLE', f'{service} refuses more requests of this account (HTTP 429){said}',
        'The quota of the account is used up: see its plan and billing.')
  if status == 429:
    return RequestFailure(
        'ENDPOINT_UNAVAILABLE', f'{service} throttles (HTTP 429){said}',
        'Lower requestsPerSecond or maxConcurrency, or raise maxThrottleMs.', retry=True, wait=wait, throttled=True)
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
  check_credential(name, value)
  remember(value)
  return value


def retry_after(headers: Mapping[str, str]) -> Optional[float]:
  """The seconds after which a service wants to be asked again, if it says so; none or less if that is over."""
  for name, unit in (('retry-after-ms', 1000), ('retry-after', 1)):
    try:
      return float(headers[name]) / unit
    except (KeyError, ValueError):
      continue
  try:
    return email.utils.parsedate_to_datetime(headers['retry-after']).timestamp() - time.time()
  except (KeyError, ValueError, TypeError, OverflowError):
    return _reset(headers)


def _reset(headers: Mapping[str, str]) -> Optional[float]:
  """The seconds until OpenAI's kind of limits lets something through: of those of which nothing is left."""
  waits = [
      _duration(headers.get(f'x-ratelimit-reset-{limit}', ''))
      for limit in ('requests', 'tokens')
      if headers.get(f'x-ratelimit-remaining-{limit}', '0').strip() == '0'
  ]
  return max((wait for wait in waits if wait is not None), default=None)


_UNITS = {'ms': 0.001, 's': 1, 'm': 60, 'h': 3600, 'd': 86_400, '': 1}


def _duration(text: str) -> Optional[float]:
  """Seconds of `6m0s`, `20ms` or `1.5`."""
  if not re.fullmatch(r'(\d+(\.\d+)?(ms|[smhd]))+|\d+(\.\d+)?', text.strip()):
    return None
  return sum(float(number) * _UNITS[unit] for number, _, unit in re.findall(r'(\d+(\.\d+)?)(ms|[smhd]|)', text))
