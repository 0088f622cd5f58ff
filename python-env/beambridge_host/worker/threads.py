# SPDX-License-Identifier: Apache-2.0
"""How many threads a model's linear algebra has.

OpenBLAS shares a product of a fraction of a millisecond out among all cores and waits for them busily,
while the pipeline's other steps work on those cores: on two of them, a linear model on thousands of
rows takes more than twice the processor time of one thread. So calls have one thread for as long as
they are short; after the first that takes longer, a model has all. Who sets the libraries' own
variables decides alone.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
from typing import Any, Iterator, Optional, Sequence

# One thread needs so long for a call: more could make a difference.
_LONG_S = 0.05

_VARIABLES = ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS', 'BLIS_NUM_THREADS')


class _Libraries:
  """The BLAS libraries of this process. OpenBLAS obeys only the thread that told it a number first."""

  def __init__(self, found: Sequence[Any]) -> None:
    self._found = found
    self._all = [library.get_num_threads() for library in found]
    self._wishes: 'queue.SimpleQueue[tuple[list[int], threading.Event]]' = queue.SimpleQueue()
    threading.Thread(target=self._obey, name='blas-threads', daemon=True).start()

  def _obey(self) -> None:
    while True:
      numbers, done = self._wishes.get()
      try:
        for library, number in zip(self._found, numbers):
          library.set_num_threads(number)
      except Exception:  # pylint: disable=broad-except
        pass  # Whoever asked looks whether they obeyed, and must not wait for ever.
      done.set()

  def _set(self, numbers: list[int]) -> None:
    done = threading.Event()
    self._wishes.put((numbers, done))
    done.wait()

  def one_thread(self) -> bool:
    """Whether they obeyed: somebody else may have told them before."""
    self._set([1] * len(self._all))
    return all(library.get_num_threads() == 1 for library in self._found)

  def all_threads(self) -> None:
    self._set(self._all)


class CallThreads:
  """The threads of all calls of models in this process."""

  def __init__(self) -> None:
    self._lock = threading.Lock()
    self._calls = 0
    self._libraries: Optional[_Libraries] = None
    self._given_up = any(os.environ.get(name) for name in _VARIABLES)

  @contextlib.contextmanager
  def call(self) -> Iterator[None]:
    """For the time of a call."""
    limited = self._enter()
    began = time.perf_counter()
    try:
      yield
    finally:
      if limited:
        self._leave(time.perf_counter() - began > _LONG_S)

  def _enter(self) -> bool:
    # scikit-learn brings it; frameworks without it share work out in ways of their own.
    finder = sys.modules.get('threadpoolctl')
    if finder is None or self._given_up:
      return False
    with self._lock:
      self._calls += 1
      # The number is the process's, so the first call sets it and the last takes it back.
      if self._calls == 1:
        if self._libraries is None:
          # Not before there is a model, which loads them.
          found = finder.ThreadpoolController().select(user_api='blas').lib_controllers
          self._libraries = _Libraries(found)
        self._given_up = not self._libraries.one_thread()
    return True

  def _leave(self, was_long: bool) -> None:
    with self._lock:
      self._calls -= 1
      self._given_up = self._given_up or was_long
      if self._calls == 0:
        self._libraries.all_threads()


CALLS = CallThreads()
