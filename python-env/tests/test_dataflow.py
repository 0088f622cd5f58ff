# SPDX-License-Identifier: Apache-2.0
"""Dataflow as a job service, without Dataflow: what would be submitted, and what becomes of a job's states."""

import json
import os
import tempfile
import threading
import unittest
from typing import Any, Callable
from unittest import mock

try:
  from google.cloud import dataflow_v1beta3
except ImportError:
  dataflow_v1beta3 = None

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.dataflow import dataflow_runner
from apache_beam.transforms import environments
from google.protobuf import struct_pb2

from beambridge_host.host import dataflow

JobState = beam_job_api_pb2.JobState
States = dataflow_v1beta3 and dataflow_v1beta3.JobState
OPTIONS = {
    'project': 'my-project', 'region': 'europe-west1', 'temp_location': 'gs://my-bucket/temp',
    'beambridge_program': 'text', 'num_workers': 2.0, 'no_auth': True
}
FOLLOW = 'apache_beam.runners.dataflow.dataflow_runner.DataflowRunner'


def job(**options: Any) -> dataflow.DataflowJob:
  folder = tempfile.mkdtemp()
  pipeline = beam.Pipeline(options=PipelineOptions(flags=[]))
  _ = pipeline | beam.Create([1]) | beam.Map(abs)
  proto = pipeline.to_runner_api(
      default_environment=environments.DockerEnvironment.from_container_image('registry.example/python:1'))
  struct = struct_pb2.Struct()
  struct.update({f'beam:option:{name}:v1': value for name, value in {**OPTIONS, **options}.items()})
  return dataflow.DataflowServicer(folder, beam_job_type=dataflow.DataflowJob).create_beam_job('p', 'test', proto, struct)


class Submitted:
  """A job that Dataflow has."""
  has_job = True

  def __init__(self) -> None:
    self._job = mock.Mock(current_state=States.JOB_STATE_RUNNING)
    self.cancelled = threading.Event()

  @property
  def state(self) -> str:
    return dataflow_runner.DataflowPipelineResult.api_jobstate_to_pipeline_state(self._job.current_state)

  def job_id(self) -> str:
    return '2026-11-30_1'

  def cancel(self) -> None:
    self.cancelled.set()

  def end(self, state: Any) -> None:
    self._job.current_state = state


@unittest.skipUnless(dataflow_v1beta3, 'needs the extra gcp')
class DataflowTest(unittest.TestCase):

  def setUp(self) -> None:
    # It looks at buckets.
    patch = mock.patch('beambridge_host.host.dataflow.PipelineOptionsValidator.validate', return_value=[])
    patch.start()
    self.addCleanup(patch.stop)

  def follow(self, to_the_end: 'Callable[[Submitted, Callable[[str], None]], None]') -> 'tuple[dataflow.DataflowJob, Submitted]':
    """A job that is running on Dataflow, and goes on as `to_the_end` says."""
    submitted = Submitted()
    with mock.patch(f'{FOLLOW}.run_pipeline', return_value=submitted):
      made = job()
      poll = mock.patch(f'{FOLLOW}.poll_for_job_completion', lambda runner, result, _, see: to_the_end(result, see))
      poll.start()
      self.addCleanup(poll.stop)
      made.run()
    return made, submitted

  def last_state(self, made: dataflow.DataflowJob) -> int:
    made._run_thread.join(20)
    return made.state

  def test_states_come_by_their_names(self) -> None:
    self.assertEqual(dataflow.state_of('JOB_STATE_RUNNING'), JobState.RUNNING)
    self.assertEqual(dataflow.state_of(States.JOB_STATE_DRAINED), JobState.DRAINED)

  def test_a_job_is_started_when_dataflow_has_it_and_done_when_dataflow_says_so(self) -> None:
    go = threading.Event()

    def end(result: Submitted, see: Any) -> None:
      see('JOB_STATE_RUNNING')
      go.wait(20)
      result.end(States.JOB_STATE_DONE)

    made, _ = self.follow(end)
    self.assertNotIn(made.state, (JobState.DONE, JobState.FAILED))
    go.set()
    self.assertEqual(self.last_state(made), JobState.DONE)

  def test_a_job_that_fails_there_fails_here(self) -> None:
    made, _ = self.follow(lambda result, _: result.end(States.JOB_STATE_FAILED))
    self.assertEqual(self.last_state(made), JobState.FAILED)

  def test_a_cancellation_reaches_dataflow_and_its_word_is_the_end(self) -> None:
    go = threading.Event()

    def end(result: Submitted, _: Any) -> None:
      go.wait(20)
      result.end(States.JOB_STATE_CANCELLED)

    made, submitted = self.follow(end)
    made.cancel()
    self.assertTrue(submitted.cancelled.is_set())
    self.assertEqual(made.state, JobState.CANCELLING)
    go.set()
    self.assertEqual(self.last_state(made), JobState.CANCELLED)

  def test_what_is_submitted_names_each_image_and_hands_the_program_to_workers(self) -> None:
    with tempfile.TemporaryDirectory() as folder:
      made = job(
          temp_location=folder, staging_location=folder, template_location=os.path.join(folder, 'template.json'))
      other = made._pipeline_proto.components.environments['typescript']
      other.CopyFrom(environments.DockerEnvironment('registry.example/typescript:1').to_runner_api(None))
      # The last, as the order of a map is another in each process, and not every step is submitted.
      steps = made._pipeline_proto.components.transforms
      step = steps[max(name for name, each in steps.items() if each.spec.urn == common_urns.primitives.PAR_DO.urn)]
      step.environment_id = 'typescript'
      made.run()
      self.assertEqual(self.last_state(made), JobState.DONE)
      with open(os.path.join(folder, 'template.json'), encoding='utf-8') as file:
        environment = json.load(file)['environment']
    [pool] = environment['workerPools']
    images = {each['containerImage'] for each in pool['sdkHarnessContainerImages']}
    self.assertEqual(images, {'registry.example/python:1', 'registry.example/typescript:1'})
    self.assertEqual(pool['numWorkers'], 2)
    self.assertEqual(environment['sdkPipelineOptions']['options']['beambridge_program'], 'text')

  def test_nobody_without_the_token_is_served(self) -> None:
    with tempfile.TemporaryDirectory() as folder:
      server = dataflow.Server('secret', folder)
      self.addCleanup(server.stop)
      with grpc.insecure_channel(server.address) as channel:
        jobs = beam_job_api_pb2_grpc.JobServiceStub(channel)
        with self.assertRaises(grpc.RpcError) as refused:
          jobs.GetJobs(beam_job_api_pb2.GetJobsRequest(), timeout=10)
        self.assertEqual(refused.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
        jobs.GetJobs(beam_job_api_pb2.GetJobsRequest(), timeout=10, metadata=[('authorization', 'Bearer secret')])


if __name__ == '__main__':
  unittest.main()
