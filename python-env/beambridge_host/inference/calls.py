# SPDX-License-Identifier: Apache-2.0
"""Calls of a model handler that may hang or end the process.

A time limit alone leaves the call behind in a thread, because Python can stop none. A child process
can be killed, and what kills it (a crash in a library, the kernel for want of memory) fails the rows
that it was given and nothing else.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from typing import Any, Callable, Optional

from apache_beam.internal import pickler


# A large process takes its time to give its memory back.
_DYING_S = 10.0


class GaveUp(TimeoutError):
  """A call took longer than it was given. Not worth trying with fewer rows, each of which would wait again."""


class ChildDied(RuntimeError):
  """The child process of a model ended while it loaded the model, or in the middle of a call."""

  def __init__(self, message: str = '', status: Optional[int] = None) -> None:
    super().__init__(message)
    self._status = status

  def hint(self) -> str:
    """What is to be done about it."""
    if self._status == -signal.SIGKILL:
      return 'The kernel kills so where memory runs out: take a smaller model, fewer processes, or a machine or container with more.'
    if self._status is not None and self._status < 0:
      return 'A library crashed: what it wrote is in the log. Load the model with the versions that it was made with.'
    return 'Its last words are in the log (BEAMBRIDGE_LOG=info): something in it ends the process.'


def within(act: Callable[[], Any], seconds: Optional[float]) -> Any:
  """What `act` gives, or GaveUp; the call goes on in a thread that nobody waits for."""
  if seconds is None:
    return act()
  outcome: dict[str, Any] = {}

  def run() -> None:
    try:
      outcome['value'] = act()
    except BaseException as error:  # pylint: disable=broad-except
      outcome['error'] = error

  thread = threading.Thread(target=run, name='inference', daemon=True)
  thread.start()
  thread.join(seconds)
  if thread.is_alive():
    raise gave_up(seconds)
  if 'error' in outcome:
    raise outcome['error']
  return outcome['value']


def gave_up(seconds: float) -> GaveUp:
  return GaveUp(f'the model gave no answer within {round(seconds * 1000)} ms')


# Reads frames from its standard input. What a user's code prints goes to stderr. It ends with its
# input, also when a call is under way: a thread watches who its parent is.
#
# `-c` puts the current folder first, where a file may have the name of any module; `-P` is not known to Python 3.10. Without it
# until the path of the parent comes, which start.py has arranged.
_CHILD = r'''
import sys
sys.path[:] = [entry for entry in sys.path if entry]
import os, struct, threading, time, traceback
answers = os.fdopen(os.dup(1), 'wb')
os.dup2(2, 1)
def watch(parent=os.getppid()):
  while os.getppid() == parent:
    time.sleep(1)
  os._exit(1)
threading.Thread(target=watch, daemon=True).start()
frames = os.fdopen(os.dup(0), 'rb')
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
def read():
  head = frames.read(8)
  return frames.read(struct.unpack('<Q', head)[0]) if len(head) == 8 else None
sys.path[:0] = read().decode().split('\0')
import pickle
from apache_beam.internal import pickler
act = None
while (frame := read()) is not None:
  try:
    if act is None:
      act = pickler.loads(frame)()
      answer = pickle.dumps((None, None, ''))
    else:
      answer = pickle.dumps((act(*pickle.loads(frame)), None, ''))
  except BaseException as error:
    text = traceback.format_exc()
    try:
      answer = pickle.dumps((None, error, text))
      pickle.loads(answer)
    except Exception:
      answer = pickle.dumps((None, RuntimeError(f'{type(error).__name__}: {error}'), text))
  answers.write(struct.pack('<Q', len(answer)) + answer)
  answers.flush()
'''


class Child:
  """A process that makes a function and then calls it for us. It is started again after it was lost."""

  def __init__(self, make: Callable[[], Callable[..., Any]]) -> None:
    self._make = pickler.dumps(make)
    self._lock = threading.Lock()
    self._process: Optional[subprocess.Popen[bytes]] = None
    with self._lock:
      self._start()

  def call(self, *args: Any, seconds: Optional[float] = None) -> Any:
    """Raises what the function raises, GaveUp, or ChildDied."""
    with self._lock:
      if self._process is None:
        self._start()
      return self._ask(pickle.dumps(args), seconds)

  def close(self) -> None:
    process, self._process = self._process, None
    if process is not None:
      process.kill()
      process.wait()
      process.stdin.close()
      process.stdout.close()

  def __del__(self) -> None:
    self.close()

  def _start(self) -> None:
    self._process = subprocess.Popen(
        [sys.executable, '-c', _CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
    self._send('\0'.join(path or os.getcwd() for path in sys.path).encode())
    try:
      # Making the function loads the model, which has as long as it takes.
      self._ask(self._make, None)
    except BaseException as error:
      self.close()
      error.loads_model = True
      raise

  def _ask(self, frame: bytes, seconds: Optional[float]) -> Any:
    try:
      self._send(frame)
      value, error, text = pickle.loads(self._receive(seconds))
    except (ChildDied, GaveUp, BrokenPipeError) as lost:
      if isinstance(lost, GaveUp):
        self.close()
        raise
      status = self._ended()
      self.close()
      raise ChildDied(f'the process of the model {_how(status)}', status) from None
    if error is not None:
      error.remote_traceback = text
      raise error
    return value

  def _ended(self) -> Optional[int]:
    """How the process ended; None if it only closed its pipes."""
    try:
      # These are closed a little before there is a status.
      return self._process.wait(_DYING_S)
    except subprocess.TimeoutExpired:
      return None

  def _send(self, frame: bytes) -> None:
    view = memoryview(struct.pack('<Q', len(frame)) + frame)
    while view:
      view = view[self._process.stdin.write(view):]

  def _receive(self, seconds: Optional[float]) -> bytes:
    deadline = None if seconds is None else time.monotonic() + seconds
    size = struct.unpack('<Q', self._read(8, deadline, seconds))[0]
    return self._read(size, deadline, seconds)

  def _read(self, size: int, deadline: Optional[float], seconds: Optional[float]) -> bytes:
    out = bytearray()
    pipe = self._process.stdout
    while len(out) < size:
      left = None if deadline is None else deadline - time.monotonic()
      if left is not None and (left <= 0 or not select.select([pipe], [], [], left)[0]):
        raise gave_up(seconds)
      part = pipe.read(min(size - len(out), 1 << 20))
      if not part:
        raise ChildDied()
      out += part
    return bytes(out)


def _how(status: Optional[int]) -> str:
  if status is None:
    return 'hung up'
  if status >= 0:
    return f'ended with exit code {status}'
  try:
    name = signal.Signals(-status).name
  except ValueError:
    name = f'signal {-status}'
  return f'was killed by {name}, most likely because memory ran out' if name == 'SIGKILL' else f'was ended by {name}'
