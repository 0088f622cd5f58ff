# SPDX-License-Identifier: Apache-2.0
"""Workers whose run is over, with the models that they have loaded, for the next run of the same.

The same is what has the same key, which the program makes of all that its pipeline asks of Python, and whose files are still
what they were. Whether a worker may be kept it finds itself (`worker/keeping.py`). There are few of them, for some minutes.
"""

import hmac
import threading
from typing import Any, NamedTuple, Optional, Protocol, Sequence

from beambridge_host.worker.keeping import fingerprint

_MOST = 4
# Whatever a program asks for. Seconds.
_LONGEST_S = 3600.0


class Keep(NamedTuple):
  """What a program says of the workers of a run."""
  key: str
  # For how long one is kept.
  seconds: float


# With each file what it was, as it comes out of JSON.
Files = Sequence[tuple[str, Sequence[int]]]


class Keepable(Protocol):
  """What can be kept."""

  @property
  def alive(self) -> bool:
    """Whether its process is there."""

  def stop(self) -> None:
    """Ends it."""


class _Kept(NamedTuple):
  worker: Any
  key: str
  files: Files
  timer: threading.Timer

  def is_same(self) -> bool:
    """Whether nothing has changed that it depends on."""
    return self.worker.alive and all(fingerprint(path) == tuple(before) for path, before in self.files)


def read_keep(values: Any) -> Optional[Keep]:
  """What the parameters of a request, or the metadata of a call, say of keeping."""
  key = values.get('beambridge-keep', '')
  try:
    seconds = min(float(values.get('beambridge-keep-seconds', '0')), _LONGEST_S)
  except ValueError:
    return None
  return Keep(key, seconds) if isinstance(key, str) and key and seconds > 0 else None


class KeptWorkers:
  """Those of a host."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._closed = False
    # The one that was kept last is the last.
    self._kept: list[_Kept] = []

  def put(self, worker: Keepable, keep: Keep, files: Files) -> None:
    """Keeps a worker, in the place of the one that nobody has wanted for the longest time if there are enough."""
    timer = threading.Timer(keep.seconds, self._end, [worker])
    timer.daemon = True
    with self._lock:
      too_many = self._kept[:max(0, len(self._kept) + 1 - _MOST)]
      for each in too_many:
        self._kept.remove(each)
      if not self._closed:
        self._kept.append(_Kept(worker, keep.key, files, timer))
        timer.start()
      is_closed = self._closed
    for each in too_many:
      each.timer.cancel()
      each.worker.stop()
    if is_closed:
      worker.stop()

  def has(self, key: str) -> bool:
    """Whether there seems to be one."""
    with self._lock:
      return any(each.worker.alive for each in self._kept if hmac.compare_digest(each.key, key))

  def take(self, key: str) -> Optional[Any]:
    """A worker of this key. Those that know another state of their files are ended."""
    while True:
      with self._lock:
        found = next((each for each in reversed(self._kept) if hmac.compare_digest(each.key, key)), None)
        if found is None:
          return None
        self._kept.remove(found)
      found.timer.cancel()
      if found.is_same():
        return found.worker
      found.worker.stop()

  def drop(self, worker: Keepable) -> bool:
    """Forgets a worker; False if it is not here."""
    with self._lock:
      found = next((each for each in self._kept if each.worker is worker), None)
      if found is None:
        return False
      self._kept.remove(found)
    found.timer.cancel()
    return True

  def _end(self, worker: Keepable) -> None:
    if self.drop(worker):
      worker.stop()

  def close(self) -> None:
    """Ends all of them, and whoever comes later."""
    with self._lock:
      self._closed = True
      kept, self._kept = self._kept, []
    for each in kept:
      each.timer.cancel()
      each.worker.stop()
