# SPDX-License-Identifier: Apache-2.0
"""Who may call the host: only the program that holds the token of this start."""

import hmac
from typing import Any, Callable, Optional

import grpc

METADATA_KEY = 'authorization'


def _refusal(details: str) -> Callable[[Optional[grpc.RpcMethodHandler]], grpc.RpcMethodHandler]:
  def terminate(_request: Any, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNAUTHENTICATED, details)

  # A refusal must have the shape of the call that it refuses, or the client sees an internal error.
  def matching(handler: Optional[grpc.RpcMethodHandler]) -> grpc.RpcMethodHandler:
    if handler is not None and handler.request_streaming and handler.response_streaming:
      return grpc.stream_stream_rpc_method_handler(terminate)
    if handler is not None and handler.request_streaming:
      return grpc.stream_unary_rpc_method_handler(terminate)
    if handler is not None and handler.response_streaming:
      return grpc.unary_stream_rpc_method_handler(terminate)
    return grpc.unary_unary_rpc_method_handler(terminate)

  return matching


class MetadataInterceptor(grpc.ServerInterceptor):
  """Refuses every call whose metadata does not satisfy `accepts`."""

  def __init__(self, accepts: Callable[[dict[str, str]], bool], details: str, exempt: str = '') -> None:
    """`exempt` begins the names of methods that ask for a credential of their own."""
    self._accepts = accepts
    self._exempt = exempt
    self._refuse = _refusal(details)

  def intercept_service(
      self,
      continuation: Callable[[grpc.HandlerCallDetails], Optional[grpc.RpcMethodHandler]],
      handler_call_details: grpc.HandlerCallDetails,
  ) -> Optional[grpc.RpcMethodHandler]:
    handler = continuation(handler_call_details)
    if self._exempt and handler_call_details.method.startswith(self._exempt):
      return handler
    if self._accepts(dict(handler_call_details.invocation_metadata)):
      return handler
    return self._refuse(handler)


def token_interceptor(token: str, exempt: str = '') -> grpc.ServerInterceptor:
  """Demands `authorization: Bearer <token>` of every call but those that `exempt` begins."""
  expected = f'Bearer {token}'.encode()

  def accepts(metadata: dict[str, str]) -> bool:
    given = metadata.get(METADATA_KEY, '')
    return hmac.compare_digest(given.encode() if isinstance(given, str) else given, expected)

  return MetadataInterceptor(accepts, 'a valid beambridge token is needed to call this host', exempt)
