# SPDX-License-Identifier: Apache-2.0
"""Objects that processes of a host share (`large_model`, `model_copies`), closed to everybody else.

Beam's MultiProcessShared serves them on a port of 127.0.0.1 behind a key that is the same everywhere,
and unpickles what comes: whoever may open a connection on this machine may run code in the worker.
Here the key is the host's own, and the server listens on a socket in the host's folder, which nobody
else can enter; one that says nothing would otherwise keep all others waiting.
"""

import multiprocessing
import os
import secrets
import socket
from typing import Any, Optional

from apache_beam.utils import multi_process_shared

from beambridge_host.worker import own_folder

# The kernel's limit for the path of a socket is 104 bytes on macOS, 108 on Linux.
_LONGEST_PATH = 100

_Registrar = multi_process_shared._SingletonRegistrar
_run_server_process = multi_process_shared._run_server_process


def _socket_path(address: Any) -> Any:
  """A new path for a server, that of a server for its clients."""
  if not isinstance(address, tuple):
    return address
  where, port = address
  if where.startswith(os.sep):
    return where
  folder = own_folder.current()
  if port or folder is None or not hasattr(socket, 'AF_UNIX'):
    return address
  path = os.path.join(folder, f'shared-{secrets.token_hex(4)}')
  return path if len(os.fsencode(path)) <= _LONGEST_PATH else address


class OwnRegistrar(_Registrar):
  """Beam's manager, on a socket of the host's folder."""

  def __init__(self, address: Any = None, authkey: Optional[bytes] = None, **kwargs: Any) -> None:
    super().__init__(_socket_path(address), authkey, **kwargs)

  def get_server(self) -> Any:
    server = super().get_server()
    if isinstance(server.address, str):
      # Beam writes it down as `%s:%d`, and takes it apart again.
      server.address = (server.address, 0)
    return server


def run_server_process(*args: Any) -> None:
  """A process of its own for one object, which knows nothing of all this yet."""
  own_folder.use_for_beam()
  _run_server_process(*args)


def install(key: bytes) -> None:
  """Makes Beam use the above, in this process and those that it starts."""
  multi_process_shared.AUTH_KEY = key
  multi_process_shared._SingletonRegistrar = OwnRegistrar
  multi_process_shared._run_server_process = run_server_process
  # Of any other manager that is started without a key of its own.
  multiprocessing.current_process().authkey = key
