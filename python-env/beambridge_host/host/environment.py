# SPDX-License-Identifier: Apache-2.0
"""Variables of the process that jobs set, such as those that a handler is given: they end with the jobs."""

import contextlib
import os
import threading
from typing import Iterator


class JobsEnvironment:
  """What the environment is without any job."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._jobs = 0
    self._before: dict[str, str] = {}

  @contextlib.contextmanager
  def of_job(self) -> Iterator[None]:
    """While a job runs. When the last of those that run together is over, all is as it was before the first."""
    with self._lock:
      if self._jobs == 0:
        self._before = dict(os.environ)
      self._jobs += 1
    try:
      yield
    finally:
      with self._lock:
        self._jobs -= 1
        if self._jobs == 0:
          self._restore()

  def _restore(self) -> None:
    for name in set(os.environ) - set(self._before):
      del os.environ[name]
    os.environ.update(self._before)
