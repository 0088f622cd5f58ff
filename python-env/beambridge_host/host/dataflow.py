# SPDX-License-Identifier: Apache-2.0
"""`python start.py beambridge_host.host.dataflow`: Google Cloud Dataflow as a job service, for one program.

What submits there is Beam's own runner. Beam's own job service of it asks nobody who calls for a token,
though it acts with the credentials of whoever started it; it checks no options; and it takes the states
of a job by other names than the runner gives them.
"""

import logging
import os
import signal
import sys
import threading
from typing import Any

import grpc
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, TestOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.portability.api import beam_job_api_pb2
from apache_beam.runners.dataflow import dataflow_runner
from apache_beam.runners.portability import portable_runner
from apache_beam.utils import thread_pool_executor

from beambridge_host.errors import bridge_error
from beambridge_host.host import fn_server
from beambridge_host.host.auth import token_interceptor
from beambridge_host.host.jobs import HostJob, JobServicer
from beambridge_host.worker import own_folder
from beambridge_host.worker.channel import Channel, claim_stdout, send_logs

TOKEN_VARIABLE = 'BEAMBRIDGE_HOST_TOKEN'
_LOGGER = logging.getLogger(__name__)

# A program may end once its job is started, which it is when Dataflow has it. Less than a caller waits.
_ACCEPTED_S = 110.0

_CONSOLE = 'https://console.cloud.google.com/dataflow/jobs/{region}/{job}?project={project}'


def state_of(name: Any) -> int:
  """The job service's state for a name of Dataflow's, such as `JOB_STATE_RUNNING`."""
  from google.cloud import dataflow_v1beta3  # pylint: disable=import-outside-toplevel

  state = dataflow_v1beta3.JobState[name] if isinstance(name, str) else name
  return portable_runner.PipelineResult.pipeline_state_to_runner_api_state(
      dataflow_runner.DataflowPipelineResult.api_jobstate_to_pipeline_state(state))


def _check_credentials(options: PipelineOptions) -> None:
  """Beam goes on without any, after a minute of looking for them."""
  if options.view_as(TestOptions).dry_run or options.view_as(GoogleCloudOptions).no_auth:
    return
  import google.auth  # pylint: disable=import-outside-toplevel

  try:
    google.auth.default()
  except google.auth.exceptions.DefaultCredentialsError as error:
    raise bridge_error(
        'CREDENTIALS_MISSING', "there are no credentials of Google's cloud to submit a job with",
        hint='Run `gcloud auth application-default login`, or name the file of a service account in GOOGLE_APPLICATION_CREDENTIALS.'
    ) from error


class DataflowJob(HostJob):
  """One job on Dataflow, from its submission to its end."""

  # Where its number goes, once there is one.
  channel: 'Channel | None' = None

  def __init__(self, *args: Any, **kwargs: Any) -> None:
    super().__init__(*args, **kwargs)
    self._accepted = threading.Event()

  def run(self) -> None:
    super().run()
    if not self._accepted.wait(_ACCEPTED_S):
      _LOGGER.warning('Dataflow does not have the job yet: the program must stay until it does.')

  def _execute(self) -> None:
    options = self.pipeline_options()
    runner = dataflow_runner.DataflowRunner()
    _check_credentials(options)
    # Beam does that where pipelines are constructed in Python.
    errors = PipelineOptionsValidator(options, runner).validate()
    if errors:
      raise bridge_error('INVALID_ARGUMENT', '; '.join(errors), hint='These are options of the run, by their names in Python.')
    self.result = runner.run_pipeline(None, options, self._pipeline_proto)
    if not getattr(self.result, 'has_job', False):
      return  # A dry run, or a template.
    self._tell(options.get_all_options())
    self._accepted.set()
    if self._cancellation.requested:
      self.result.cancel()
    dataflow_runner.DataflowRunner.poll_for_job_completion(runner, self.result, None, self._see)
    if state_of(self.result._job.current_state) == beam_job_api_pb2.JobState.FAILED:  # pylint: disable=protected-access
      raise RuntimeError(getattr(runner, 'last_error_msg', None) or 'Dataflow says no more than that the job failed')

  def _tell(self, options: 'dict[str, Any]') -> None:
    job = self.result.job_id()
    console = _CONSOLE.format(region=options['region'], job=job, project=options['project'])
    if self.channel:
      self.channel.send({'job': job, 'console': console})

  def _see(self, name: str) -> None:
    state = state_of(name)
    # The last one is told when all of its messages were.
    if not self.is_terminal_state(state):
      self.set_state(state)

  def _finish(self, state: int) -> None:
    super()._finish(state)
    self._accepted.set()

  def cancel(self) -> None:
    if self.is_over:
      return
    self.set_state(beam_job_api_pb2.JobState.CANCELLING)
    self._cancellation.request()
    if getattr(self.result, 'has_job', False):
      self.result.cancel()


class DataflowServicer(JobServicer):
  """The job service."""

  def GetJobMetrics(self, request: Any, context: Any = None, timeout: Any = None) -> Any:
    """Beam's runner gives none in a form that other languages know: better nothing than zeros."""
    context.abort(grpc.StatusCode.FAILED_PRECONDITION, 'the metrics of a job on Dataflow are in its console')


class Server:
  """The job service behind the token of this start, on a port of 127.0.0.1 that the kernel picks."""

  def __init__(self, token: str, staging_dir: str) -> None:
    self._server = grpc.server(
        thread_pool_executor.shared_unbounded_instance(),
        options=fn_server.SERVER_OPTIONS,
        interceptors=[token_interceptor(token)])
    self.address = f"{fn_server.LOOPBACK}:{self._server.add_insecure_port(f'{fn_server.LOOPBACK}:0')}"
    DataflowServicer(staging_dir, beam_job_type=DataflowJob).add_to(self._server, self.address)
    self._server.start()

  def stop(self) -> None:
    self._server.stop(0.2).wait()


def main() -> None:
  sys.argv = sys.argv[:1]  # Beam parses the arguments of the process wherever it finds none of its own.
  token = os.environ.pop(TOKEN_VARIABLE, '')
  if not token:
    sys.exit(f'{TOKEN_VARIABLE} must hold a token: start it through beambridge.')
  channel = claim_stdout()
  try:
    # Without what Google's cloud needs it would be found out when a job is submitted.
    from apache_beam.runners.dataflow.internal import apiclient as _  # pylint: disable=import-outside-toplevel
  except ImportError as error:
    sys.exit(f'this Python lacks what Dataflow needs, apache-beam[gcp]: {error}')
  send_logs(channel, 'INFO')
  DataflowJob.channel = channel
  ending = threading.Event()
  folder = own_folder.OwnFolder()
  try:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
      signal.signal(number, lambda *_: ending.set())
    server = Server(token, folder.path)
    channel.send({'ready': True, 'address': server.address})
    ending.wait()
    server.stop()
  finally:
    folder.remove()
  # Threads may still look at jobs, which Dataflow runs without them.
  os._exit(0)


if __name__ == '__main__':
  main()
