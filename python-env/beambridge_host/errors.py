# SPDX-License-Identifier: Apache-2.0
"""Errors that the TypeScript side turns into a BeamBridgeError with the same code.

Beam carries a failure between processes as the text of a traceback, so what must survive travels in
that text: a line `BEAMBRIDGE_ERROR word {json}` with the code, the message, the hint and the transform. The word
follows from the host's secret and comes with the environment: the text of an exception may quote data, and data must
not say what an error means.
"""

import json
import os
from typing import Optional

from beambridge_host.credentials import hidden

MARKER = 'BEAMBRIDGE_ERROR'
NONCE_VARIABLE = 'BEAMBRIDGE_ERROR_NONCE'


class BridgeError(Exception):
  """Made by `bridge_error`. Takes its whole text alone: Beam copies exceptions as `type(e)(text)`."""


class FatalError(BridgeError):
  """An error that every row would meet, such as a refused credential: it fails the run, dead letters or not."""


class RowFailure:
  """What a handler may give in place of a prediction: this row has failed, and the others have not."""

  def __init__(self, error: Exception) -> None:
    self.error = error


def bridge_error(
    code: str,
    message: str,
    *,
    hint: Optional[str] = None,
    transform: Optional[str] = None,
    make: type[BridgeError] = BridgeError) -> BridgeError:
  """An error with a code of the TypeScript side's `ErrorCode`."""
  message, hint = hidden(message), hidden(hint) if hint else hint
  fields = {'code': code, 'message': message, 'hint': hint, 'transform': transform}
  marker = json.dumps({name: value for name, value in fields.items() if value})
  # Ends in a line break because Beam appends " [while running …]" to the text.
  return make(f'{message}\n{_start()}{marker}\n')


def _start() -> str:
  return f'{MARKER} {os.environ.get(NONCE_VARIABLE, "")} '


def fields_of(error: BridgeError) -> dict[str, str]:
  """What `bridge_error` was given."""
  line = next(line for line in reversed(str(error).split('\n')) if line.startswith(_start()))
  return json.loads(line.removeprefix(_start()))


def in_transform(error: BridgeError, transform: str) -> BridgeError:
  """The same error, saying which transform it was in if it does not yet."""
  fields = fields_of(error)
  if not transform or 'transform' in fields:
    return error
  return bridge_error(
      fields['code'], fields['message'], hint=fields.get('hint'), transform=transform, make=type(error))


def one_line(error: BaseException) -> str:
  """`ValueError: what was wrong`, as the last line of a traceback says it."""
  text = hidden(' '.join(str(error).split()))
  return f'{type(error).__name__}: {text}' if text else type(error).__name__
