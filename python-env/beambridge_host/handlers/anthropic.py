# SPDX-License-Identifier: Apache-2.0
"""Anthropic's models: Beam's handler, with each example a request of its own."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Sequence

import anthropic as client_library
from apache_beam.ml.inference import anthropic_inference, base

from beambridge_host.credentials import hidden, remember_url
from beambridge_host.inference import remote, remote_failures
from beambridge_host.inference.providers import provider

_SERVICE = "Anthropic's API"
# Fields of a request that have an option of the same name.
_FIELDS = ('max_tokens', 'temperature', 'top_p', 'top_k', 'stop_sequences')


class AnthropicHandler(remote.RemoteRows,
                       anthropic_inference.AnthropicModelHandler,
                       base.ModelHandler[str, base.PredictionResult, Any]):
  """Takes texts and conversations, gives texts or JSON."""

  service = _SERVICE

  def __init__(
      self,
      model_name: str,
      *,
      api_key_env: str = 'ANTHROPIC_API_KEY',
      base_url: Optional[str] = None,
      response: str = 'text',
      request_fn: Any = None,
      system: Any = None,
      output_config: Optional[Mapping[str, Any]] = None,
      parameters: Optional[Mapping[str, Any]] = None,
      **options: Any) -> None:
    self._key_env, self._base_url, self._response = api_key_env, base_url, response
    self.credentials = (api_key_env,)
    self._own_request_fn = request_fn
    self._fixed = {name: options.pop(name) for name in _FIELDS if name in options} | dict(parameters or {})
    policy = remote.split_policy(options)
    batching = remote.split_batching(options)
    # No key: what is in the handler is in the pipeline.
    super().__init__(
        model_name, request_fn or anthropic_inference.message_from_string, system=system,
        output_config=dict(output_config) if output_config else None, **remote.split_base(options))
    self.retry_filter = _never  # Requests are tried again one by one.
    self._batching_kwargs = batching
    self.set_policy(policy, options)

  def get_metrics_namespace(self) -> str:
    return 'AnthropicModelHandler'

  def create_client(self) -> tuple[Any, remote.Requests]:
    remember_url(self._base_url or '')
    client = client_library.Anthropic(
        api_key=remote_failures.environment_credential(self._key_env), base_url=self._base_url, max_retries=0,
        timeout=self._policy['timeout_ms'] / 1000)
    return client, self.requests()

  def request(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    client, sender = model
    tally = remote.Tally()

    def ask(example: Any, tally: remote.Tally) -> Any:
      # A copy each time: Beam's functions take arguments out of it.
      arguments = {**self._fixed, **(inference_args or {})}
      if self.system is not None:
        arguments.setdefault('system', self.system)
      if self.output_config is not None:
        arguments.setdefault('output_config', self.output_config)
      send = self._own_request_fn or (
          anthropic_inference.message_from_string
          if isinstance(example, str) else anthropic_inference.message_from_conversation)
      try:
        message, = send(self.model_name, [remote.plain(example)], client, arguments)
      except Exception as error:
        raise self._meaning(error) from error
      for name in ('input_tokens', 'output_tokens'):
        tally.add(name, getattr(getattr(message, 'usage', None), name, None) or 0)
      return self._value(message)

    try:
      answers = sender.run(batch, ask, tally)
    finally:
      self.report(tally)
    return [remote.prediction(example, answer, self.model_name) for example, answer in zip(batch, answers)]

  def _meaning(self, error: Exception) -> Exception:
    if isinstance(error, client_library.APITimeoutError):
      return remote_failures.timed_out(_SERVICE, self._policy['timeout_ms'] / 1000)
    if isinstance(error, client_library.APIConnectionError):
      return remote_failures.unreachable(_SERVICE, str(error.__cause__ or error))
    if isinstance(error, client_library.APIStatusError):
      body = error.body if isinstance(error.body, dict) else {}
      said = body.get('error', {}).get('message') if isinstance(body.get('error'), dict) else None
      return remote_failures.of_status(
          error.status_code, _SERVICE, said or error.message, wait=remote_failures.retry_after(error.response.headers),
          credential=self._key_env)
    if isinstance(error, (client_library.APIError, ValueError)):
      return remote_failures.mismatch(_SERVICE, f'what its client cannot read: {error}')
    return error

  def _value(self, message: Any) -> Any:
    if not hasattr(message, 'content'):
      if self._own_request_fn:
        return message
      raise remote_failures.mismatch(_SERVICE, f'with what is no message: {hidden(str(message))[:120]}')
    if self._response == 'json':
      return message.model_dump_json()
    texts = [block.text for block in message.content or () if getattr(block, 'type', '') == 'text']
    if not texts:
      raise remote_failures.mismatch(_SERVICE, f'without a text: {hidden(message.model_dump_json())[:120]}')
    return ''.join(texts)


def _never(_: Exception) -> bool:
  return False


@provider(
    functions=['request_fn'],
    options=remote.REMOTE_OPTIONS.union(_FIELDS, (
        'model_name', 'api_key_env', 'base_url', 'response', 'request_fn', 'system', 'output_config', 'parameters')))
def anthropic(*, input: str = 'text', **options: Any) -> AnthropicHandler:
  """A handler of texts or, if `input` says so, of conversations: it takes either as it comes."""
  return AnthropicHandler(**options)
