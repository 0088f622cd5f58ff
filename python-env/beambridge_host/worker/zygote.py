# SPDX-License-Identifier: Apache-2.0
"""Worker processes in the time of a fork.

A worker that starts from nothing imports Beam and a framework again, one to several seconds. So the
host, when it has imported them and before it makes its first thread, forks a helper (the zygote)
which does nothing but fork: each worker is a copy of it that has everything and shares its memory.

Beam's gRPC, like most libraries with threads, does not survive a fork once it is in use. Neither
side has used it at that time: the helper never does, and a worker begins after its fork. macOS
ends processes that use its frameworks after a fork: there, and where threads run already,
workers are started in the ordinary way.
"""

import gc
import json
import os
import queue
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Callable, Optional, Sequence

from beambridge_host.worker.preload import preload

# Their import may start threads or open devices, which a copy of the process would not have.
_NOT_BEFORE_A_FORK = ('tensorflow', 'onnxruntime')

# With imports, perhaps from a cold disk.
_FORK_TIMEOUT_S = 60.0
_MESSAGE_BYTES = 4096
# How long processes of a host that was killed may take to end themselves.
_ORPHANS_S = 2.0


def imported_before_fork(modules: list[str]) -> list[str]:
  """Those of `modules` that the host imports first and every worker inherits."""
  return [module for module in modules if module not in _NOT_BEFORE_A_FORK] if _can_fork() else []


def _can_fork() -> bool:
  return sys.platform == 'linux' and threading.active_count() == 1


class ForkedProcess:
  """A worker that the zygote forked: what the pool needs of `subprocess.Popen`."""

  def __init__(self, zygote: 'Zygote', pid: int, stdin: int, stdout: int) -> None:
    self.pid = pid
    self.stdin = os.fdopen(stdin, 'wb')
    self.stdout = os.fdopen(stdout, 'rb')
    self._zygote = zygote
    self._ended = threading.Event()
    self._code = 0

  def poll(self) -> Optional[int]:
    return self._code if self._ended.is_set() else None

  def wait(self, timeout: Optional[float] = None) -> int:
    if not self._ended.wait(timeout):
      raise subprocess.TimeoutExpired('worker', timeout or 0.0)
    return self._code

  def terminate(self) -> None:
    self._zygote.signal(self, signal.SIGTERM)

  def kill(self) -> None:
    self._zygote.signal(self, signal.SIGKILL)

  def ended(self, code: int) -> None:
    self._code = code
    self._ended.set()


class Zygote:
  """The host's end of the helper."""

  def __init__(self, pid: int, connection: socket.socket) -> None:
    self.pid = pid
    self._connection = connection
    # One request at a time; signals go out in between.
    self._asking = threading.Lock()
    self._answers: 'queue.SimpleQueue[Optional[ForkedProcess]]' = queue.SimpleQueue()
    self._pipes: Optional[tuple[int, int]] = None
    self._processes: dict[int, ForkedProcess] = {}
    self._lost = False

  @classmethod
  def start(
      cls, work: Callable[[int, int, str], None], close: Callable[[], None],
      modules: Sequence[str] = ()) -> Optional['Zygote']:
    """Forks the helper, or returns None where that must not be.

    `work` is what a worker does, given the file descriptors of its input and output and a log level; `close` lets go
    of what the helper must not keep of the host; `modules` it imports before the first worker, while the host goes on.
    Call it in the main thread, before there are others.
    """
    if not _can_fork():
      return None
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    # What is there now stays: the collector need not write to memory that is shared.
    gc.freeze()
    try:
      pid = os.fork()
    except OSError:
      ours.close()
      theirs.close()
      return None
    if pid == 0:
      try:
        ours.close()
        close()
        _Helper(theirs, work, modules).run()
      finally:
        os._exit(1)
    theirs.close()
    return cls(pid, ours)

  def listen(self) -> None:
    """Begins to read what the helper says: with a thread, so not before the host may have some."""
    threading.Thread(target=self._read, name='zygote', daemon=True).start()

  def _read(self) -> None:
    try:
      while message := self._connection.recv(_MESSAGE_BYTES):
        self._hear(json.loads(message))
    except OSError:
      pass
    self._lost = True
    # Nobody is told any more how its workers end, so they end now and are replaced.
    for process in list(self._processes.values()):
      try:
        os.kill(process.pid, signal.SIGKILL)
      except ProcessLookupError:
        pass
      process.ended(-signal.SIGKILL)
    self._answers.put(None)
    try:
      os.waitpid(self.pid, 0)
    except ChildProcessError:
      pass

  def _hear(self, message: dict[str, int]) -> None:
    if 'forked' in message and self._pipes is not None:
      process = ForkedProcess(self, message['forked'], *self._pipes)
      self._pipes = None
      self._processes[process.pid] = process
      self._answers.put(process)
    elif 'ended' in message:
      process = self._processes.pop(message['ended'], None)
      if process is not None:
        process.ended(message['code'])
    else:
      self._answers.put(None)

  def fork(self, log_level: str) -> Optional[ForkedProcess]:
    """A new worker; None when there can be none, because the helper is gone for example."""
    with self._asking:
      if self._lost:
        return None
      child_in, stdin = os.pipe()
      stdout, child_out = os.pipe()
      self._pipes = (stdin, stdout)
      process = None
      try:
        message = json.dumps({'log_level': log_level}).encode()
        socket.send_fds(self._connection, [message], [child_in, child_out])
        process = self._answers.get(timeout=_FORK_TIMEOUT_S)
      except (OSError, queue.Empty):
        self._lost = True
      finally:
        os.close(child_in)
        os.close(child_out)
        if process is None:
          self._pipes = None
          os.close(stdin)
          os.close(stdout)
      return process

  def signal(self, process: ForkedProcess, number: int) -> None:
    # Only the helper knows whether the number still means this process.
    try:
      self._connection.send(json.dumps({'pid': process.pid, 'signal': int(number)}).encode())
    except OSError:
      pass


