# SPDX-License-Identifier: Apache-2.0
"""Expansion of Python transforms for pipelines written elsewhere."""

import types
from typing import Any

from apache_beam import pipeline as beam_pipeline
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, TypeOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2, endpoints_pb2
from apache_beam.runners.pipeline_utils import group_by_key_input_visitor
from apache_beam.runners.portability import expansion_service
from apache_beam.transforms import environments, fully_qualified_named_transform


class TypedPipeline(beam_pipeline.Pipeline):
  """Gives what is grouped the types of key-values, as Beam's own runners do before they translate a pipeline.

  Without it a grouping of what nobody annotated has one coder in front and another one behind, which runners refuse.
  """

  def to_runner_api(self, *args: Any, **kwargs: Any) -> Any:
    is_lax = self.options.view_as(TypeOptions).allow_non_deterministic_key_coders
    self.visit(group_by_key_input_visitor(not is_lax))
    return super().to_runner_api(*args, **kwargs)


def install() -> None:
  """Lets expansions of this process be made in a TypedPipeline: Beam's service offers no place to hook in."""
  expansion_service.beam_pipeline = types.SimpleNamespace(
      **{**vars(beam_pipeline), 'Pipeline': TypedPipeline})


install()


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
