# SPDX-License-Identifier: Apache-2.0
"""Variables of the process that handlers are given: they end with the jobs that run.

What an import or somebody's code sets stays, as in any Python process: a module is not imported again for the next job.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import contextlib
import os
import threading
from typing import Any, Iterator, Mapping, Optional


class GivenVariables:
  """Those that handlers were given while jobs run."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._jobs = 0
    # What they were before, if they were set at all.
    self._before: dict[str, Optional[str]] = {}

  def __reduce__(self) -> Any:
    # One for a process, in which there may be copies of this module that were pickled by value.
    return _of_process, ()

  @contextlib.contextmanager
  def of_job(self) -> Iterator[None]:
    """While a job runs. When the last of those that run together is over, they are what they were before."""
    with self._lock:
      self._jobs += 1
    try:
      yield
    finally:
      with self._lock:
        self._jobs -= 1
        if self._jobs == 0:
          self._restore()

  def about_to_set(self, given: Any) -> None:
    """To be called before a handler sets what it was given: texts by name, unless it has a way of its own."""
    with self._lock:
      for name in given if isinstance(given, Mapping) else ():
        if isinstance(name, str):
          self._before.setdefault(name, os.environ.get(name))

  def _restore(self) -> None:
    while self._before:
      name, before = self._before.popitem()
      if before is None:
        os.environ.pop(name, None)
      else:
        os.environ[name] = before


def _of_process() -> GivenVariables:
  return vars(os).setdefault('_beambridge_given', GivenVariables())


GIVEN = _of_process()
