# SPDX-License-Identifier: Apache-2.0
"""`python -m beambridge_host.worker.worker`: one Python SDK harness, started and fed by the host's worker pool.

It imports what workers need (or is a fork of a process that has: see `zygote`), then waits for a line
of JSON on standard input that says whose worker it is. So it can be started before anybody asks for it. One that is told that it may
(`keep`), and can (see `keeping`), says so when its run is over, and waits for the next order. The end of standard input is the end of
the host, and of this process. Log records go to standard output as JSON lines.
"""

import argparse
import gc
import json
import logging
import os
import queue
import signal
import sys
import threading
from typing import Any, Callable, NoReturn

import grpc

from beambridge_host.credentials import hidden
from beambridge_host.worker import own_folder
from beambridge_host.worker.channel import Channel, claim_stdout, send_logs
from beambridge_host.worker.failures import told
from beambridge_host.worker.keeping import KEEPER
from beambridge_host.worker.preload import preload

# What Beam gives a worker that was told nothing else (WorkerOptions.max_cache_memory_usage_mb).
_STATE_CACHE_BYTES = 100 << 20

# At its end a bundle waits for the nap of the thread that looks which step is at work. Beam's naps grow to 200 ms, for
# a bundle of 150 ms to 25.
_SAMPLING_PERIOD_MS = 10

_SIDE_INPUTS_OF_NOW = 'disable_global_windowed_args_caching'

# Of interest to those who look for a fault in a harness; the host's own log says what matters.
CHATTY = ('apache_beam.runners.worker.sdk_worker', 'apache_beam.runners.worker.data_plane')


class _Orders:
  """Lines of standard input, whose end is the end of this process, whatever it is at."""

  def __init__(self) -> None:
    self._lines: 'queue.SimpleQueue[bytes]' = queue.SimpleQueue()
    threading.Thread(target=self._read, name='end-with-host', daemon=True).start()

  def _read(self) -> None:
    for line in sys.stdin.buffer:
      self._lines.put(line)
    os._exit(0)

  def next(self) -> dict[str, Any]:
    return json.loads(self._lines.get())


