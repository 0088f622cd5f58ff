# SPDX-License-Identifier: Apache-2.0
"""Endpoints of Vertex AI: Beam's handler, which asks the endpoint when it is made."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import json
from typing import Any, Iterable, Optional, Sequence

from apache_beam.ml.inference import base, vertex_ai_inference

from beambridge_host.errors import BridgeError, bridge_error, one_line
from beambridge_host.inference import remote
from beambridge_host.inference.models import missing_credential
from beambridge_host.inference.providers import provider


class VertexAIHandler(vertex_ai_inference.VertexAIModelHandlerJSON,
                      base.ModelHandler[dict, base.PredictionResult, Any]):
  """Sends examples as JSON instances."""

  def __init__(self, *, response: str = 'value', env_vars: Any = None, **options: Any) -> None:
    self._response = response
    batching = remote.split_batching(options)
    base_options = remote.split_base(options)
    if 'max_retries' in options:
      base_options['num_retries'] = options.pop('max_retries')
    super().__init__(**options, **base_options)
    # Beam's constructor knows env_vars, and its base class refuses them.
    self._env_vars = dict(env_vars or {})
    self._batching_kwargs = batching

  def request(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    results = super().request([remote.plain(example) for example in batch], model, inference_args)
    if self._response == 'value':
      return results
    return [result._replace(inference=_json(result.inference)) for result in results]


def _json(value: Any) -> str:
  return value.decode('utf-8', 'replace') if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False)


@provider(
    options=remote.REMOTE_OPTIONS.union(
        ('endpoint_id', 'project', 'location', 'experiment', 'network', 'private', 'invoke_route', 'response')))
def vertexai(**options: Any) -> VertexAIHandler:
  """A handler of anything that JSON can hold."""
  try:
    return VertexAIHandler(**options)
  except Exception as error:
    raise _meaning(error, options) from error


def _meaning(error: BaseException, options: dict[str, Any]) -> BridgeError:
  chain: Optional[BaseException] = error
  while chain is not None:
    if type(chain).__name__ in ('DefaultCredentialsError', 'RefreshError') or 'credential' in str(chain).lower():
      return missing_credential('GOOGLE_APPLICATION_CREDENTIALS')
    chain = chain.__cause__ or chain.__context__
  return bridge_error(
      'ENDPOINT_UNAVAILABLE',
      f'the Vertex AI endpoint {options.get("endpoint_id")} cannot be asked: {one_line(error)}',
      hint='Check endpointId, project and location, and what the credential may be used for.')
