# SPDX-License-Identifier: Apache-2.0
"""Whether this process may serve another run, with the models that it has loaded.

It may if nobody could tell it from one that has just loaded them. So it watches itself from its first order on, and whatever
cannot be looked into speaks against it: a model that is not, byte for byte, what was loaded; a file besides the model's own that
was read for it; code from outside of the environment; another process, a connection, a variable of the environment; a warning,
which the next run should hear as well. The files that it depends on are named, so that whoever gives it away looks at them first.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import stat
import sys
import sysconfig
import threading
import time
from typing import Any, Iterator, Optional, Sequence

# A file that was written so shortly before may be written again within one tick of its file system's clock. Seconds.
_SETTLED_S = 2.0
# To compare a model takes about as long as to load it, and what is kept takes memory. Bytes.
_LARGEST = 64 << 20
# Imports while a model is loaded are some hundred files at most.
_MOST_FILES = 2000

_SPOILING = frozenset((
    'os.chdir', 'os.exec', 'os.fork', 'os.forkpty', 'os.posix_spawn', 'os.putenv', 'os.spawn', 'os.system', 'os.unsetenv',
    'socket.bind', 'socket.connect', 'subprocess.Popen'))

# What the kernel tells of the machine.
_OF_MACHINE = ('/dev/', '/proc/', '/sys/')


def fingerprint(path: str) -> Optional[tuple[int, ...]]:
  """What tells the contents of a file from those that it had before, or None for what is no file that can be read.

  The time of its last change (ctime) is one that nobody can set.
  """
  try:
    # Opened, since file systems of a network look again only then.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
      found = os.fstat(descriptor)
    finally:
      os.close(descriptor)
  except (OSError, ValueError):
    return None
  if not stat.S_ISREG(found.st_mode):
    return None
  return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_settled(of_file: tuple[int, ...]) -> bool:
  """Whether a file's fingerprint would tell the next change of it."""
  return time.time_ns() - max(of_file[3:]) > _SETTLED_S * 1e9


class _Digest:
  """Takes what is written to it, up to a size."""

  def __init__(self) -> None:
    self._hash = hashlib.blake2b()
    self._size = 0

  def write(self, data: Any) -> None:
    view = memoryview(data).cast('B')
    self._size += len(view)
    if self._size > _LARGEST:
      raise ValueError('it is too large to be kept')
    self._hash.update(view)

  def digest(self) -> bytes:
    return self._hash.digest()


def _digest(model: Any) -> Optional[bytes]:
  """Of all that a model is made of; None where that cannot be known."""
  out = _Digest()
  try:
    pickle.Pickler(out, protocol=5).dump(model)
  except Exception:  # pylint: disable=broad-except
    return None
  return out.digest()


