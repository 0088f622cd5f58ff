# SPDX-License-Identifier: Apache-2.0
"""The Fn API side of Beam's FnApiRunner, made fit for a machine with other people on it.

Beam serves control, data, state and logging on four ports of every network interface and gives
workers names that anyone can guess. Here they share one port of 127.0.0.1 and demand the name of a
worker that this runner created, which nobody else can know. A worker that goes away fails the work
that waits for it, where Beam would wait for ever.
"""

import logging
import secrets
import threading
from typing import Any, Iterable, Iterator, Optional

import grpc
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import (
    beam_artifact_api_pb2_grpc,
    beam_fn_api_pb2,
    beam_fn_api_pb2_grpc,
    beam_provision_api_pb2_grpc,
    beam_runner_api_pb2,
)
from apache_beam.runners.portability import artifact_service
from apache_beam.runners.portability.fn_api_runner import worker_handlers
from apache_beam.runners.worker import data_plane
from apache_beam.runners.worker.log_handler import LOGENTRY_TO_LOG_LEVEL_MAP
from apache_beam.utils import thread_pool_executor

from beambridge_host.host.auth import MetadataInterceptor

LOOPBACK = '127.0.0.1'

# How long open calls may go on after a job is done. Everything was received by then.
_CLOSE_GRACE_S = 0.5

# Messages have no size limit, since one element may be large, and pings are free: a worker that is
# busy for minutes keeps its connection.
SERVER_OPTIONS = [
    ('grpc.max_receive_message_length', -1),
    ('grpc.max_send_message_length', -1),
    ('grpc.http2.max_pings_without_data', 0),
    ('grpc.http2.max_ping_strikes', 0),
    ('grpc.http2.min_ping_interval_without_data_ms', 20_000),
    ('grpc.so_reuseport', 0),
    # A connection that says nothing is closed; Beam's clients say what they are at once.
    ('grpc.server_handshake_timeout_ms', 30_000),
]


class WorkerLost(RuntimeError):
  """A worker ended, or never came, while its work was not done."""


class WatchedControlConnection(worker_handlers.ControlConnection):
  """A control connection that fails its open requests when the worker goes away."""

  lost: Optional[Exception] = None

  @property
  def connected(self) -> bool:
    return self._state != worker_handlers.BeamFnControlServicer.UNSTARTED_STATE

  def _read(self) -> None:
    reason = 'its control connection ended'
    try:
      super()._read()
    except Exception as error:  # pylint: disable=broad-except
      reason = f'its control connection broke ({type(error).__name__})'
    self.lost = WorkerLost(f'The SDK harness went away: {reason}.')
    self.abort(self.lost)

  def abort(self, exn: Exception) -> None:
    for future in list(self._futures_by_id.values()):
      future.abort(exn)

  def push(self, req: Any) -> Any:
    future = super().push(req)
    if future is not None and self.lost is not None:
      future.abort(self.lost)
    return future


class WorkerLogs(beam_fn_api_pb2_grpc.BeamFnLoggingServicer):
  """Passes log entries of external workers on, each under its own logger's name."""

  def Logging(self, request_iterator: Iterable[Any], context: Any = None) -> Iterator[Any]:
    yield beam_fn_api_pb2.LogControl()
    for entries in request_iterator:
      for entry in entries.log_entries:
        level = LOGENTRY_TO_LOG_LEVEL_MAP.get(entry.severity, logging.INFO)
        logging.getLogger(entry.log_location or 'worker').log(
            level, '%s', f'{entry.message}\n{entry.trace}' if entry.trace else entry.message)


class LoopbackFnServer:
  """All Fn API services of one job on one port. Has the attributes of Beam's `GrpcServer`."""

  def __init__(self, state: Any, provision_info: Any, worker_manager: Any) -> None:
    self.state = state
    self.provision_info = provision_info
    self.control_handler = worker_handlers.BeamFnControlServicer(worker_manager)
    self.data_plane_handler = data_plane.BeamFnDataServicer(worker_handlers.DATA_BUFFER_TIME_LIMIT_MS)

    def is_our_worker(metadata: dict[str, str]) -> bool:
      return metadata.get('worker_id', '') in worker_manager._workers_by_id

    server = grpc.server(
        thread_pool_executor.shared_unbounded_instance(),
        options=SERVER_OPTIONS,
        interceptors=[MetadataInterceptor(is_our_worker, 'metadata worker_id names no worker of this job')])
    beam_fn_api_pb2_grpc.add_BeamFnControlServicer_to_server(self.control_handler, server)
    beam_fn_api_pb2_grpc.add_BeamFnDataServicer_to_server(self.data_plane_handler, server)
    beam_fn_api_pb2_grpc.add_BeamFnStateServicer_to_server(worker_handlers.GrpcStateServicer(state), server)
    beam_fn_api_pb2_grpc.add_BeamFnLoggingServicer_to_server(WorkerLogs(), server)
    if provision_info and provision_info.provision_info:
      beam_provision_api_pb2_grpc.add_ProvisionServiceServicer_to_server(
          worker_handlers.BasicProvisionService(provision_info.provision_info, worker_manager), server)
    beam_artifact_api_pb2_grpc.add_ArtifactRetrievalServiceServicer_to_server(
        artifact_service.ArtifactRetrievalService(artifact_service.BeamFilesystemHandler(None).file_reader), server)
    port = server.add_insecure_port(f'{LOOPBACK}:0')
    self.control_port = self.data_port = self.state_port = self.logging_port = port
    self.control_address = f'{LOOPBACK}:{port}'
    self._server = server
    server.start()

  def close(self) -> None:
    self.control_handler.done()
    self._server.stop(_CLOSE_GRACE_S).wait()


class _OwnedWorker(worker_handlers.GrpcWorkerHandler):
  """What all gRPC workers of this host have in common."""

  _name = ''

  # Set when its work was given up before it answered: nothing waits for it any more.
  abandoned = False

  @property
  def worker_id(self) -> str:
    return self._name

  @worker_id.setter
  def worker_id(self, name: str) -> None:
    # The name is the worker's only credential on the Fn API: make it one.
    self._name = f'{name}-{secrets.token_urlsafe(18)}'

  def host_from_worker(self) -> str:
    return LOOPBACK

  def close(self) -> None:
    if self.abandoned:
      threading.Thread(target=super().close, name=f'close-{self._name}', daemon=True).start()
    else:
      super().close()


class ExternalWorker(_OwnedWorker, worker_handlers.ExternalWorkerHandler):
  """A worker that a worker pool outside starts: TypeScript stages."""


class EmbeddedGrpcWorker(_OwnedWorker, worker_handlers.EmbeddedGrpcWorkerHandler):
  """A Python worker in a thread of this process that talks gRPC."""


def install() -> None:
  """Makes FnApiRunner use the classes above."""
  worker_handlers.GrpcServer = LoopbackFnServer
  worker_handlers.ControlConnection = WatchedControlConnection
  worker_handlers.WorkerHandler.register_environment(
      common_urns.environments.EXTERNAL.urn, beam_runner_api_pb2.ExternalPayload)(ExternalWorker)
  worker_handlers.WorkerHandler.register_environment(python_urns.EMBEDDED_PYTHON_GRPC, bytes)(EmbeddedGrpcWorker)
