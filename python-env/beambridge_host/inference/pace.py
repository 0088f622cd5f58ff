# SPDX-License-Identifier: Apache-2.0
"""When a request may be sent: a rate that the processes of a machine keep together."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
import time
from typing import Optional

try:
  import fcntl
except ImportError:  # Windows has none: there the rate holds for each process.
  fcntl = None  # type: ignore[assignment]


# Somebody else could hold the lock for ever.
_LOCK_S = 1.0


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
      opened = self._open()
      if opened is None:
        self._next = self._after(self._next)
        return self._next
      try:
        if not _locked(opened):
          self._next = self._after(self._next)
          return self._next
        slot = self._after(_number(os.read(opened, 64)))
        os.lseek(opened, 0, os.SEEK_SET)
        os.write(opened, f'{slot:>32.6f}'.encode())
        return slot
      finally:
        os.close(opened)  # Unlocks, too.

  def _open(self) -> Optional[int]:
    """The file in which processes agree; None where there is none, so that the rate holds for this one."""
    if not fcntl:
      return None
    try:
      opened = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError:
      return None
    # Its name can be known, and everybody may make files there.
    found = os.fstat(opened)
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
      return opened
    os.close(opened)
    return None

  def _after(self, last: float) -> float:
    now = time.monotonic()
    # A time far ahead is from before this machine started.
    return max(now, last + self._interval) if last < now + 3600 else now


def _locked(opened: int) -> bool:
  """Whether the lock could be had; its holders need microseconds."""
  deadline = time.monotonic() + _LOCK_S
  while True:
    try:
      fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
      return True
    except OSError:
      if time.monotonic() > deadline:
        return False
      time.sleep(0.005)


def _number(text: bytes) -> float:
  try:
    return float(text)
  except ValueError:
    return 0.0  # New, or cut off when the disk was full.


def _sleep_until(moment: float) -> None:
  time.sleep(max(0.0, moment - time.monotonic()))