def _harness_class() -> Any:
  from apache_beam.portability.api import beam_fn_api_pb2  # pylint: disable=import-outside-toplevel
  from apache_beam.runners.worker import sdk_worker, statesampler  # pylint: disable=import-outside-toplevel

  class Harness(sdk_worker.SdkHarness):
    """A harness that leaves the telling of a failure to the runner, which gets the whole traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
      super().__init__(*args, **kwargs)
      # Instructions that are under way on other threads.
      self.at_work: set[str] = set()

    def _request_execute(self, request: Any) -> None:
      self.at_work.add(request.instruction_id)
      super()._request_execute(request)

    def _request_process_bundle_action(self, request: Any) -> None:
      self.at_work.add(request.instruction_id)
      super()._request_process_bundle_action(request)

    def _execute(self, task: Callable[[], Any], request: Any) -> None:
      with statesampler.instruction_id(request.instruction_id):
        try:
          response = task()
        except BaseException:  # pylint: disable=broad-except
          KEEPER.spoil('a bundle has failed')
          response = beam_fn_api_pb2.InstructionResponse(
              instruction_id=request.instruction_id, error=told())
        self.at_work.discard(request.instruction_id)
        self._responses.put(response)

    def close(self) -> None:
      """Lets go of what Beam leaves to the end of the process, without waiting for it.

      Beam asks whether the channel is up, and gRPC looks at that every 200 ms: who closes a channel waits for its last look.
      """
      self._report_progress_executor.shutdown(wait=False)
      threading.Thread(target=self._control_channel.close, name='close-control', daemon=True).start()

  return Harness


def serve(order: dict[str, Any]) -> None:
  """Answers the runner at `control` until it hangs up."""
  try:
    harness = _harness_class()(
        order['control'], worker_id=order['worker_id'], state_cache_size=_STATE_CACHE_BYTES)
  except grpc.FutureTimeoutError:
    raise RuntimeError(f'the runner does not answer at its control endpoint {order["control"]}') from None
  try:
    harness.run()
  except grpc.RpcError as error:
    KEEPER.spoil('the control stream broke')
    # Runners end a worker by closing its streams, some of them without a word.
    logging.getLogger('beambridge_host').debug('The control stream broke: %s', error)
  if harness.at_work:
    KEEPER.spoil('a bundle is under way')
  harness.close()


def prepare() -> None:
  """Imports what every worker needs."""
  from apache_beam.internal import pickler  # pylint: disable=import-outside-toplevel
  from apache_beam.io.filesystems import FileSystems  # pylint: disable=import-outside-toplevel
  from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions  # pylint: disable=import-outside-toplevel
  from apache_beam.options.value_provider import RuntimeValueProvider  # pylint: disable=import-outside-toplevel
  from apache_beam.runners.worker import sdk_worker, statesampler  # pylint: disable=import-outside-toplevel,unused-import

  statesampler.StateSampler.__init__.__defaults__ = (_SAMPLING_PERIOD_MS,)
  own_folder.use_for_beam()
  # Those of s3:// and azfs:// refuse to be made without some.
  FileSystems.set_options(PipelineOptions(flags=[]))
  # A DoFn keeps side inputs of the global window for as long as it lives, which is longer than they stay the same.
  RuntimeValueProvider.experiments = frozenset({*RuntimeValueProvider.experiments, _SIDE_INPUTS_OF_NOW})
  pickler.set_library(PipelineOptions(flags=[]).view_as(SetupOptions).pickle_library)


def number_metrics() -> None:
  """Gives the metrics of this process short names of its own: Prism keeps one table of them for all workers of a job."""
  from apache_beam.runners.worker import sdk_worker  # pylint: disable=import-outside-toplevel

  sdk_worker.SHORT_ID_CACHE._last_short_id = os.getpid() << 20


def _await_order(channel: Channel, log_level: str, modules: list[str]) -> NoReturn:
  """Imports what is missing, waits for an order and serves it, and others as long as it is kept."""
  code = 0
  try:
    orders = _Orders()
    prepare()
    number_metrics()
    preload(modules)
    send_logs(channel, log_level)
    if log_level != 'DEBUG':
      for name in CHATTY:
        logging.getLogger(name).setLevel('WARNING')
    order = orders.next()
    if order.get('keep'):
      KEEPER.begin()
    serve(order)
    while order.get('keep') and (files := KEEPER.leave()) is not None:
      channel.send({'idle': files})
      # The run is over, but what it was made of is still there.
      gc.collect()
      order = orders.next()
      serve(order)
    if order.get('keep'):
      logging.getLogger('beambridge_host').debug('This worker is not kept: %s', KEEPER.why)
  except BaseException as error:  # pylint: disable=broad-except
    channel.send({'failure': hidden(f'{type(error).__name__}: {error}')})
    code = 1
  # Threads may still run user code whose runner is gone: nothing of it is worth waiting for.
  os._exit(code)


def forked(modules: list[str]) -> Callable[[int, int, str], None]:
  """The same for a copy of the zygote: its input and output come as file descriptors."""

  def work(stdin: int, stdout: int, log_level: str) -> None:
    os.dup2(stdin, 0)
    os.close(stdin)
    channel = Channel(os.fdopen(stdout, 'w', encoding='utf-8'))
    send_logs(channel, 'ERROR')
    numpy_random = sys.modules.get('numpy.random')
    if numpy_random is not None:
      numpy_random.seed()  # Or all workers would draw the same numbers.
    _await_order(channel, log_level, modules)

  return work


def main() -> None:
  parser = argparse.ArgumentParser(prog='beambridge_host.worker.worker', description=__doc__)
  parser.add_argument('--log-level', default='INFO', help='least level of log records')
  parser.add_argument('--preload', action='append', default=[], help='module to import early')
  arguments = parser.parse_args()
  sys.argv = sys.argv[:1]  # Beam parses the arguments of the process wherever it finds none of its own.
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  channel = claim_stdout()
  # Beam warns about optional packages while it is imported; the host has done so already.
  send_logs(channel, 'ERROR')
  _await_order(channel, arguments.log_level, arguments.preload)


if __name__ == '__main__':
  main()
