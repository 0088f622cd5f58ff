# SPDX-License-Identifier: Apache-2.0
"""Workers by Beam's container contract: what they make of options, and when they end."""

import contextlib
import pathlib
import queue
import signal
import subprocess
import sys
import time
import unittest
from concurrent import futures
from typing import Any, Iterator

import grpc
from apache_beam.portability.api import (
    beam_fn_api_pb2, beam_fn_api_pb2_grpc, beam_provision_api_pb2, beam_provision_api_pb2_grpc, endpoints_pb2)
from google.protobuf import struct_pb2

from beambridge_host.worker import boot

START = str(pathlib.Path(__file__).parent.parent / 'start.py')


class Runner(
    beam_provision_api_pb2_grpc.ProvisionServiceServicer, beam_fn_api_pb2_grpc.BeamFnControlServicer,
    beam_fn_api_pb2_grpc.BeamFnLoggingServicer):
  """The services of a runner, for workers that it does not give any work."""

  def __init__(self) -> None:
    self.connected: 'queue.Queue[str]' = queue.Queue()
    self.asked: 'queue.Queue[str]' = queue.Queue()
    self.over = False
    self.address = ''
    self.siblings: 'list[str]' = []
    self.python = '.'.join(map(str, sys.version_info[:2]))
    self.logged: 'list[str]' = []

  def GetProvisionInfo(self, request: Any, context: Any) -> Any:
    self.asked.put(dict(context.invocation_metadata())['worker_id'])
    options = struct_pb2.Struct()
    options.update({'beam:option:beambridge_python:v1': self.python})
    options.update({'beam:option:streaming:v1': True, 'beam:option:port:v1': 2.0, 'beam:option:none:v1': None})
    endpoint = endpoints_pb2.ApiServiceDescriptor(url=self.address)
    return beam_provision_api_pb2.GetProvisionInfoResponse(
        info=beam_provision_api_pb2.ProvisionInfo(
            pipeline_options=options, control_endpoint=endpoint, logging_endpoint=endpoint,
            sibling_worker_ids=self.siblings))

  def Control(self, requests: Any, context: Any) -> 'Iterator[Any]':
    self.connected.put(dict(context.invocation_metadata())['worker_id'])
    while not self.over:
      time.sleep(0.02)
    return iter(())

  def Logging(self, requests: Any, context: Any) -> 'Iterator[Any]':
    for entries in requests:
      self.logged += [entry.message for entry in entries.log_entries]
    yield beam_fn_api_pb2.LogControl()


@contextlib.contextmanager
def running() -> 'Iterator[Runner]':
  runner = Runner()
  server = grpc.server(futures.ThreadPoolExecutor(16))
  beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(runner, server)
  beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(runner, server)
  beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(runner, server)
  runner.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
  server.start()
  try:
    yield runner
  finally:
    runner.over = True
    server.stop(0.5).wait()


def command(address: str, *flags: str) -> 'list[str]':
  return [
      sys.executable, START, 'beambridge_host.worker.boot', "--id='w1'", f'--provision_endpoint={address}',
      '--semi_persist_dir=/tmp', *flags]


class BootTest(unittest.TestCase):

  def test_options_are_whole_numbers_again_and_have_no_nulls(self) -> None:
    self.assertEqual(
        boot.whole({'a': 2.0, 'b': 2.5, 'c': None, 'd': [1.0, None, {'e': 3.0, 'f': None}], 'g': True, 'h': 'x'}),
        {'a': 2, 'b': 2.5, 'd': [1, None, {'e': 3}], 'g': True, 'h': 'x'})
    self.assertIs(type(boot.whole(2.0)), int)

  def test_options_have_the_names_that_python_knows(self) -> None:
    self.assertEqual(
        boot.unprefixed({'beam:option:temp_location:v1': 'a', 'job_name': 'b'}), {'temp_location': 'a', 'job_name': 'b'})
    # As Dataflow has them.
    self.assertEqual(boot.unprefixed({'options': {'temp_location': 'a'}, 'display_data': []}), {'temp_location': 'a'})

  def test_a_worker_and_its_siblings_serve_until_the_runner_hangs_up(self) -> None:
    with running() as runner:
      runner.siblings = ['w1', 'w2']
      with subprocess.Popen(command(runner.address)) as worker:
        self.assertEqual({runner.connected.get(timeout=60), runner.connected.get(timeout=60)}, {'w1', 'w2'})
        self.assertEqual({runner.asked.get(), runner.asked.get()}, {'w1', 'w2'})
        runner.over = True
        self.assertEqual(worker.wait(timeout=60), 0)

  def test_a_provision_service_that_is_not_there_ends_the_worker(self) -> None:
    done = subprocess.run(
        command('127.0.0.1:1', '--start-timeout=0.5'), stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    self.assertEqual(done.returncode, 1)
    self.assertIn('did not answer within 0.5 s', done.stderr)

  def test_a_worker_of_another_python_than_that_of_the_pipeline_says_so_and_serves_nothing(self) -> None:
    with running() as runner:
      runner.python = '3.9'
      done = subprocess.run(command(runner.address), stderr=subprocess.PIPE, text=True, timeout=60, check=False)
      self.assertEqual(done.returncode, 1)
      self.assertRegex(done.stderr, r'submitted with Python 3\.9, and this worker has 3\.')
      self.assertTrue(any('submitted with Python 3.9' in line for line in runner.logged), runner.logged)
      self.assertTrue(runner.connected.empty())

  def test_a_worker_ends_with_the_process_that_started_it(self) -> None:
    with running() as runner:
      program = f'import subprocess, time; print(subprocess.Popen({command(runner.address)!r}).pid, flush=True); time.sleep(600)'
      with subprocess.Popen([sys.executable, '-c', program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        runner.connected.get(timeout=60)
        parent.send_signal(signal.SIGKILL)
        until = time.monotonic() + 30
        while _is_alive(pid):
          self.assertLess(time.monotonic(), until)
          time.sleep(0.05)


def _is_alive(pid: int) -> bool:
  try:
    with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
      return file.read().rpartition(')')[2].split()[0] != 'Z'
  except OSError:
    return False


if __name__ == '__main__':
  unittest.main()
