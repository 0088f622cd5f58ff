# SPDX-License-Identifier: Apache-2.0
"""FnApiRunner with bundles that stream, that can be cancelled, and that notice a dead worker.

Beam's own runner writes all input of a bundle into a queue before it tells the worker about the
bundle, as one message per input, and then waits without end. Here the worker is told first, input
goes out in messages of about a megabyte while outputs come back, and every wait looks at the job's
cancellation and at the worker's connection.
"""

import contextlib
import ctypes
import threading
import time
from typing import Any, Callable, Iterable, Iterator, Optional

from apache_beam.portability import python_urns
from apache_beam.portability.api import beam_fn_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import execution, fn_runner, worker_handlers

from beambridge_host.errors import bridge_error
from beambridge_host.host import panes, set_timers, side_inputs, timer_buffers
from beambridge_host.host.fn_server import WorkerLost

_MESSAGE_BYTES = 1 << 20
_CONNECT_TIMEOUT_S = 60.0
# Id that src/pipeline/to-proto.ts gives the environment of the program which submitted the job.
_SUBMITTER = 'typescript'

panes.install()
timer_buffers.install()
side_inputs.install()


class JobCancelled(BaseException):
  """Not an Exception, so that user code which catches everything lets it pass."""


class Cancellation:
  """One job's wish to end, as seen by the thread that runs it."""

  def __init__(self) -> None:
    self._requested = threading.Event()
    self._lock = threading.Lock()
    self._interruptible: Optional[int] = None

  def request(self) -> None:
    self._requested.set()

  @property
  def requested(self) -> bool:
    return self._requested.is_set()

  def check(self) -> None:
    if self.requested:
      raise JobCancelled()

  @contextlib.contextmanager
  def interruptible(self) -> Iterator[None]:
    """Marks code that only an exception from outside can stop: Python user code in this thread."""
    self.check()
    with self._lock:
      self._interruptible = threading.get_ident()
    try:
      yield
    finally:
      with self._lock:
        self._interruptible = None

  def interrupt(self) -> None:
    """Raises JobCancelled in the marked code; it takes effect at the next Python instruction there."""
    with self._lock:
      if self._interruptible is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(self._interruptible), ctypes.py_object(JobCancelled))


class HostRunner(fn_runner.FnApiRunner):
  """Runs one job."""

  def __init__(self, provision_info: Any, cancellation: Cancellation) -> None:
    super().__init__(provision_info=provision_info)
    self._cancellation = cancellation
    self._set_timers = set_timers.SetTimers()

  def create_stages(self, pipeline_proto: Any) -> Any:
    """As in Beam, but no stage is left for whichever worker comes first.

    A stage of nothing but a flatten in front of a grouping names no environment, and Beam then takes
    any. Python's worker cannot pass on elements of a coder that it does not know; the SDK that
    submitted the job can, whatever the coder.
    """
    context, stages = super().create_stages(pipeline_proto)
    foreign = sorted(
        name for name, environment in context.components.environments.items()
        if environment.urn != python_urns.EMBEDDED_PYTHON)
    for stage in stages:
      if stage.environment is None and foreign:
        # Python of another environment is foreign as well, and no better at it.
        stage.environment = _SUBMITTER if _SUBMITTER in foreign else foreign[0]
    return context, stages

  def run_stages(self, stage_context: Any, stages: Any) -> Any:
    """As in Beam, whose runner asserts something that not every pipeline fulfils, and then says no more."""
    try:
      return super().run_stages(stage_context, stages)
    except AssertionError as error:
      if 'watermark-pending bundles did not execute' not in str(error):
        raise
      raise bridge_error(
          'UNSUPPORTED',
          'the runner direct cannot order the steps of this pipeline: Beam\'s own runner gives up where a step '
          'has a side input that comes, by a flatten, of the same elements as its main input',
          hint='Run it on the runner node.') from error

  def _collect_written_timers(self, bundle_context_manager: Any) -> Any:  # type: ignore[override]
    self._set_timers.written(bundle_context_manager)
    return super()._collect_written_timers(bundle_context_manager)

  def _run_bundle(
      self, runner_execution_context: Any, bundle_context_manager: Any, bundle_input: Any, *args: Any) -> Any:
    side_inputs.write(runner_execution_context, bundle_context_manager.stage)
    timers = self._set_timers.still_set(bundle_context_manager, bundle_input.timers)
    return super()._run_bundle(
        runner_execution_context, bundle_context_manager, execution.DataInput(bundle_input.data, timers), *args)

  def _enqueue_set_timers(
      self, runner_execution_context: Any, bundle_context_manager: Any, fired_timers: Any,
      previous_bundle_input: Any) -> None:
    by_clock, by_watermark = {}, {}
    for family, fired in fired_timers.items():
      _, domain = bundle_context_manager.stage_timer_outputs[family]
      in_event_time = domain == beam_runner_api_pb2.TimeDomain.EVENT_TIME
      (by_watermark if in_event_time else by_clock)[family] = fired
    super()._enqueue_set_timers(
        runner_execution_context, bundle_context_manager, by_clock, previous_bundle_input)
    # Beam would put those that are due into the bundle that goes on with elements. It looks at what
    # waits for the watermark when no elements are left.
    for family, (timers, time_of_first) in by_watermark.items():
      no_elements = {name: execution.ListBuffer(None) for name in previous_bundle_input.data}
      runner_execution_context.queues.watermark_pending_inputs.enque(
          ((bundle_context_manager.stage.name, time_of_first), execution.DataInput(no_elements, {family: timers})))

  def _get_bundle_manager(self, bundle_context_manager: Any) -> 'StreamingBundleManager':
    return StreamingBundleManager(
        bundle_context_manager, self._cancellation, fn_runner.FnApiRunner.get_cache_token_generator(static=False))


