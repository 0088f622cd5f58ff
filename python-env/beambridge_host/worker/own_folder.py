# SPDX-License-Identifier: Apache-2.0
"""The folder in which a host keeps what lies on disk, so that nothing of it is left when the host is gone.

Beam makes a temporary folder for each pipeline that it constructs and removes it when that pipeline
runs, which an expansion's never does; it keeps the addresses of shared models in files of the system's
temporary folder and leaves their locks there. All of that goes here, and the key by which the host's
processes know one another. A host that is killed cannot
remove its folder: the next one does, which sees by the lock that nobody holds that it was left.
"""

import contextlib
import os
import secrets
import shutil
import stat
import tempfile
from types import SimpleNamespace
from typing import Any, Optional

try:
  import fcntl
except ImportError:  # Windows has none: there what a killed host leaves stays.
  fcntl = None  # type: ignore[assignment]

_PREFIX = 'beambridge-host-'
_LOCK = 'lock'
_KEY = 'key'
# Where processes of the host find it.
_VARIABLE = 'BEAMBRIDGE_HOST_FOLDER'

HINT = 'Point TMPDIR to a folder that this program may write to, or free space in it.'


def why_none(error: OSError) -> str:
  """That no folder could be made, for a person."""
  tried = os.environ.get('TMPDIR')
  where = f'TMPDIR is {tried}' if tried else 'TMPDIR is not set'
  return f'it has no temporary folder that can be written ({where}): {error.strerror or error}'


class OwnFolder:
  """A folder that is this host's until it removes it, or its process ends."""

  def __init__(self) -> None:
    self.path = tempfile.mkdtemp(prefix=_PREFIX)
    made = os.path.join(self.path, f'{_LOCK}.new')
    # Held open, and with it the lock, by this process and its forks.
    self._lock = os.open(made, os.O_RDWR | os.O_CREAT, 0o600)
    if fcntl is not None:
      with contextlib.suppress(OSError):  # Some file systems have no locks: then nobody takes this one either.
        fcntl.flock(self._lock, fcntl.LOCK_EX)
    # It has its name only now, so that nobody finds it unlocked.
    os.rename(made, os.path.join(self.path, _LOCK))
    key = os.open(os.path.join(self.path, _KEY), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(key, secrets.token_bytes(32))
    os.close(key)
    os.environ[_VARIABLE] = self.path

  def remove(self) -> None:
    shutil.rmtree(self.path, ignore_errors=True)


def current() -> Optional[str]:
  """The folder of the host that this process is, or belongs to."""
  path = os.environ.get(_VARIABLE)
  return path if path and os.path.isdir(path) else None


def use_for_beam() -> None:
  """Makes Beam keep its own files in the folder, in this process and those that it forks."""
  folder = current()
  if folder is None:
    return
  from apache_beam import pipeline  # pylint: disable=import-outside-toplevel
  from apache_beam.runners.portability import stager  # pylint: disable=import-outside-toplevel
  from apache_beam.transforms import environments  # pylint: disable=import-outside-toplevel
  from apache_beam.utils import multi_process_shared  # pylint: disable=import-outside-toplevel

  from beambridge_host.worker import shared_objects  # pylint: disable=import-outside-toplevel

  def mkdtemp(suffix: Any = None, prefix: Any = None, dir: Any = None) -> str:  # pylint: disable=redefined-builtin
    return tempfile.mkdtemp(suffix, prefix, dir or folder)

  # For these modules alone: what models and users' functions keep in the system's temporary folder stays there.
  own = SimpleNamespace(**{**vars(tempfile), 'mkdtemp': mkdtemp, 'gettempdir': lambda: folder})
  pipeline.tempfile = environments.tempfile = stager.tempfile = own
  multi_process_shared.MultiProcessShared.__init__.__kwdefaults__['path'] = folder
  with open(os.path.join(folder, _KEY), 'rb') as key:
    shared_objects.install(key.read())


def sweep() -> None:
  """Removes the folders of hosts that were killed."""
  if fcntl is None:
    return
  parent = tempfile.gettempdir()
  try:
    names = os.listdir(parent)
  except OSError:
    return  # Not everybody may look at what others have there.
  for name in names:
    if name.startswith(_PREFIX):
      _remove_left(os.path.join(parent, name))


def _remove_left(folder: str) -> None:
  try:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
      return
    # One without a lock is just being made.
    lock = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_NOFOLLOW)
  except OSError:
    return
  try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    shutil.rmtree(folder, ignore_errors=True)
  except OSError:
    pass  # Its host lives.
  finally:
    os.close(lock)
