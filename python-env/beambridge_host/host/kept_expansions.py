# SPDX-License-Identifier: Apache-2.0
"""Answers of expansions that a program says are the same each time, as long as the files are that they were made by.

A request is known by all of it. An answer names the pool of this host, and goes with it.
"""

import hashlib
import threading
import time
from typing import Any, Callable, NamedTuple, Optional, Sequence

from beambridge_host.worker.keeping import fingerprint

_MOST = 64
# Payloads can be any size.
_MOST_BYTES = 16 << 20


class _Answer(NamedTuple):
  response: Any
  size: int
  files: Sequence[tuple[str, tuple[int, ...]]]
  until: float


class KeptExpansions:
  """Those of a host."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    # The one that was used last is the last.
    self._answers: dict[bytes, _Answer] = {}

  def get(self, request: Any, seconds: float, expand: Callable[[], tuple[Any, Sequence[str]]]) -> Any:
    """The answer to a request.

    Args:
      request: as it came.
      seconds: for which an answer is kept that nobody asks for again.
      expand: makes it, and names the files that were looked at.
    """
    key = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
    with self._lock:
      found = self._answers.pop(key, None)
    if found is not None and time.monotonic() < found.until and _are_same(found.files):
      self._keep(key, found._replace(until=time.monotonic() + seconds))
      return found.response
    response, paths = expand()
    files = [(path, fingerprint(path)) for path in paths]
    if not response.error and all(found is not None for _, found in files):
      self._keep(key, _Answer(response, response.ByteSize(), files, time.monotonic() + seconds))
    return response

  def _keep(self, key: bytes, answer: _Answer) -> None:
    with self._lock:
      self._answers[key] = answer
      now = time.monotonic()
      for each in [each for each, kept in self._answers.items() if kept.until < now]:
        del self._answers[each]
      while len(self._answers) > _MOST or sum(kept.size for kept in self._answers.values()) > _MOST_BYTES:
        del self._answers[next(iter(self._answers))]


def _are_same(files: Sequence[tuple[str, Optional[tuple[int, ...]]]]) -> bool:
  return all(fingerprint(path) == before for path, before in files)
