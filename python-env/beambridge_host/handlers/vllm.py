# SPDX-License-Identifier: Apache-2.0
"""vLLM: Beam's handlers, with texts or JSON as predictions."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import copy
from typing import Any, Iterable, Mapping, Optional, Sequence

from apache_beam.ml.inference import base, vllm_inference

from beambridge_host.inference.providers import provider


class CompletionsHandler(vllm_inference.VLLMCompletionsModelHandler):
  """Takes a text, gives how it goes on."""

  response = 'text'

  def run_inference(
      self, batch: Sequence[str], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    results = super().run_inference(batch, model, inference_args)
    return [
        result._replace(inference=_json(result) if self.response == 'json' else result.inference.choices[0].text)
        for result in results
    ]


class ChatHandler(vllm_inference.VLLMChatModelHandler, base.ModelHandler[str, base.PredictionResult, Any]):
  """Takes the user's text or a whole conversation, gives the answer."""

  response = 'text'

  def load_model(self) -> Any:
    # It notes where the template is, for the server alone: a handler that loading has changed shares no server.
    starting = copy.copy(self)
    starting._vllm_server_kwargs = dict(self._vllm_server_kwargs)
    return super(ChatHandler, starting).load_model()

  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    results = super().run_inference([_conversation(example) for example in batch], model, inference_args)
    return [
        result._replace(inference=_json(result) if self.response == 'json' else result.inference.choices[0].message.content)
        for result in results
    ]


def _json(result: Any) -> str:
  return result.inference.model_dump_json()


def _conversation(example: Any) -> list[Any]:
  message = vllm_inference.OpenAIChatMessage
  return [message('user', example)] if isinstance(example, str) else [message(each.role, each.content) for each in example]


@provider(
    paths=['chat_template_path'],
    options=('model_name', 'vllm_server_kwargs', 'use_dynamo', 'dynamo_frontend_kwargs', 'chat_template_path'))
def vllm(
    *,
    api: str = 'completions',
    input: str = 'text',
    response: str = 'text',
    env_vars: Optional[Mapping[str, str]] = None,
    **options: Any) -> Any:
  """A handler that starts vLLM's server on the worker."""
  handler = (ChatHandler if api == 'chat' else CompletionsHandler)(**options)
  handler.response = response
  # Beam's constructors take none.
  handler._env_vars = dict(env_vars or {})
  return handler
