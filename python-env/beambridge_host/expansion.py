# SPDX-License-Identifier: Apache-2.0
"""Expansion of Python transforms for pipelines written elsewhere."""

from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.portability import python_urns
from apache_beam.runners.portability import expansion_service
from apache_beam.transforms import fully_qualified_named_transform


def create_expansion_service() -> expansion_service.ExpansionServiceServicer:
  """An expansion service that knows every transform which Python can import.

  Expanded stages run inside the host (Beam's embedded environment: direct calls, no gRPC), and ask
  for no packages: whatever they need is already in the host's environment.
  """
  options = PipelineOptions(
      flags=[],
      environment_type=python_urns.EMBEDDED_PYTHON,
      sdk_location='container',
      experiments=['beam_fn_api'])
  pickler.set_library(options.view_as(SetupOptions).pickle_library)
  # Only a caller with the token gets here, and it may run any Python code as it is.
  fully_qualified_named_transform.FullyQualifiedNamedTransform._FILTER_GLOB = '*'
  return expansion_service.ExpansionServiceServicer(options)
