# SPDX-License-Identifier: Apache-2.0
"""Python workers for runners that are not this host.

A program that submits a pipeline elsewhere opens a run here, with a token of its own making, by a
stream that stays open until its job is over. Whoever shows that token (runners do: it is among the
parameters of the pipeline's external environment) gets workers, each a process of its own. What they
log and how they are lost goes back over the stream; with its end they end, except for those that are kept
for the next run of the same (`kept_workers.py`).
"""

import hmac
import json
import logging
import queue
import subprocess
import threading
from typing import Any, Iterator, Optional

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, beam_job_api_pb2

from beambridge_host.host.auth import is_bearer
from beambridge_host.host.kept_workers import Files, Keep, KeptWorkers, read_keep
from beambridge_host.host.launcher import Launcher

_LOGGER = logging.getLogger(__name__)

# Job id of the message stream that opens a run, before the token.
RUN_PREFIX = 'beambridge:workers:'
_LEAST_TOKEN = 32
_TERMINATE_S = 3.0

_Importance = beam_job_api_pb2.JobMessage
_IMPORTANCE = {
    'trace': _Importance.JOB_MESSAGE_DEBUG,
    'debug': _Importance.JOB_MESSAGE_DEBUG,
    'info': _Importance.JOB_MESSAGE_BASIC,
    'warn': _Importance.JOB_MESSAGE_WARNING,
    'error': _Importance.JOB_MESSAGE_ERROR,
}


class Worker:
  """A worker process, idle until it is given an order, and again when it is kept."""

  def __init__(self, run: 'WorkerRun', launcher: Launcher) -> None:
    # None while it is kept.
    self._run: Optional['WorkerRun'] = run
    self._stopping = False
    self._ordered = False
    self._failure = ''
    self._name = ''
    self._process = launcher.launch()
    threading.Thread(target=self._read, name=f'worker-{self._process.pid}', daemon=True).start()

  @property
  def alive(self) -> bool:
    return self._process.poll() is None

  @property
  def pid(self) -> int:
    return self._process.pid

  def order(self, run: 'WorkerRun', worker_id: str, control: str, keep: bool) -> None:
    self._run = run
    self._ordered = True
    self._name = worker_id
    line = json.dumps({'worker_id': worker_id, 'control': control, 'keep': keep}) + '\n'
    self._process.stdin.write(line.encode())
    self._process.stdin.flush()

  def _read(self) -> None:
    for line in self._process.stdout:
      try:
        record = json.loads(line)
        run = self._run
        if 'failure' in record:
          self._failure = record['failure']
        elif 'idle' in record and run is not None:
          self._run = None
          run.finished(self, self._name, record['idle'])
        elif run is not None:
          run.log(record)
      except (ValueError, KeyError, TypeError):
        _LOGGER.debug('A worker said: %r', line)
    code = self._process.wait()
    run = self._run
    if run is None:
      return
    run.ended(self)
    # One that nobody needed yet is replaced by the next, whose failure is then told.
    if self._stopping or code == 0 or not self._ordered:
      run.left(self._name)
      return
    how = self._failure or (f'ended by signal {-code}' if code < 0 else f'ended with status {code}')
    run.lost(self._name, f'the Python worker {self._name} (process {self._process.pid}) is gone: {how}')

  def stop(self) -> None:
    """Asks the process to end, and makes it; does not wait."""
    if self._stopping:
      return
    self._stopping = True
    self._process.terminate()

    def make_sure() -> None:
      try:
        self._process.wait(_TERMINATE_S)
      except subprocess.TimeoutExpired:
        self._process.kill()

    threading.Thread(target=make_sure, name=f'end-worker-{self._process.pid}', daemon=True).start()