class Keeper:
  """What this process has done since its first order."""

  def __init__(self) -> None:
    self._is_on = False
    self._why = ''
    self._files: dict[str, tuple[int, ...]] = {}
    self._models: list[tuple[Any, Any, bytes]] = []
    self._modules: frozenset[str] = frozenset()
    self._homes: tuple[str, ...] = ()
    # What is opened while a model is loaded.
    self._opened: Optional[list[str]] = None
    self._of_thread = threading.local()

  def __reduce__(self) -> Any:
    # One for a process, in which there may be copies of this module that were pickled by value.
    return _of_process, ()

  def begin(self) -> None:
    """Watches from now on."""
    self._is_on = True
    self._modules = frozenset(sys.modules)
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # Not the prefix of either, below which programs may lie as well: that of a system's Python is /usr.
    environment = {sysconfig.get_path(name) for name in ('stdlib', 'platstdlib', 'purelib', 'platlib')}
    self._homes = tuple(f'{os.path.realpath(home)}{os.sep}' for home in (*environment, own))
    sys.addaudithook(self._hear)
    logging.getLogger().addHandler(_Warnings(self))

  def spoil(self, why: str) -> None:
    """Has this process end after the run."""
    if not self._why:
      self._why = why

  @property
  def why(self) -> str:
    """Why it is not kept."""
    return self._why

  def _hear(self, event: str, args: Sequence[Any]) -> None:
    # Must not raise, which would keep the event from happening.
    if event in _SPOILING:
      self.spoil(event)
    elif event == 'open' and self._opened is not None and isinstance(args[0], (str, bytes)):
      self._opened.append(os.fsdecode(args[0]))

  @contextlib.contextmanager
  def loading(self, paths: Sequence[str]) -> Iterator[None]:
    """While a model is loaded that comes of these files."""
    if not self._is_on:
      yield
      return
    if self._opened is not None:
      self.spoil('two models were loaded at once')
      yield
      return
    before = {path: fingerprint(path) for path in paths}
    self._opened = []
    try:
      yield
    finally:
      opened, self._opened = self._opened, None
    for path, found in before.items():
      if found is None or fingerprint(path) != found or not is_settled(found):
        self.spoil(f'{path} is no file that has been there for a while')
      else:
        self._files[path] = found
    own = {os.path.realpath(path) for path in paths}
    for path in opened:
      real = os.path.realpath(path)
      if real not in own and not self._is_at_home(real):
        self.spoil(f'{path} was read with the model')

  def loaded(self, home: Any, model: Any) -> None:
    """That a model was loaded, which `home` holds."""
    if not self._is_on or self._why:
      return
    digest = _digest(model)
    if digest is None:
      self.spoil('the model cannot be compared')
    else:
      self._models.append((home, model, digest))

  @contextlib.contextmanager
  def listing(self, looked_at: list[str]) -> Iterator[None]:
    """Has this thread list the files that it looks at."""
    self._of_thread.looked_at = looked_at
    try:
      yield
    finally:
      self._of_thread.looked_at = None

  def looks_at(self, path: str) -> None:
    """That what is made follows from a file."""
    looked_at = getattr(self._of_thread, 'looked_at', None)
    if looked_at is not None:
      looked_at.append(path)

  def _is_at_home(self, real: str) -> bool:
    return real.startswith(self._homes) or real.startswith(_OF_MACHINE)

  def leave(self) -> Optional[list[tuple[str, tuple[int, ...]]]]:
    """The files that this process depends on, as they were, if it may serve another run; else None, and `why` tells."""
    if not self._why and not self._models:
      self.spoil('it has no model')
    if not self._why and any(_digest(model) != digest for _, model, digest in self._models):
      self.spoil('its model has changed')
    if not self._why and _has_children():
      self.spoil('it has started processes')
    if not self._why:
      self._look_at_modules()
    return None if self._why else list(self._files.items())

  def _look_at_modules(self) -> None:
    """Code that was imported for the model is as much a part of it as its file."""
    for name in set(sys.modules) - self._modules:
      spec = getattr(sys.modules.get(name), '__spec__', None)
      origin = getattr(spec, 'origin', None)
      if origin in ('built-in', 'frozen'):
        continue
      places = [origin] if origin else list(getattr(spec, 'submodule_search_locations', None) or ())
      if not places or not all(self._is_at_home(os.path.realpath(place)) for place in places):
        self.spoil(f'the module {name} is none of the environment')
        return
      found = fingerprint(origin) if origin else None
      if found is not None:
        self._files.setdefault(origin, found)
      elif origin:
        self.spoil(f'the module {name} is in no file')
    self._modules = frozenset(sys.modules)
    if len(self._files) > _MOST_FILES:
      self.spoil('it depends on too many files')


def _has_children() -> bool:
  """Whether a process is or was this one's that nobody has waited for. Those of joblib start without an event."""
  try:
    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
  except ChildProcessError:
    return False
  return True


class _Warnings(logging.Handler):
  """What is said once in a process, or when a model is loaded."""

  def __init__(self, keeper: Keeper) -> None:
    super().__init__(logging.WARNING)
    self._keeper = keeper

  def emit(self, record: logging.LogRecord) -> None:
    self._keeper.spoil('it has warned')


def _of_process() -> Keeper:
  return vars(os).setdefault('_beambridge_keeper', Keeper())


KEEPER = _of_process()