class StreamingBundleManager(fn_runner.BundleManager):
  """Executes bundles of one stage on its single worker."""

  def __init__(self, bundle_context_manager: Any, cancellation: Cancellation, cache_tokens: Any) -> None:
    super().__init__(bundle_context_manager, cache_token_generator=cache_tokens)
    self._cancellation = cancellation

  def process_bundle(
      self,
      inputs: Any,
      expected_outputs: Any,
      fired_timers: Any,
      expected_output_timers: Any,
      dry_run: bool = False,
  ) -> Any:
    handler = self.bundle_context_manager.worker_handlers[0]
    if isinstance(handler, worker_handlers.EmbeddedWorkerHandler):
      with self._cancellation.interruptible():
        return super().process_bundle(inputs, expected_outputs, fired_timers, expected_output_timers, dry_run)
    return self._process_remotely(handler, inputs, expected_outputs, fired_timers, expected_output_timers)

  def _process_remotely(
      self, handler: Any, inputs: Any, expected_outputs: Any, fired_timers: Any, expected_output_timers: Any) -> Any:
    self._cancellation.check()
    with fn_runner.BundleManager._lock:
      fn_runner.BundleManager._uid_counter += 1
      bundle_id = f'bundle_{fn_runner.BundleManager._uid_counter}'
    control, data = handler.control_conn, handler.data_conn
    done = control.push(
        beam_fn_api_pb2.InstructionRequest(
            instruction_id=bundle_id,
            process_bundle=beam_fn_api_pb2.ProcessBundleRequest(
                process_bundle_descriptor_id=self.bundle_context_manager.process_bundle_descriptor.id,
                cache_tokens=[next(self._cache_token_generator)])))
    check = self._watch(control)
    stopped = threading.Event()

    def send() -> None:
      for key in expected_output_timers:
        _write(data.output_timer_stream(bundle_id, *key), fired_timers.get(key, ()), stopped)
      for transform_id, elements in inputs.items():
        _write(data.output_stream(bundle_id, transform_id), elements or (), stopped)

    def is_over() -> bool:
      check()
      return done._exception is not None or (done.is_done() and bool(done._response.error))

    sender = threading.Thread(target=send, name=f'send-{bundle_id}', daemon=True)
    sender.start()
    try:
      reads = [*expected_outputs, *expected_output_timers]
      for output in data.input_elements(bundle_id, reads, abort_callback=is_over):
        if isinstance(output, beam_fn_api_pb2.Elements.Timers):
          buffer = self._buffer(
              expected_output_timers[output.transform_id, output.timer_family_id][0], output.transform_id)
          if buffer.cleared:
            buffer.reset()
          buffer.append(output.timers)
        else:
          self._buffer(expected_outputs[output.transform_id], output.transform_id).append(output.data)
      result = _wait_for(done, check)
    except RuntimeError:
      # A data stream that breaks is the shadow of a worker that died: say that instead.
      handler.abandoned = True
      check()
      raise
    except JobCancelled:
      handler.abandoned = True
      raise
    finally:
      stopped.set()
      if control.lost is not None:
        _drain(data)
    if result.error:
      raise RuntimeError(result.error)
    if result.process_bundle.requires_finalization:
      finalized = _wait_for(
          control.push(
              beam_fn_api_pb2.InstructionRequest(
                  finalize_bundle=beam_fn_api_pb2.FinalizeBundleRequest(instruction_id=bundle_id))),
          check)
      if finalized.error:
        raise RuntimeError(finalized.error)
    return result, []

  def _buffer(self, buffer_id: Any, transform_id: str) -> Any:
    return self.bundle_context_manager.get_buffer(buffer_id, transform_id)

  def _watch(self, control: Any) -> Callable[[], None]:
    deadline = time.monotonic() + _CONNECT_TIMEOUT_S

    def check() -> None:
      self._cancellation.check()
      if control.lost is not None:
        raise control.lost
      if not control.connected and time.monotonic() > deadline:
        raise WorkerLost(f'The SDK harness did not connect within {_CONNECT_TIMEOUT_S:.0f} seconds.')

    return check


def _write(stream: Any, chunks: Iterable[bytes], stopped: threading.Event) -> None:
  # A chunk holds whole elements, so a message may end after any of them.
  for chunk in chunks:
    if stopped.is_set():
      break
    stream.write(chunk)
    if stream.size() >= _MESSAGE_BYTES:
      stream.flush()
  stream.close()


def _wait_for(future: Any, check: Callable[[], None]) -> Any:
  while not future.is_done() and future._exception is None:
    with future._condition:
      if not future.is_done() and future._exception is None:
        future._condition.wait(0.5)
    check()
  return future.get()


def _drain(data: Any) -> None:
  """Empties what no worker will read, so that nobody waits for room in the queue."""

  def read() -> None:
    for _ in data._write_outputs():
      pass

  threading.Thread(target=read, name='drain', daemon=True).start()
