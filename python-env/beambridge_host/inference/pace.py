# SPDX-License-Identifier: Apache-2.0
"""When a request may be sent: a rate that the processes of a machine keep together."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import hashlib
import os
import tempfile
import threading
import time
from typing import Optional

try:
  import fcntl
except ImportError:  # Windows has none: there the rate holds for each process.
  fcntl = None  # type: ignore[assignment]


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
