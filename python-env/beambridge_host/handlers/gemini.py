# SPDX-License-Identifier: Apache-2.0
"""Google's Gemini models: Beam's handler, with each example a request of its own.

Beam's own functions send a whole batch as one prompt, for which there is one answer.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

from typing import Any, Iterable, Mapping, Optional, Sequence

from apache_beam.ml.inference import base, gemini_inference
from google import genai
from google.genai import errors, types

from beambridge_host.credentials import hidden, remember_url
from beambridge_host.inference import remote, remote_failures
from beambridge_host.inference.models import missing_credential
from beambridge_host.inference.providers import provider

_SERVICE = "Gemini's API"
_IN_ENVIRONMENT = 'in the environment'


class GeminiHandler(remote.RemoteRows,
                    gemini_inference.GeminiModelHandler,
                    base.ModelHandler[str, base.PredictionResult, Any]):
  """Takes texts, and texts with images; gives texts, JSON, or images."""

  service = _SERVICE

  def __init__(
      self,
      model_name: str,
      *,
      api_key_env: str = 'GEMINI_API_KEY',
      project: Optional[str] = None,
      location: Optional[str] = None,
      use_vertex_flex_api: bool = False,
      base_url: Optional[str] = None,
      response: str = 'text',
      request_fn: Any = None,
      config: Optional[Mapping[str, Any]] = None,
      **options: Any) -> None:
    self._key_env, self._base_url, self._response = api_key_env, base_url, response
    self._config = dict(config or {})
    self._own_request_fn = request_fn
    # Without a key, Google's default credentials are used, which may be of many kinds.
    self.credentials = () if project else (api_key_env,)
    policy = remote.split_policy(options)
    batching = remote.split_batching(options)
    # No key: what is in the handler is in the pipeline.
    super().__init__(
        model_name, request_fn or gemini_inference.generate_from_string,
        api_key=None if project else _IN_ENVIRONMENT, project=project, location=location,
        use_vertex_flex_api=use_vertex_flex_api, **remote.split_base(options))
    self.retry_filter = _never  # Requests are tried again one by one.
    self._batching_kwargs = batching
    self.set_policy(policy, options)

  def get_metrics_namespace(self) -> str:
    return 'GeminiModelHandler'

  def create_client(self) -> tuple[Any, remote.Requests]:
    remember_url(self._base_url or '')
    headers = {'X-Vertex-AI-LLM-Request-Type': 'flex'} if self.use_vertex_flex_api else {}
    http = types.HttpOptions(
        base_url=self._base_url, headers=headers, timeout=self._policy['timeout_ms'],
        api_version='v1' if self.use_vertex_flex_api else None)
    if not self.use_vertex:
      key = remote_failures.environment_credential(self._key_env)
      return genai.Client(api_key=key, http_options=http), self.requests()
    try:
      client = genai.Client(vertexai=True, project=self.project, location=self.location, http_options=http)
    except Exception as error:
      if 'Credential' in type(error).__name__:
        raise missing_credential('GOOGLE_APPLICATION_CREDENTIALS') from error
      raise
    return client, self.requests()

  def request(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    client, sender = model
    arguments = {**({'config': self._config} if self._config else {}), **(inference_args or {})}
    tally = remote.Tally()

    def ask(example: Any, tally: remote.Tally) -> Any:
      try:
        answer = self.request_fn(self.model_name, _contents(example), client, dict(arguments))
      except Exception as error:
        raise self._meaning(error) from error
      usage = getattr(answer, 'usage_metadata', None)
      for name in ('prompt_token_count', 'candidates_token_count'):
        tally.add(name, getattr(usage, name, None) or 0)
      return self._value(answer)

    try:
      answers = sender.run(batch, ask, tally)
    finally:
      self.report(tally)
    return [remote.prediction(example, answer, self.model_name) for example, answer in zip(batch, answers)]

  def _meaning(self, error: Exception) -> Exception:
    if isinstance(error, errors.APIError):
      if error.code == 400 and 'API key' in str(error.message):  # Gemini's way of refusing a key.
        return remote_failures.of_status(401, _SERVICE, str(error.message), credential=self._key_env)
      response = getattr(error, 'response', None)
      wait = remote_failures.retry_after(getattr(response, 'headers', None) or {})
      return remote_failures.of_status(
          error.code or 500, _SERVICE, str(error.message or error), wait=wait,
          credential='the credential of the project' if self.use_vertex else self._key_env)
    kinds = {cls.__name__ for cls in type(error).__mro__}
    if kinds & {'TimeoutException', 'Timeout', 'TimeoutError'}:
      return remote_failures.timed_out(_SERVICE, self._policy['timeout_ms'] / 1000)
    if kinds & {'TransportError', 'ConnectionError', 'ClientError', 'RequestException'}:
      return remote_failures.unreachable(_SERVICE, str(error))
    if kinds & {'DefaultCredentialsError', 'RefreshError'}:
      return missing_credential('GOOGLE_APPLICATION_CREDENTIALS')
    if isinstance(error, (ValueError, KeyError)):
      return remote_failures.mismatch(_SERVICE, f'what its client cannot read: {error}')
    return error

  def _value(self, answer: Any) -> Any:
    if not hasattr(answer, 'candidates'):
      return answer  # Of a function of the user's, which gives what it likes.
    if self._response == 'json':
      return answer.model_dump_json(exclude_none=True)
    parts = [part for candidate in (answer.candidates or ())[:1] for part in (getattr(candidate.content, 'parts', None) or ())]
    if self._response == 'image':
      images = [part.inline_data.data for part in parts if getattr(part, 'inline_data', None)]
      if images:
        return images[0]
    else:
      texts = [part.text for part in parts if getattr(part, 'text', None) and not getattr(part, 'thought', None)]
      if texts:
        return ''.join(texts)
    wanted = 'an image' if self._response == 'image' else 'a text'
    shown = hidden(answer.model_dump_json(exclude_none=True))[:120]
    raise remote_failures.mismatch(_SERVICE, f'without {wanted}: {shown}')


# What the first bytes of images say.
_KINDS = ((b'\x89PNG', 'image/png'), (b'\xff\xd8', 'image/jpeg'), (b'GIF8', 'image/gif'), (b'RIFF', 'image/webp'))


def _contents(example: Any) -> list[Any]:
  if isinstance(example, str):
    return [example]
  fields = example if isinstance(example, dict) else example._asdict() if hasattr(example, '_asdict') else vars(example)
  images = [
      types.Part.from_bytes(
          data=image, mime_type=next((kind for start, kind in _KINDS if image.startswith(start)), 'image/png'))
      for image in fields['images']
  ]
  return [fields['text'], *images]


def _never(_: Exception) -> bool:
  return False


@provider(
    functions=['request_fn'],
    options=remote.REMOTE_OPTIONS.union((
        'model_name', 'api_key_env', 'project', 'location', 'use_vertex_flex_api', 'base_url', 'response', 'request_fn',
        'config')))
def gemini(*, input: str = 'text', **options: Any) -> GeminiHandler:
  """A handler of texts or, if `input` says so, of texts with images: it takes either as it comes."""
  return GeminiHandler(**options)
