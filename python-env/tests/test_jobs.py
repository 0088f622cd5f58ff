# SPDX-License-Identifier: Apache-2.0
"""Jobs on the host: graphs of two languages, failures, cancellation, workers that go away."""

import pickle
import tempfile
import threading
import time
import unittest
from typing import Any, Iterator

import apache_beam as beam
import grpc
from apache_beam.coders import StrUtf8Coder
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc, beam_job_api_pb2
from apache_beam.transforms.userstate import BagStateSpec
from apache_beam.utils import thread_pool_executor

from tests.driver import LOOPBACK_IN_PROC, Host, JobState, Pool, build, expanded_by, submit, wait

# Says what it found, and sets one as handlers do, the other as an import does.
_SETS = """
import os
from beambridge_host.worker import variables
def found(_):
  said = f"{os.environ.get('BEAMBRIDGE_TEST_GIVEN')} {os.environ.get('BEAMBRIDGE_TEST_IMPORTED')}"
  given = {'BEAMBRIDGE_TEST_GIVEN': 'given'}
  variables.GIVEN.about_to_set(given)
  os.environ.update(given, BEAMBRIDGE_TEST_IMPORTED='imported')
  return said
def steps(pcoll):
  return pcoll | beam.Map(found).with_output_types(str)
"""
SEEN: list[Any] = []
BUSY = threading.Event()


def remember(element: Any) -> None:
  SEEN.append(element)


def sleep_long(element: Any) -> Any:
  BUSY.set()
  time.sleep(8)
  return element


class FirstOfKey(beam.DoFn):
  STATE = BagStateSpec('seen', StrUtf8Coder())

  def process(self, element: Any, seen: Any = beam.DoFn.StateParam(STATE)) -> Iterator[Any]:
    if not list(seen.read()):
      seen.add(element[1])
      yield element


