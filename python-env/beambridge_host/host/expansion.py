# SPDX-License-Identifier: Apache-2.0
"""Expansion of Python transforms for pipelines written elsewhere."""

from typing import Any

from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2, endpoints_pb2
from apache_beam.runners.portability import expansion_service
from apache_beam.transforms import environments, fully_qualified_named_transform


class HostExpansionService(expansion_service.ExpansionServiceServicer):
  """Offers two ways to run what it expanded: inside this host, or by workers that its pool starts."""

  def __init__(self, options: PipelineOptions, pool_address: str) -> None:
    super().__init__(options)
    self._pool = beam_runner_api_pb2.ExternalPayload(
        endpoint=endpoints_pb2.ApiServiceDescriptor(url=pool_address)).SerializeToString()

  def Expand(self, request: Any, context: Any = None) -> Any:
    response = super().Expand(request, context)
    for environment in response.components.environments.values():
      if environment.urn == python_urns.EMBEDDED_PYTHON:
        external = beam_runner_api_pb2.Environment()
        external.CopyFrom(environment)
        external.urn = common_urns.environments.EXTERNAL.urn
        external.payload = self._pool
        environment.CopyFrom(environments.AnyOfEnvironment.create_proto([environment, external]))
    return response


def create_expansion_service(pool_address: str) -> HostExpansionService:
  """An expansion service that knows every transform which Python can import.

  On this host's own job service, expanded stages run inside the host (Beam's embedded environment:
  direct calls, no gRPC); its runner prefers that alternative. They ask for no packages: whatever they
  need is already in the host's environment.
  """
  options = PipelineOptions(
      flags=[],
      environment_type=python_urns.EMBEDDED_PYTHON,
      sdk_location='container',
      experiments=['beam_fn_api'])
  pickler.set_library(options.view_as(SetupOptions).pickle_library)
  # Only a caller with the token gets here, and it may run any Python code as it is.
  fully_qualified_named_transform.FullyQualifiedNamedTransform._FILTER_GLOB = '*'
  return HostExpansionService(options, pool_address)
