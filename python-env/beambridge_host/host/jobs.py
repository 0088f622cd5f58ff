# SPDX-License-Identifier: Apache-2.0
"""The job API of Python's DirectRunner: prepare, stage, run, watch, cancel."""

import logging
import os
import shutil
import threading
import time
from typing import Any

import grpc
from apache_beam import pipeline as beam_pipeline
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import (
    beam_artifact_api_pb2_grpc,
    beam_job_api_pb2,
    beam_job_api_pb2_grpc,
    beam_runner_api_pb2,
    endpoints_pb2,
)
from apache_beam.runners.job import utils as job_utils
from apache_beam.runners.portability import local_job_service, portable_runner

from beambridge_host.host.runner import Cancellation, HostRunner
from beambridge_host.host.workers import RUN_PREFIX, WorkerPool
from beambridge_host.worker.failures import told
from beambridge_host.worker.variables import GIVEN

_LOGGER = logging.getLogger(__name__)

# Finished jobs are kept for late questions about state and metrics, but not the data that a pipeline
# may hold.
_JOBS_KEPT = 8
_PIPELINE_KEPT_BYTES = 1 << 20

# A cancelled job may end on its own for this long, then its Python code is interrupted.
_COOPERATIVE_S = 1.5
_INTERRUPTED_S = 3.0


class HostJob(local_job_service.BeamJob):
  """One job on a thread of its own."""

  def __init__(self, *args: Any, **kwargs: Any) -> None:
    super().__init__(*args, **kwargs)
    self._cancellation = Cancellation()
    self._run_thread: threading.Thread | None = None

  @property
  def is_over(self) -> bool:
    return self.is_terminal_state(self.state)

  def pipeline_options(self) -> PipelineOptions:
    def name(urn: str) -> str:
      return urn.removeprefix('beam:option:').removesuffix(':v1')

    # A protobuf Struct knows only doubles; Beam's options want whole numbers where they are whole.
    def whole(value: Any) -> Any:
      return int(value) if isinstance(value, float) and value.is_integer() else value

    options = job_utils.struct_to_dict(self._pipeline_options)
    return PipelineOptions(flags=[], **{name(urn): whole(value) for urn, value in options.items()})

  def run(self) -> None:
    self.set_state(beam_job_api_pb2.JobState.STARTING)
    self._run_thread = threading.Thread(target=self._run_job, name=f'job-{self._job_id}', daemon=True)
    self._run_thread.start()

  def _run_job(self) -> None:
    with local_job_service.JobLogHandler(self._log_queues) as log_handler:
      try:
        self._update_dependencies()
        beam_pipeline.Pipeline.merge_compatible_environments(self._pipeline_proto)
        with GIVEN.of_job():
          self._execute()
        state = portable_runner.PipelineResult.pipeline_state_to_runner_api_state(self.result.state)
      except BaseException:  # pylint: disable=broad-except
        if self._cancellation.requested:
          state = beam_job_api_pb2.JobState.CANCELLED
        else:
          state = beam_job_api_pb2.JobState.FAILED
          self._log_queues.put(
              beam_job_api_pb2.JobMessage(
                  message_id=log_handler._next_id(),
                  time=time.strftime('%Y-%m-%d %H:%M:%S.'),
                  importance=beam_job_api_pb2.JobMessage.JOB_MESSAGE_ERROR,
                  message_text=told()))
    self._finish(state)

  def _execute(self) -> None:
    """Runs the pipeline to its end, and leaves what became of it in `self.result`."""
    self.set_state(beam_job_api_pb2.JobState.RUNNING)
    runner = HostRunner(self._provision_info, self._cancellation)
    self.result = runner.run_via_runner_api(self._pipeline_proto, self.pipeline_options())

  def _finish(self, state: int) -> None:
    shutil.rmtree(os.path.join(self._provision_info.artifact_staging_dir or '', self._job_id), ignore_errors=True)
    if self._pipeline_proto.ByteSize() > _PIPELINE_KEPT_BYTES:
      self._pipeline_proto = beam_runner_api_pb2.Pipeline()
    if not self.is_over:
      self.set_state(state)

  def cancel(self) -> None:
    if self.is_over:
      return
    self.set_state(beam_job_api_pb2.JobState.CANCELLING)
    self._cancellation.request()
    thread = self._run_thread
    if thread is not None:
      thread.join(_COOPERATIVE_S)
      if thread.is_alive():
        self._cancellation.interrupt()
        thread.join(_INTERRUPTED_S)
      if thread.is_alive():
        _LOGGER.warning('Job %s is cancelled, but code of it that cannot be interrupted still runs.', self._job_id)
    self._finish(beam_job_api_pb2.JobState.CANCELLED)


class JobServicer(local_job_service.LocalJobServicer):
  """The job service and the artifact staging service on a server of somebody else's."""

  def add_to(self, server: grpc.Server, address: str) -> None:
    beam_job_api_pb2_grpc.add_JobServiceServicer_to_server(self, server)
    beam_artifact_api_pb2_grpc.add_ArtifactStagingServiceServicer_to_server(self._artifact_service, server)
    self._artifact_staging_endpoint = endpoints_pb2.ApiServiceDescriptor(url=address)

  @property
  def busy(self) -> bool:
    running = (beam_job_api_pb2.JobState.STARTING, beam_job_api_pb2.JobState.RUNNING)
    return any(job.state in running for job in list(self._jobs.values()))

  def Prepare(self, request: Any, context: Any = None, timeout: Any = None) -> Any:
    over = [job_id for job_id, job in list(self._jobs.items()) if job.is_over]
    for job_id in over[:-_JOBS_KEPT]:
      self._jobs.pop(job_id, None)
    return super().Prepare(request, context, timeout)


class HostJobServicer(JobServicer):
  """The job service of a host, which has a pool of workers too."""

  def __init__(self, staging_dir: str, pool: WorkerPool) -> None:
    super().__init__(staging_dir, beam_job_type=HostJob)
    self._pool = pool

  def GetMessageStream(self, request: Any, context: Any = None, timeout: Any = None) -> Any:
    """Of a job, or of the workers that a job elsewhere needs: those live as long as this stream."""
    if request.job_id.startswith(RUN_PREFIX):
      return self._pool.open(request.job_id.removeprefix(RUN_PREFIX), context)
    return super().GetMessageStream(request, context, timeout)