class JobTest(unittest.TestCase):
  @classmethod
  def setUpClass(cls) -> None:
    cls.host = Host()
    cls.addClassCleanup(cls.host.stop)
    cls.pool = Pool()
    cls.addClassCleanup(cls.pool.stop)

  def setUp(self) -> None:
    SEEN.clear()
    BUSY.clear()

  def run_to_end(self, construct: Any) -> tuple[int, list[str]]:
    return wait(self.host, submit(self.host, build(construct, self.pool)))

  def test_runs_a_python_stage_between_two_stages_of_another_worker(self) -> None:
    def construct(p: beam.Pipeline) -> None:
      (
          p | beam.Create([1, 2, 3]) | beam.Map(lambda x: x * 10).with_output_types(int)
          | expanded_by(self.host, '__callable__', source='lambda pcoll: pcoll | beam.Map(lambda x: x + 1).with_output_types(int)')
          | beam.Map(remember))

    listeners: set[str] = set()
    watching = threading.Event()

    def watch() -> None:
      while not watching.is_set():
        listeners.update(self.host.listeners())
        time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
      state, messages = self.run_to_end(construct)
    finally:
      watching.set()
      watcher.join()
    self.assertEqual((state, messages), (JobState.DONE, []))
    self.assertEqual(sorted(SEEN), [11, 21, 31])
    self.assertIn(listeners, LOOPBACK_IN_PROC, 'every listener of the host is on 127.0.0.1')

  def test_runs_run_inference(self) -> None:
    from sklearn.linear_model import LinearRegression
    model = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    with tempfile.NamedTemporaryFile(suffix='.pkl') as file:
      pickle.dump(model, file)
      file.flush()
      source = (
          'import numpy\n'
          'from apache_beam.ml.inference.base import RunInference\n'
          'from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy\n'
          'def infer(pcoll, path):\n'
          '  return (pcoll | beam.Map(lambda x: numpy.array([x])) | RunInference(SklearnModelHandlerNumpy(path))\n'
          '      | beam.Map(lambda r: float(r.inference)).with_output_types(float))\n')

      def construct(p: beam.Pipeline) -> None:
        (p | beam.Create([3.0, 4.0]) | expanded_by(self.host, '__callable__', source=source, path=file.name)
         | beam.Map(remember))

      state, messages = self.run_to_end(construct)
    self.assertEqual((state, messages), (JobState.DONE, []))
    self.assertEqual([round(x, 6) for x in sorted(SEEN)], [6.0, 8.0])

  def test_variables_that_handlers_are_given_end_with_a_job_and_those_of_imports_stay(self) -> None:
    def construct(p: beam.Pipeline) -> None:
      p | beam.Create([1]) | expanded_by(self.host, '__callable__', source=_SETS) | beam.Map(remember)  # pylint: disable=expression-not-assigned

    for _ in range(2):
      self.assertEqual(self.run_to_end(construct)[0], JobState.DONE)
    self.assertEqual(SEEN, ['None None', 'None imported'])

  def test_keeps_state_and_groups_for_an_external_worker(self) -> None:
    def construct(p: beam.Pipeline) -> None:
      (p | beam.Create([('a', '1'), ('a', '2'), ('b', '3')]) | beam.Reshuffle() | beam.ParDo(FirstOfKey())
       | beam.GroupByKey() | beam.Map(lambda kv: kv[0]) | beam.Map(remember))

    state, messages = self.run_to_end(construct)
    self.assertEqual((state, messages), (JobState.DONE, []))
    self.assertEqual(sorted(SEEN), ['a', 'b'])

  def test_moves_more_data_through_an_external_worker_than_any_queue_holds(self) -> None:
    def construct(p: beam.Pipeline) -> None:
      (p | beam.Create(range(300)) | beam.Map(lambda i: bytes([i % 256]) * (1 << 20)).with_output_types(bytes)
       | expanded_by(self.host, '__callable__', source='lambda pcoll: pcoll | beam.Map(lambda x: x).with_output_types(bytes)')
       | beam.Map(len) | beam.combiners.Count.Globally() | beam.Map(remember))

    state, messages = self.run_to_end(construct)
    self.assertEqual((state, messages), (JobState.DONE, []))
    self.assertEqual(SEEN, [300])

  def test_reports_the_traceback_of_a_function_that_fails_in_the_host(self) -> None:
    def construct(p: beam.Pipeline) -> None:
      (p | beam.Create([1])
       | expanded_by(self.host, '__callable__', source='lambda pcoll: pcoll | "Divide" >> beam.Map(lambda x: x / 0).with_output_types(float)'))

    state, messages = self.run_to_end(construct)
    self.assertEqual(state, JobState.FAILED)
    self.assertIn('ZeroDivisionError', messages[-1])
    self.assertIn('Divide', messages[-1])

  def test_reports_the_traceback_of_a_function_that_fails_in_an_external_worker(self) -> None:
    state, messages = self.run_to_end(lambda p: p | beam.Create([1]) | beam.Map(lambda x: x / 0))
    self.assertEqual(state, JobState.FAILED)
    self.assertIn('ZeroDivisionError', messages[-1])

  def test_cancels_a_job_that_waits_for_an_external_worker(self) -> None:
    job_id = submit(self.host, build(lambda p: p | beam.Create([1]) | beam.Map(sleep_long), self.pool))
    self.assertTrue(BUSY.wait(20))
    started = time.monotonic()
    self.host.jobs.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job_id))
    state, _ = wait(self.host, job_id)
    self.assertEqual(state, JobState.CANCELLED)
    self.assertLess(time.monotonic() - started, 7)

  def test_cancels_a_job_whose_python_code_is_busy(self) -> None:
    # With a call in it: Python 3.10 gives no other thread a turn in a loop whose body is a `try` without calls,
    # and no code of ours can run then. Whoever wants such a job to end has to end the host, as the program does.
    source = (
        'def spin(x):\n'
        '  while True:\n'
        '    try:\n'
        '      x = abs(x) + 1\n'
        '    except Exception:\n'
        '      pass\n'
        'def busy(pcoll):\n'
        '  return pcoll | beam.Map(spin).with_output_types(int)\n')
    construct = lambda p: p | beam.Create([1]) | expanded_by(self.host, '__callable__', source=source)
    job_id = submit(self.host, build(construct, self.pool))
    time.sleep(1.5)
    self.host.jobs.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job_id))
    state, _ = wait(self.host, job_id)
    self.assertEqual(state, JobState.CANCELLED)
    time.sleep(0.5)
    with open(f'/proc/{self.host.process.pid}/stat', encoding='ascii') as stat:
      before = sum(map(int, stat.read().split()[13:15]))
    time.sleep(1)
    with open(f'/proc/{self.host.process.pid}/stat', encoding='ascii') as stat:
      after = sum(map(int, stat.read().split()[13:15]))
    self.assertLess(after - before, 50, 'the busy loop has ended: under half a second of processor time in a second')

  def test_fails_when_no_worker_pool_listens(self) -> None:
    pool = Pool()
    pool.stop()
    state, messages = wait(self.host, submit(self.host, build(lambda p: p | beam.Create([1]) | beam.Map(remember), pool)))
    self.assertEqual(state, JobState.FAILED)
    self.assertIn('UNAVAILABLE', messages[-1])

  def test_fails_when_a_worker_goes_away_in_the_middle_of_a_bundle(self) -> None:
    class Deserter(beam_fn_api_pb2_grpc.BeamFnExternalWorkerPoolServicer):
      def StartWorker(self, request: Any, context: Any) -> Any:
        def desert() -> None:
          channel = grpc.intercept_channel(
              grpc.insecure_channel(request.control_endpoint.url), _WorkerId(request.worker_id))
          control = beam_fn_api_pb2_grpc.BeamFnControlStub(channel)
          ended = threading.Event()

          def silence() -> Iterator[Any]:
            ended.wait()
            yield from ()

          for _ in control.Control(silence()):
            break
          channel.close()

        threading.Thread(target=desert, daemon=True).start()
        return beam_fn_api_pb2.StartWorkerResponse()

    server = grpc.server(thread_pool_executor.shared_unbounded_instance())
    port = server.add_insecure_port('127.0.0.1:0')
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(Deserter(), server)
    server.start()
    self.addCleanup(server.stop, 0)
    pool = type('P', (), {'address': f'127.0.0.1:{port}'})
    job_id = submit(self.host, build(lambda p: p | beam.Create([1]) | beam.Map(remember), pool))
    state, messages = wait(self.host, job_id, 30)
    self.assertEqual(state, JobState.FAILED)
    self.assertIn('The SDK harness went away', messages[-1])

  def test_lets_no_stranger_speak_for_a_worker(self) -> None:
    job_id = submit(self.host, build(lambda p: p | beam.Create([1]) | beam.Map(sleep_long), self.pool))
    self.assertTrue(BUSY.wait(20))
    own = {int(self.host.announced[name].partition(':')[2]) for name in ('address', 'pool')}
    fn_port, = self.host.ports() - own
    for metadata in ((), (('worker_id', 'worker_0'),)):
      channel = grpc.insecure_channel(f'127.0.0.1:{fn_port}')
      state = beam_fn_api_pb2_grpc.BeamFnStateStub(channel)
      with self.assertRaises(grpc.RpcError) as caught:
        list(state.State(iter([beam_fn_api_pb2.StateRequest(id='1')]), metadata=metadata))
      self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
    self.host.jobs.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job_id))

  def test_sends_log_records_of_python_functions_with_level_and_name(self) -> None:
    source = (
        'import logging\n'
        'def speak(x):\n'
        '  logging.getLogger("my.model").warning("loaded %s", x)\n'
        '  print("to standard output")\n'
        '  return x\n'
        'def talk(pcoll):\n'
        '  return pcoll | beam.Map(speak).with_output_types(int)\n')
    self.run_to_end(lambda p: p | beam.Create([7]) | expanded_by(self.host, '__callable__', source=source))
    self.assertIn({'log': 'warn', 'logger': 'my.model', 'message': 'loaded 7'}, self.host.lines)
    said = [line for line in self.host.lines if line['log'] in ('warn', 'error') and line['logger'] != 'my.model']
    self.assertEqual(said, [], 'nothing else is said above the level of information')

  def test_counts(self) -> None:
    source = (
        'from apache_beam.metrics import Metrics\n'
        'def count(x):\n'
        '  Metrics.counter("test", "seen").inc()\n'
        '  return x\n'
        'def counting(pcoll):\n'
        '  return pcoll | beam.Map(count).with_output_types(int)\n')
    job_id = submit(
        self.host, build(lambda p: p | beam.Create([1, 2]) | expanded_by(self.host, '__callable__', source=source), self.pool))
    wait(self.host, job_id)
    metrics = self.host.jobs.GetJobMetrics(beam_job_api_pb2.GetJobMetricsRequest(job_id=job_id)).metrics
    self.assertIn('seen', [info.labels['NAME'] for info in metrics.committed])


class _WorkerId(grpc.StreamStreamClientInterceptor):
  def __init__(self, worker_id: str) -> None:
    self._id = worker_id

  def intercept_stream_stream(self, continuation: Any, details: Any, request: Any) -> Any:
    return continuation(details._replace(metadata=[*(details.metadata or ()), ('worker_id', self._id)]), request)


if __name__ == '__main__':
  unittest.main()
