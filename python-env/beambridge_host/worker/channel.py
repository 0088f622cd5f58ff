# SPDX-License-Identifier: Apache-2.0
"""What the host says to Node: JSON lines on a private copy of standard output.

The first line announces that the host is ready; every later line is a log record. User code that
prints goes to standard error instead, so that it can never break a line of ours.
"""

import json
import logging
import os
import sys
import threading
import traceback
from typing import Any, TextIO

from beambridge_host.credentials import hidden


class Channel:
  """Writes one JSON object per line; safe to use from any thread."""

  def __init__(self, out: TextIO) -> None:
    self._out = out
    self._lock = threading.Lock()

  def send(self, message: dict[str, Any]) -> None:
    line = json.dumps(message, default=str)
    try:
      with self._lock:
        self._out.write(line + '\n')
        self._out.flush()
    except (OSError, ValueError):
      pass  # Nobody reads any more: the guard is about to end this process.

  def close(self) -> None:
    """Lets go of the output; what is sent afterwards is lost."""
    self._out.close()


def claim_stdout() -> Channel:
  """Takes file descriptor 1 for the channel and lets everything else print to standard error."""
  private = os.fdopen(os.dup(1), 'w', encoding='utf-8')
  os.dup2(2, 1)
  sys.stdout = sys.stderr
  return Channel(private)


_LEVELS = ((logging.ERROR, 'error'), (logging.WARNING, 'warn'), (logging.INFO, 'info'), (logging.DEBUG, 'debug'))


def _level_name(level: int) -> str:
  return next((name for least, name in _LEVELS if level >= least), 'trace')


class ChannelLogHandler(logging.Handler):
  """Sends log records of all threads, workers included, through the channel."""

  def __init__(self, channel: Channel) -> None:
    super().__init__()
    self._channel = channel

  def emit(self, record: logging.LogRecord) -> None:
    try:
      message = record.getMessage()
    except Exception:  # pylint: disable=broad-except
      message = f'{record.msg!r} with arguments {record.args!r}'
    line = {'log': _level_name(record.levelno), 'logger': record.name, 'message': hidden(message)}
    if record.exc_info and record.exc_info[0] is not None:
      line['traceback'] = hidden(''.join(traceback.format_exception(*record.exc_info)))
    self._channel.send(line)


# Said once or twice in every job, and of no use to anyone: RunInference looks for a module that only
# some machines have, to fill a metric.
_NOISE = ('Resource module is not available for current platform',)


def _is_news(record: logging.LogRecord) -> bool:
  return not (isinstance(record.msg, str) and record.msg.startswith(_NOISE))


def _is_not_reraised(record: logging.LogRecord) -> bool:
  return record.exc_info is None


def send_logs(channel: Channel, level: str) -> None:
  """Routes Python's logging and warnings into the channel; `level` is a name of the logging module."""
  root = logging.getLogger()
  for handler in list(root.handlers):
    root.removeHandler(handler)
  root.addHandler(ChannelLogHandler(channel))
  root.setLevel(level)
  root.addFilter(_is_news)
  # Beam logs what a user's function raises and raises it again: the job's own error says it.
  logging.getLogger('apache_beam.runners.common').addFilter(_is_not_reraised)
  logging.captureWarnings(True)
