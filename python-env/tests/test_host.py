# SPDX-License-Identifier: Apache-2.0
"""The host as a client sees it: what it announces, whom it lets in, what it logs."""

import unittest

import grpc
from apache_beam.portability.api import (
    beam_artifact_api_pb2,
    beam_artifact_api_pb2_grpc,
    beam_expansion_api_pb2,
    beam_expansion_api_pb2_grpc,
    beam_job_api_pb2,
    beam_job_api_pb2_grpc,
)

from tests.driver import LOOPBACK_IN_PROC, Host


class HostTest(unittest.TestCase):
  @classmethod
  def setUpClass(cls) -> None:
    cls.host = Host()
    cls.addClassCleanup(cls.host.stop)

  def test_announces_an_address_that_the_kernel_picked_on_the_loopback_interface(self) -> None:
    self.assertRegex(self.host.announced['address'], r'^127\.0\.0\.1:\d+$')
    self.assertEqual(self.host.announced['pid'], self.host.process.pid)
    self.assertIn(self.host.listeners(), LOOPBACK_IN_PROC)

  def test_refuses_every_service_to_a_caller_without_the_token(self) -> None:
    for channel in (grpc.insecure_channel(self.host.announced['address']), self.host.channel('wrong')):
      jobs = beam_job_api_pb2_grpc.JobServiceStub(channel)
      calls = {
          'expansion': lambda: beam_expansion_api_pb2_grpc.ExpansionServiceStub(channel).Expand(
              beam_expansion_api_pb2.ExpansionRequest()),
          'jobs': lambda: jobs.Prepare(beam_job_api_pb2.PrepareJobRequest()),
          'messages': lambda: list(jobs.GetMessageStream(beam_job_api_pb2.JobMessagesRequest())),
          'staging': lambda: list(
              beam_artifact_api_pb2_grpc.ArtifactStagingServiceStub(channel).ReverseArtifactRetrievalService(
                  iter([beam_artifact_api_pb2.ArtifactResponseWrapper()]))),
          'retrieval': lambda: beam_artifact_api_pb2_grpc.ArtifactRetrievalServiceStub(channel).ResolveArtifacts(
              beam_artifact_api_pb2.ResolveArtifactsRequest()),
          'unknown': lambda: channel.unary_unary('/no.such.Service/Call')(b''),
      }
      for name, call in calls.items():
        with self.subTest(name), self.assertRaises(grpc.RpcError) as caught:
          call()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAUTHENTICATED)

  def test_answers_a_bad_expansion_with_the_traceback(self) -> None:
    response = self.host.expand(beam_expansion_api_pb2.ExpansionRequest())
    self.assertIn('Traceback (most recent call last)', response.error)


class HostEndTest(unittest.TestCase):
  def test_ends_when_nobody_calls_for_the_idle_timeout(self) -> None:
    host = Host('--idle-timeout', '1')
    self.addCleanup(host.process.stdout.close)
    self.assertEqual(host.process.wait(15), 0)

  def test_ends_at_once_on_sigterm(self) -> None:
    host = Host()
    self.addCleanup(host.process.stdout.close)
    host.process.terminate()
    self.assertEqual(host.process.wait(5), 0)


if __name__ == '__main__':
  unittest.main()
