# SPDX-License-Identifier: Apache-2.0
"""Who may call the host: only the program that holds the token of this start."""

import hmac
from typing import Any, Callable, Iterator, Optional

import grpc

METADATA_KEY = 'authorization'


def _refusal(details: str) -> grpc.RpcMethodHandler:
  def terminate(_requests: Any, context: grpc.ServicerContext) -> Iterator[Any]:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, details)
    yield  # pragma: no cover

  # Whatever the shape of the call: a handler of a single request would have the whole of it read first.
  return grpc.stream_stream_rpc_method_handler(terminate)


class MetadataInterceptor(grpc.ServerInterceptor):
  """Refuses every call whose metadata does not satisfy `accepts`."""

  def __init__(self, accepts: Callable[[dict[str, str]], bool], details: str) -> None:
    self._accepts = accepts
    self._refusal = _refusal(details)

  def intercept_service(
      self,
      continuation: Callable[[grpc.HandlerCallDetails], Optional[grpc.RpcMethodHandler]],
      handler_call_details: grpc.HandlerCallDetails,
  ) -> Optional[grpc.RpcMethodHandler]:
    handler = continuation(handler_call_details)
    return handler if self._accepts(dict(handler_call_details.invocation_metadata)) else self._refusal


def is_bearer(metadata: dict[str, str], token: str) -> bool:
  """Whether a call shows `authorization: Bearer <token>`."""
  given = metadata.get(METADATA_KEY, '')
  return hmac.compare_digest(given.encode() if isinstance(given, str) else given, f'Bearer {token}'.encode())


def token_interceptor(token: str) -> grpc.ServerInterceptor:
  """Demands the token of every call."""
  return MetadataInterceptor(
      lambda metadata: is_bearer(metadata, token), 'a valid beambridge token is needed to call this host')
