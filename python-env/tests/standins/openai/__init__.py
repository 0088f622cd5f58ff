# SPDX-License-Identifier: Apache-2.0
"""Stands in for the package `openai`, as far as Beam's vLLM handlers use it."""

import asyncio
import json
import urllib.request
from types import SimpleNamespace
from typing import Any


def _object(value: Any) -> Any:
  return json.loads(json.dumps(value), object_hook=lambda fields: Answer(**fields))


class Answer(SimpleNamespace):

  def model_dump_json(self) -> str:
    return json.dumps(self, default=vars)


class _Client:

  def __init__(self, api_key: str, base_url: str) -> None:
    self._url = base_url

  def _ask(self, path: str, body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(self._url + path, data) as response:
      return _object(json.load(response))


class OpenAI(_Client):

  def __enter__(self) -> 'OpenAI':
    return self

  def __exit__(self, *_: Any) -> None:
    pass

  @property
  def models(self) -> Any:
    return SimpleNamespace(list=lambda: self._ask('/models'))


class AsyncOpenAI(_Client):

  async def __aenter__(self) -> 'AsyncOpenAI':
    return self

  async def __aexit__(self, *_: Any) -> None:
    pass

  def _create(self, path: str) -> Any:

    async def create(**body: Any) -> Any:
      return await asyncio.to_thread(self._ask, path, body)

    return SimpleNamespace(create=create)

  @property
  def completions(self) -> Any:
    return self._create('/completions')

  @property
  def chat(self) -> Any:
    return SimpleNamespace(completions=self._create('/chat/completions'))
