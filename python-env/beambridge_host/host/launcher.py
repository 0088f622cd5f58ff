# SPDX-License-Identifier: Apache-2.0
"""How worker processes come to be."""

import logging
import os
import subprocess
import sys
from typing import Callable, Sequence

from beambridge_host.worker import worker, zygote
from beambridge_host.worker.preload import parts_of_models, preload

# Not `-m`, which would put the current folder first.
_START = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), 'start.py')


def _log_level() -> str:
  return 'DEBUG' if logging.getLogger().isEnabledFor(logging.DEBUG) else 'INFO'


class Launcher:
  """Makes worker processes: forks of what the host has imported, else programs of their own."""

  def __init__(self, modules: Sequence[str], close: Callable[[], None]) -> None:
    """Imports what workers need, and forks. `close` lets go of what is the host's alone."""
    self._modules = list(modules)
    worker.prepare()
    shared = zygote.imported_before_fork(self._modules)
    preload(shared)
    left = [module for module in self._modules if module not in shared]
    # What models are made of is imported while the host expands, and once for all workers.
    self._zygote = zygote.Zygote.start(worker.forked(left), close, parts_of_models(self._modules))

  def listen(self) -> None:
    if self._zygote is not None:
      self._zygote.listen()

  def launch(self) -> 'zygote.ForkedProcess | subprocess.Popen[bytes]':
    # Either is in the host's process group, which its guard ends whatever becomes of the host.
    process = self._zygote.fork(_log_level()) if self._zygote is not None else None
    if process is not None:
      return process
    command = [sys.executable, _START, 'beambridge_host.worker.worker', '--log-level', _log_level()]
    for module in self._modules:
      command += ['--preload', module]
    environment = {'PYTHONSAFEPATH': 'beambridge', **os.environ}
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
