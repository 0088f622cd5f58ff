# SPDX-License-Identifier: Apache-2.0
"""`python -m beambridge_host`: start, announce, serve, end.

The process ends on SIGTERM, or when nobody called it for `--idle-timeout` seconds. It ends with its
program: that is the business of the guard that the Node side starts around it, and, should somebody
kill the guard's shells, of a pipe from the program that the host reads as well.
"""

import argparse
import gc
import os
import signal
import sys
import threading
import time
from typing import Any

from beambridge_host import __version__
from beambridge_host.worker import lazy, own_folder
from beambridge_host.worker.channel import Channel, claim_stdout, send_logs
from beambridge_host.worker.preload import preload

TOKEN_VARIABLE = 'BEAMBRIDGE_HOST_TOKEN'
# Number of the descriptor whose end of file is the end of the program.
PROGRAM_VARIABLE = 'BEAMBRIDGE_PROGRAM_PIPE'

# As long as the guard gives.
_ORPHAN_S = 2.0
# What a warm host is told once other programs can find it.
_STAY = b'stay'


class _Ended(BaseException):
  """A signal while the host imports, which may take longer than anybody waits."""


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(prog='beambridge_host', description=__doc__)
  parser.add_argument('--log-level', default='INFO', help='least level of log records sent to Node')
  parser.add_argument('--idle-timeout', type=float, default=0.0, help='seconds without a call; 0: never')
  parser.add_argument('--preload', action='append', default=[], help='module to import once ready')
  return parser.parse_args()


def _serve(
    arguments: argparse.Namespace, token: str, channel: Channel, ending: threading.Event, folder: str,
    program: int, serving: threading.Event) -> None:
  """Serves until it is to end."""
  # Imported late: one second, in which a broken environment shows, and signals work already. What is
  # made meanwhile stays, so there is nothing to collect.
  gc.disable()
  lazy.install()
  from beambridge_host.host.launcher import Launcher  # pylint: disable=import-outside-toplevel
  from beambridge_host.host.server import HostServer  # pylint: disable=import-outside-toplevel
  import apache_beam  # pylint: disable=import-outside-toplevel

  launcher = Launcher(arguments.preload, channel.close)
  gc.enable()
  if program >= 0:
    threading.Thread(target=_end_with_program, args=(program, ending), name='end-with-program', daemon=True).start()

  server = HostServer(token, folder, launcher)
  send_logs(channel, arguments.log_level)
  serving.set()
  channel.send({
      'ready': True,
      'address': server.address,
      'pool': server.pool_address,
      'pid': os.getpid(),
      'version': __version__,
      'beam': apache_beam.__version__,
      'python': '.'.join(map(str, sys.version_info[:3])),
  })
  threading.Thread(target=_later, args=(arguments.preload,), name='preload', daemon=True).start()
  while not ending.wait(1.0):
    idle = 0.0 if server.busy else time.monotonic() - server.last_call
    if arguments.idle_timeout and idle > arguments.idle_timeout:
      break
  server.stop()


def _end_with_program(descriptor: int, ending: threading.Event) -> None:
  while said := os.read(descriptor, 4096):
    if said.startswith(_STAY):
      os.close(descriptor)
      return
  ending.set()
  time.sleep(_ORPHAN_S)
  os.killpg(os.getpgrp(), signal.SIGKILL)


def _later(modules: list[str]) -> None:
  """What nobody has to wait for."""
  preload(modules)
  own_folder.sweep()


def main() -> None:
  arguments = _arguments()
  sys.argv = sys.argv[:1]  # Beam parses the arguments of the process wherever it finds none of its own.
  token = os.environ.pop(TOKEN_VARIABLE, '')
  if not token:
    sys.exit(f'{TOKEN_VARIABLE} must hold a token: start the host through beambridge.')
  channel = claim_stdout()
  # Beam warns about optional packages while it is imported.
  send_logs(channel, 'ERROR')

  program = int(os.environ.pop(PROGRAM_VARIABLE, '-1'))

  ending = threading.Event()
  try:
    folder = own_folder.OwnFolder()
  except OSError as error:
    channel.send({'refused': own_folder.why_none(error), 'hint': own_folder.HINT})
    sys.exit(1)

  def end(*_: Any) -> None:
    if not ending.is_set():
      ending.set()
      if not serving.is_set():
        raise _Ended()

  serving = threading.Event()
  try:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
      signal.signal(number, end)
    _serve(arguments, token, channel, ending, folder.path, program, serving)
  except _Ended:
    pass
  finally:
    folder.remove()
  if os.getpgrp() == os.getpid():
    # A warm host leads a group of its own and has no guard: end what its jobs started.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(os.getpid(), signal.SIGTERM)
  # Threads of a job may still run user code: nothing of it is worth waiting for.
  os._exit(0)


if __name__ == '__main__':
  main()