class _Helper:
  """The zygote's own loop. One thread, and nothing that outlives the host."""

  def __init__(
      self, connection: socket.socket, work: Callable[[int, int, str], None], modules: Sequence[str]) -> None:
    self._connection = connection
    self._work = work
    self._modules = list(modules)
    self._children: set[int] = set()
    self._host = os.getppid()
    self._wakeup, self._wakes = os.pipe()
    for end in (self._wakeup, self._wakes):
      os.set_blocking(end, False)

  def run(self) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Control-C is for the program that started all this: it decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
    with selectors.PollSelector() as selector:
      selector.register(self._connection, selectors.EVENT_READ, self._take)
      selector.register(self._wakeup, selectors.EVENT_READ, self._reap)
      while True:
        for key, _ in selector.select():
          key.data()

  def _take(self) -> None:
    data, descriptors, _, _ = socket.recv_fds(self._connection, _MESSAGE_BYTES, 2)
    if not data:
      self._end_all()
    request = json.loads(data)
    if 'signal' in request:
      if request['pid'] in self._children:
        os.kill(request['pid'], request['signal'])
      return
    # Not before it is certain that there will be a worker: not every host has one.
    preload(self._modules)
    self._modules = []
    try:
      pid = os.fork()
    except OSError:
      self._say({'refused': 1})
    else:
      if pid == 0:
        self._become_worker(request['log_level'], *descriptors)
      self._children.add(pid)
      self._say({'forked': pid})
    for descriptor in descriptors:
      os.close(descriptor)

  def _end_group(self) -> None:
    """The host is gone. A warm one had no guard that ends what its workers started."""
    if os.getpgrp() == self._host:
      signal.signal(signal.SIGTERM, signal.SIG_IGN)
      os.killpg(self._host, signal.SIGTERM)
      time.sleep(_ORPHANS_S)
      os.killpg(self._host, signal.SIGKILL)
    os._exit(0)

  def _become_worker(self, log_level: str, stdin: int, stdout: int) -> None:
    try:
      signal.set_wakeup_fd(-1)
      signal.signal(signal.SIGCHLD, signal.SIG_DFL)
      for descriptor in (self._wakeup, self._wakes):
        os.close(descriptor)
      self._connection.close()
      self._work(stdin, stdout, log_level)
    finally:
      os._exit(1)

  def _reap(self) -> None:
    try:
      while os.read(self._wakeup, 512):
        pass
    except BlockingIOError:
      pass
    while self._children:
      pid, status = os.waitpid(-1, os.WNOHANG)
      if pid == 0:
        break
      self._children.discard(pid)
      self._say({'ended': pid, 'code': os.waitstatus_to_exitcode(status)})

  def _say(self, message: dict[str, int]) -> None:
    try:
      self._connection.send(json.dumps(message).encode())
    except OSError:
      os._exit(0)
