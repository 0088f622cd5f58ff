# SPDX-License-Identifier: Apache-2.0
"""The gRPC servers of the host, on ports of 127.0.0.1 that the kernel picks: one for programs, one for runners."""

import time
from typing import Any

import grpc
from apache_beam.portability.api import (
    beam_artifact_api_pb2_grpc,
    beam_expansion_api_pb2_grpc,
    beam_fn_api_pb2_grpc,
)
from apache_beam.runners.portability import artifact_service
from apache_beam.utils import thread_pool_executor

from beambridge_host.host import fn_server
from beambridge_host.host.auth import token_interceptor
from beambridge_host.host.expansion import create_expansion_service
from beambridge_host.host.jobs import HostJobServicer
from beambridge_host.host.launcher import Launcher
from beambridge_host.host.workers import WorkerPool

# Runners call the pool, which have no token of the host's: it asks for that of a running job, in the request.
_POOL_OPTIONS = [*fn_server.SERVER_OPTIONS, ('grpc.max_receive_message_length', 1 << 20)]


class _CallClock(grpc.ServerInterceptor):
  """Remembers when the last accepted call came, for the idle timeout."""

  def __init__(self) -> None:
    self.last_call = time.monotonic()

  def intercept_service(self, continuation: Any, handler_call_details: grpc.HandlerCallDetails) -> Any:
    self.last_call = time.monotonic()
    return continuation(handler_call_details)


class HostServer:
  """Expansion, artifact retrieval, artifact staging and jobs behind the token; a worker pool on a port of its own."""

  def __init__(self, token: str, staging_dir: str, launcher: Launcher) -> None:
    fn_server.install()
    launcher.listen()
    self._pool = WorkerPool(launcher)
    self._clock = _CallClock()
    self._server = grpc.server(
        thread_pool_executor.shared_unbounded_instance(),
        options=fn_server.SERVER_OPTIONS,
        interceptors=[token_interceptor(token), self._clock])
    port = self._server.add_insecure_port(f'{fn_server.LOOPBACK}:0')
    self.address = f'{fn_server.LOOPBACK}:{port}'
    self._jobs = HostJobServicer(staging_dir, self._pool)
    self._jobs.add_to(self._server, self.address)
    self._pool_server = grpc.server(
        thread_pool_executor.shared_unbounded_instance(), options=_POOL_OPTIONS, interceptors=[self._clock])
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(self._pool, self._pool_server)
    self.pool_address = f"{fn_server.LOOPBACK}:{self._pool_server.add_insecure_port(f'{fn_server.LOOPBACK}:0')}"
    beam_expansion_api_pb2_grpc.add_ExpansionServiceServicer_to_server(
        create_expansion_service(self.pool_address), self._server)
    beam_artifact_api_pb2_grpc.add_ArtifactRetrievalServiceServicer_to_server(
        artifact_service.ArtifactRetrievalService(artifact_service.BeamFilesystemHandler(None).file_reader),
        self._server)
    self._server.start()
    self._pool_server.start()

  @property
  def busy(self) -> bool:
    return self._jobs.busy or self._pool.busy

  @property
  def last_call(self) -> float:
    return self._clock.last_call

  def stop(self) -> None:
    self._pool.close()
    stopped = [self._server.stop(0.2), self._pool_server.stop(0.2)]
    for each in stopped:
      each.wait()
