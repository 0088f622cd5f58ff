# SPDX-License-Identifier: Apache-2.0
"""Models behind an endpoint that speaks OpenAI's API. Beam has no handler for one."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import inspect
import json
import threading
import time
from typing import Any, Iterable, Mapping, Optional, Sequence

import requests
from apache_beam.ml.inference import base

from beambridge_host.credentials import hidden, remember_url
from beambridge_host.errors import RowFailure
from beambridge_host.inference import remote, remote_failures
from beambridge_host.inference.providers import provider

_PATHS = {'chat': '/chat/completions', 'completions': '/completions', 'embeddings': '/embeddings'}
# Fields of a request's body that have an option of the same name.
_FIELDS = ('temperature', 'max_tokens', 'top_p', 'seed', 'stop', 'dimensions')
_LARGEST_ANSWER = 256 * 1024 * 1024


class _Bearer(requests.auth.AuthBase):
  """An Authorization header that no entry in ~/.netrc replaces."""

  def __init__(self, key: Optional[str]) -> None:
    self._key = key

  def __call__(self, request: Any) -> Any:
    if self._key is not None:
      request.headers['Authorization'] = f'Bearer {self._key}'
    return request


class Client:
  """Sends one request. Its connections live on, one for each thread."""

  def __init__(
      self, url: str, key: Optional[str], headers: Mapping[str, str], timeout_ms: float, credential: str) -> None:
    self.url = url
    self._auth = _Bearer(key)
    self._headers = dict(headers)
    self._timeout = timeout_ms / 1000
    self._credential = credential
    self._threads = threading.local()

  def post(self, body: dict[str, Any]) -> dict[str, Any]:
    """The answer to a request, an object. Raises RequestFailure."""
    deadline = time.monotonic() + self._timeout
    try:
      # No redirects: a POST would become a GET, and take the credential elsewhere.
      with self._session().post(
          self.url, json=body, headers=self._headers, auth=self._auth, timeout=self._timeout, stream=True,
          allow_redirects=False) as response:
        return self._read(response, self._content(response, deadline))
    except requests.Timeout:
      raise remote_failures.timed_out(self.url, self._timeout) from None
    except requests.ConnectionError as error:
      raise remote_failures.unreachable(self.url, _reason(error)) from None
    except requests.RequestException as error:
      raise remote_failures.RequestFailure(
          'INVALID_ARGUMENT', f'{self.url} cannot be asked: {error}', 'Check baseUrl and headers.', fatal=True) from None

  def _session(self) -> requests.Session:
    if not hasattr(self._threads, 'session'):
      self._threads.session = requests.Session()
    return self._threads.session

  def _content(self, response: Any, deadline: float) -> bytes:
    # As it comes: a service that sends a byte now and then must not be waited for without end.
    read = getattr(response.raw, 'read1', response.raw.read)
    content = bytearray()
    try:
      while part := read(65536, decode_content=True):
        content += part
        if time.monotonic() > deadline:
          raise remote_failures.timed_out(self.url, self._timeout)
        if len(content) > _LARGEST_ANSWER:
          raise remote_failures.mismatch(self.url, f'more than {_LARGEST_ANSWER} bytes')
    except OSError as error:
      raise remote_failures.unreachable(self.url, _reason(error)) from None
    except Exception as error:
      if 'timed out' in str(error).lower():
        raise remote_failures.timed_out(self.url, self._timeout) from None
      if isinstance(error, remote_failures.RequestFailure):
        raise
      # Of urllib3's own: the connection ended in the middle of an answer.
      raise remote_failures.unreachable(self.url, _reason(error)) from None
    return bytes(content)

  def _read(self, response: Any, content: bytes) -> dict[str, Any]:
    answer = _parsed(content)
    if 300 <= response.status_code < 400:
      where = response.headers.get('Location', 'elsewhere')
      raise remote_failures.mismatch(self.url, f'that it is to be found at {where} (HTTP {response.status_code})')
    if response.status_code != 200:
      raise remote_failures.of_status(
          response.status_code, self.url, _said(answer, content), wait=remote_failures.retry_after(response.headers),
          credential=self._credential, spent=_is_spent(answer))
    if answer is None:
      raise remote_failures.mismatch(self.url, f'with what is no JSON: {_shown(content)}')
    if not isinstance(answer, dict) or 'error' in answer and answer['error'] is not None:
      raise remote_failures.mismatch(self.url, f'with no result: {_shown(content)}')
    return answer


def _parsed(content: bytes) -> Any:
  try:
    return json.loads(content)
  except ValueError:
    return None


def _text_of(content: Any) -> Any:
  """The content of a message, which some servers give in parts."""
  if not isinstance(content, list):
    return content
  return ''.join(part['text'] for part in content if part.get('type', 'text') == 'text') if content else None


def _is_spent(answer: Any) -> bool:
  error = answer.get('error') if isinstance(answer, dict) else None
  return isinstance(error, dict) and 'insufficient_quota' in (error.get('code'), error.get('type'))


def _said(answer: Any, content: bytes) -> str:
  """The message of an error, in the forms that servers give it."""
  error = answer.get('error', answer) if isinstance(answer, dict) else answer
  message = error.get('message', error.get('detail')) if isinstance(error, dict) else error
  return hidden(' '.join(message[:65536].split()))[:500] if isinstance(message, str) else _shown(content)


def _shown(content: bytes) -> str:
  # Before it is cut: the beginning of a credential is a part of it, too.
  text = ' '.join(hidden(content[:65536].decode('utf-8', 'replace'))[:400].split())
  return f'{text[:120]}…' if len(text) > 120 else text


def _reason(error: BaseException) -> str:
  """The reason at the bottom of what urllib3 wraps in three layers."""
  while True:
    inner = getattr(error, 'reason', None) or next((a for a in error.args if isinstance(a, BaseException)), None)
    if not isinstance(inner, BaseException):
      break
    error = inner
  text = str(error)
  if 'refused' in text:
    return 'connection refused'
  return text.rpartition(': ')[2] or type(error).__name__


class OpenAICompatibleHandler(remote.RemoteRows, base.RemoteModelHandler[str, base.PredictionResult, Any]):
  """Sends each example as a request of its own; embeddings several at once."""

  def __init__(
      self,
      base_url: str,
      model: str,
      *,
      api: str = 'chat',
      response: str = 'text',
      api_key_env: Optional[str] = None,
      system: Optional[str] = None,
      headers: Optional[Mapping[str, str]] = None,
      secret_headers: Optional[Mapping[str, str]] = None,
      parameters: Optional[Mapping[str, Any]] = None,
      inputs_per_request: int = 32,
      **options: Any) -> None:
    self.service = base_url.rstrip('/') + _PATHS[api]
    self._api, self._response, self._model, self._system = api, response, model, system
    self._key_env = api_key_env
    self._headers, self._secret_headers = dict(headers or {}), dict(secret_headers or {})
    self.credentials = tuple(filter(None, (api_key_env, *self._secret_headers.values())))
    self._group = inputs_per_request if api == 'embeddings' and response == 'text' else 1
    self._body = {name: options.pop(name) for name in _FIELDS if name in options} | dict(parameters or {})
    policy = remote.split_policy(options)
    self._batching_kwargs = remote.split_batching(options)
    self.set_policy(policy, options)
    options.pop('env_vars', None)
    # Requests are tried again one by one, so Beam must not try whole batches again.
    super().__init__(
        namespace=self.get_metrics_namespace(), retry_filter=lambda _: False, **remote.split_base(options), **options)

  def get_metrics_namespace(self) -> str:
    return 'OpenAICompatibleModelHandler'

  def create_client(self) -> tuple[Client, remote.Requests]:
    key = remote_failures.environment_credential(self._key_env) if self._key_env else None
    secrets = {name: remote_failures.environment_credential(env) for name, env in self._secret_headers.items()}
    remember_url(self.service)
    client = Client(
        self.service, key, {**self._headers, **secrets}, self._policy['timeout_ms'], ' and '.join(self.credentials))
    return client, self.requests()

  def request(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    client, sender = model
    fixed = {'model': self._model, **self._body, **(inference_args or {})}
    tally = remote.Tally()

    def ask(examples: Sequence[Any], tally: remote.Tally) -> list[Any]:
      answer = client.post({**fixed, **self._input(examples)})
      usage = answer.get('usage')
      for name in ('prompt_tokens', 'completion_tokens'):
        if isinstance(usage, dict) and isinstance(usage.get(name), int):
          tally.add(name, usage[name])
      identity = answer.get('model')
      values = self._values(answer, len(examples))
      return [(value, identity if isinstance(identity, str) else self._model) for value in values]

    try:
      groups = [batch[i:i + self._group] for i in range(0, len(batch), self._group)]
      answers = self._asked(groups, sender, ask, tally)
    finally:
      self.report(tally)
    return [
        answer if isinstance(answer, RowFailure) else base.PredictionResult(example, *answer)
        for example, answer in zip(batch, answers)
    ]

  def _asked(self, groups: Sequence[Any], sender: remote.Requests, ask: Any, tally: remote.Tally) -> list[Any]:
    out: list[Any] = []
    for group, answers in zip(groups, sender.run(groups, ask, tally)):
      if isinstance(answers, RowFailure) and len(group) > 1:
        # One bad input fails all of a request.
        out.extend(self._asked([[example] for example in group], sender, ask, tally))
      else:
        out.extend([answers] * len(group) if isinstance(answers, RowFailure) else answers)
    return out

  def _input(self, examples: Sequence[Any]) -> dict[str, Any]:
    if self._api == 'embeddings':
      return {'input': list(examples)}
    example, = examples
    if self._api == 'completions':
      return {'prompt': example}
    messages = [{'role': 'user', 'content': example}] if isinstance(example, str) else remote.plain(example)
    return {'messages': [{'role': 'system', 'content': self._system}, *messages] if self._system else messages}

  def _values(self, answer: dict[str, Any], count: int) -> list[Any]:
    if self._response == 'json':
      return [json.dumps(answer, ensure_ascii=False)]
    try:
      if self._api == 'embeddings':
        vectors = self._in_order(answer['data'], count)
        if not all(isinstance(vector, list) for vector in vectors):
          raise TypeError
        return vectors
      choice = answer['choices'][0]
      text = choice['text'] if self._api == 'completions' else _text_of(choice['message']['content'])
      if text == '' and choice.get('finish_reason') == 'length':
        raise remote_failures.RequestFailure(
            'ENDPOINT_REFUSED', f'{self.service} cut its answer off before the first letter (finish_reason length)',
            'Raise maxTokens: a model that reasons spends them on that first.')
    except (KeyError, IndexError, TypeError, AttributeError):
      text = None
    if not isinstance(text, str):
      wanted = 'embeddings' if self._api == 'embeddings' else 'choices[0] with a text'
      raise remote_failures.mismatch(self.service, f'without {wanted}: {_shown(json.dumps(answer).encode())}')
    return [text]


  def _in_order(self, parts: Sequence[Any], count: int) -> list[Any]:
    """The embeddings of the inputs in their order, which only `index` tells."""
    if len(parts) != count:
      raise remote_failures.mismatch(self.service, f'with {len(parts)} embeddings for {count} inputs')
    indexes = [part.get('index') for part in parts]
    vectors = {part.get('index'): part['embedding'] for part in parts if type(part.get('index')) is int}
    if sorted(vectors) != list(range(count)):
      raise remote_failures.RequestFailure(
          'ENDPOINT_REFUSED',
          f'{self.service} does not say which embedding is which: index {_shown(json.dumps(indexes).encode())} of '
          f'{count} inputs',
          "In OpenAI's API each embedding has the index of its input, from 0: check the address, and the server's version.")
    return [vectors[index] for index in range(count)]


@provider(options=remote.REMOTE_OPTIONS.union(_FIELDS, inspect.signature(OpenAICompatibleHandler).parameters))
def openai_compatible(*, input: str = 'text', **options: Any) -> OpenAICompatibleHandler:
  """A handler of texts or, if `input` says so, of conversations: it takes either as it comes."""
  return OpenAICompatibleHandler(**options)
