# SPDX-License-Identifier: Apache-2.0
"""Starts a host and talks to it as Node does, with a Python worker in the part of the TypeScript one."""

import json
import os
import secrets
import subprocess
import sys
import threading
from typing import Any, Callable, Optional

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import (
    beam_expansion_api_pb2_grpc,
    beam_fn_api_pb2_grpc,
    beam_job_api_pb2,
    beam_job_api_pb2_grpc,
    beam_runner_api_pb2,
)
from apache_beam.runners.worker import worker_pool_main
from apache_beam.transforms import environments, external, fully_qualified_named_transform
from apache_beam.utils import thread_pool_executor

PACKAGE_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# gRPC binds an IPv4 address through an IPv6 socket where there is IPv6.
LOOPBACK_IN_PROC = ({'0100007F'}, {'0000000000000000FFFF00000100007F'})
JobState = beam_job_api_pb2.JobState


class WithMetadata(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
  def __init__(self, key: str, value: str) -> None:
    self._pair = (key, value)

  def _call(self, continuation: Callable[..., Any], details: Any, request: Any) -> Any:
    return continuation(details._replace(metadata=[*(details.metadata or ()), self._pair]), request)

  intercept_unary_unary = intercept_unary_stream = _call
  intercept_stream_unary = intercept_stream_stream = _call


class Host:
  """A host process of this test."""

  def __init__(self, *arguments: str) -> None:
    self.token = secrets.token_hex(8)
    self.process = subprocess.Popen(
        [sys.executable, '-m', 'beambridge_host', *arguments],
        env={**os.environ, 'PYTHONPATH': PACKAGE_FOLDER, 'PYTHONDONTWRITEBYTECODE': '1', 'BEAMBRIDGE_HOST_TOKEN': self.token},
        stdout=subprocess.PIPE,
        text=True)
    self.lines: list[dict[str, Any]] = []
    self.announced: dict[str, Any] = {}
    while 'ready' not in self.announced:
      line = self.process.stdout.readline()
      assert line, 'the host ended before it was ready'
      self.announced = json.loads(line)
    threading.Thread(target=self._read, daemon=True).start()

  def _read(self) -> None:
    for line in self.process.stdout:
      self.lines.append(json.loads(line))

  def channel(self, token: Optional[str] = None) -> grpc.Channel:
    plain = grpc.insecure_channel(self.announced['address'])
    return grpc.intercept_channel(plain, WithMetadata('authorization', f'Bearer {token or self.token}'))

  def expand(self, request: Any) -> Any:
    return beam_expansion_api_pb2_grpc.ExpansionServiceStub(self.channel()).Expand(request)

  @property
  def jobs(self) -> beam_job_api_pb2_grpc.JobServiceStub:
    return beam_job_api_pb2_grpc.JobServiceStub(self.channel())

  def listeners(self) -> set[str]:
    """Addresses, in hexadecimal as in /proc/net/tcp, that the host listens on."""
    return {address for address, _ in self.sockets()}

  def ports(self) -> set[int]:
    return {int(port, 16) for _, port in self.sockets()}

  def sockets(self) -> set[tuple[str, str]]:
    inodes = set()
    folder = f'/proc/{self.process.pid}/fd'
    for fd in os.listdir(folder):
      try:
        target = os.readlink(os.path.join(folder, fd))
      except OSError:
        continue
      if target.startswith('socket:['):
        inodes.add(target[8:-1])
    found = set()
    for table in ('/proc/net/tcp', '/proc/net/tcp6'):
      with open(table, encoding='ascii') as rows:
        for row in list(rows)[1:]:
          fields = row.split()
          if fields[3] == '0A' and fields[9] in inodes:
            address, _, port = fields[1].partition(':')
            found.add((address, port))
    return found

  def stop(self) -> None:
    self.process.terminate()
    self.process.wait(10)
    self.process.stdout.close()


class Pool:
  """A worker pool in this process, whose workers run the pipeline's own functions."""

  def __init__(self) -> None:
    self.server = grpc.server(thread_pool_executor.shared_unbounded_instance())
    port = self.server.add_insecure_port('127.0.0.1:0')
    self.address = f'127.0.0.1:{port}'
    self.servicer = worker_pool_main.BeamFnExternalWorkerPoolServicer()
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(self.servicer, self.server)
    self.server.start()

  def stop(self) -> None:
    self.server.stop(0)


def expanded_by(host: Host, constructor: str, *args: Any, **kwargs: Any) -> external.ExternalTransform:
  """A transform of Python's that the host expands."""
  urn, payload = fully_qualified_named_transform.FullyQualifiedNamedTransform(
      constructor, args, kwargs).to_runner_api_parameter(None)
  return external.ExternalTransform(urn, payload.SerializeToString(), ExpansionService(host))


class ExpansionService:
  """What ExternalTransform takes for an expansion service: the host's, token and all."""

  def __init__(self, host: Host) -> None:
    self._host = host

  def Expand(self, request: Any) -> Any:
    return self._host.expand(request)


def build(construct: Callable[[beam.Pipeline], Any], pool: 'Pool') -> beam_runner_api_pb2.Pipeline:
  """A pipeline whose own functions run in the pool, as TypeScript's do."""
  pipeline = beam.Pipeline(options=PipelineOptions(flags=[]))
  construct(pipeline)
  return pipeline.to_runner_api(
      default_environment=environments.ExternalEnvironment(pool.address, capabilities=environments.python_sdk_capabilities()))


def submit(host: Host, pipeline: beam_runner_api_pb2.Pipeline, name: str = 'test') -> str:
  jobs = host.jobs
  prepared = jobs.Prepare(beam_job_api_pb2.PrepareJobRequest(job_name=name, pipeline=pipeline))
  return jobs.Run(beam_job_api_pb2.RunJobRequest(preparation_id=prepared.preparation_id)).job_id


def wait(host: Host, job_id: str, timeout: float = 60) -> tuple[int, list[str]]:
  """The job's last state and its error messages."""
  messages = []
  state = JobState.UNSPECIFIED
  request = beam_job_api_pb2.JobMessagesRequest(job_id=job_id)
  for response in host.jobs.GetMessageStream(request, timeout=timeout):
    if response.HasField('state_response'):
      state = response.state_response.state
    elif response.message_response.importance == beam_job_api_pb2.JobMessage.JOB_MESSAGE_ERROR:
      messages.append(response.message_response.message_text)
  return state, messages