class WorkerRun:
  """The workers of one job."""

  def __init__(self, token: str, launcher: Launcher, kept: KeptWorkers, expected: Optional[Keep] = None) -> None:
    self.token = token
    self._launcher = launcher
    self._kept = kept
    self._keeps: dict[Worker, Keep] = {}
    self._lock = threading.Lock()
    self._closed = False
    # Two runners, or two processes of one, may give out the same worker id.
    self._workers: dict[tuple[str, str], Worker] = {}
    self._seen: dict[str, set[str]] = {}
    self._events: 'queue.SimpleQueue[Optional[Any]]' = queue.SimpleQueue()
    # Where it has imports to do, they are done while the job is on its way to its runner.
    is_there = expected is not None and kept.has(expected.key)
    self._spare: Optional[Worker] = None if is_there else Worker(self, launcher)

  def start(self, worker_id: str, control: str, keep: Optional[Keep] = None) -> str:
    with self._lock:
      if self._closed:
        return 'the job of this worker is over'
      if (worker_id, control) in self._workers:
        return f'worker {worker_id} of {control} runs already'
      worker = self._kept_one(worker_id, control, keep)
      if worker is None:
        spare, self._spare = self._spare, None
        worker = spare if spare is not None and spare.alive else Worker(self, self._launcher)
        try:
          worker.order(self, worker_id, control, keep is not None)
        except OSError as error:
          return f'the worker process ended at once: {error}'
      if keep is not None:
        self._keeps[worker] = keep
      self._workers[worker_id, control] = worker
      self._seen.setdefault(worker_id, set()).add(control)
      return ''

  def _kept_one(self, worker_id: str, control: str, keep: Optional[Keep]) -> Optional[Worker]:
    while keep is not None and (worker := self._kept.take(keep.key)) is not None:
      try:
        worker.order(self, worker_id, control, True)
      except OSError:
        continue  # It has just ended.
      _LOGGER.debug('Worker %s is process %s, which has served before.', worker_id, worker.pid)
      return worker
    return None

  def finished(self, worker: Worker, worker_id: str, files: Files) -> None:
    """Hears that a worker is ready for the next run."""
    with self._lock:
      self._forget(worker)
      keep = self._keeps.pop(worker, None)
      is_kept = keep is not None and not self._closed
    if is_kept:
      self._kept.put(worker, keep, files)
    else:
      worker.stop()
    self.left(worker_id)

  def stop(self, worker_id: str) -> None:
    # A request carries only an id: what it means is not sure once two runners have used it. Such
    # workers end with their control streams.
    with self._lock:
      controls = self._seen.get(worker_id, set())
      worker = self._workers.get((worker_id, next(iter(controls)))) if len(controls) == 1 else None
    if worker is not None:
      worker.stop()

  def ended(self, worker: Worker) -> None:
    with self._lock:
      self._forget(worker)

  def _forget(self, worker: Worker) -> None:
    self._workers = {key: each for key, each in self._workers.items() if each is not worker}

  def log(self, record: dict[str, str]) -> None:
    text = f"{record['logger']}: {record['message']}"
    if record.get('traceback'):
      text += '\n' + record['traceback'].rstrip()
    self._send(_IMPORTANCE[record['log']], text)

  def left(self, worker_id: str) -> None:
    if worker_id:
      self._send(_Importance.JOB_MESSAGE_DEBUG, f'the Python worker {worker_id} has ended', worker_id)

  def lost(self, worker_id: str, why: str) -> None:
    self._send(_Importance.JOB_MESSAGE_ERROR, why, worker_id)
    self._events.put(state(beam_job_api_pb2.JobState.FAILED))

  def _send(self, importance: int, text: str, message_id: str = '') -> None:
    message = beam_job_api_pb2.JobMessage(message_id=message_id, importance=importance, message_text=text)
    self._events.put(beam_job_api_pb2.JobMessagesResponse(message_response=message))

  def events(self) -> Iterator[Any]:
    while (event := self._events.get()) is not None:
      yield event

  def close(self) -> None:
    with self._lock:
      self._closed = True
      workers = [*self._workers.values(), *([self._spare] if self._spare else [])]
    self._events.put(None)
    for worker in workers:
      worker.stop()


def state(value: int) -> Any:
  return beam_job_api_pb2.JobMessagesResponse(state_response=beam_job_api_pb2.JobStateEvent(state=value))


class WorkerPool(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
  """Beam's worker pool service. Runners call it without the host's token: it asks for a run's."""

  def __init__(self, launcher: Launcher) -> None:
    self._launcher = launcher
    self._kept = KeptWorkers()
    self._lock = threading.Lock()
    self._runs: list[WorkerRun] = []

  @property
  def busy(self) -> bool:
    return bool(self._runs)

  def open(self, token: str, context: grpc.ServicerContext) -> Iterator[Any]:
    """Opens a run for as long as the call lasts. Its first message says that workers may be asked for."""
    if len(token) < _LEAST_TOKEN or self._find(token) is not None:
      context.abort(grpc.StatusCode.INVALID_ARGUMENT, 'a run needs a long token of its own')
    run = WorkerRun(token, self._launcher, self._kept, read_keep(dict(context.invocation_metadata())))
    with self._lock:
      self._runs.append(run)
    try:
      if context.add_callback(run.close):
        yield state(beam_job_api_pb2.JobState.RUNNING)
        yield from run.events()
    finally:
      with self._lock:
        self._runs.remove(run)
      run.close()

  def _find(self, token: str) -> Optional[WorkerRun]:
    with self._lock:
      runs = list(self._runs)
    return next((run for run in runs if hmac.compare_digest(run.token.encode(), token.encode())), None)

  def StartWorker(self, request: Any, context: Any = None) -> Any:
    run = self._find(request.params['token'] if 'token' in request.params else '')
    if run is None:
      _LOGGER.warning('A request for worker %s without the token of a running job was refused.', request.worker_id)
      error = 'the worker pool demands the token of a running job in params.token: pass the environment on as it is'
    elif not request.control_endpoint.url:
      error = 'the request names no control endpoint'
    else:
      error = run.start(request.worker_id, request.control_endpoint.url, read_keep(request.params))
    return beam_fn_api_pb2.StartWorkerResponse(error=error)

  def StopWorker(self, request: Any, context: Any = None) -> Any:
    """Obeyed for whoever shows the run's token, which runners do not know to do: worker ids can be guessed.

    Workers that a runner has no use for end with their control streams.
    """
    metadata = dict(context.invocation_metadata()) if context is not None else {}
    with self._lock:
      runs = [run for run in self._runs if is_bearer(metadata, run.token)]
    for run in runs:
      run.stop(request.worker_id)
    return beam_fn_api_pb2.StopWorkerResponse()

  def close(self) -> None:
    with self._lock:
      runs = list(self._runs)
    for run in runs:
      run.close()
    self._kept.close()
