# SPDX-License-Identifier: Apache-2.0
"""Credentials that this process has read, which no text that leaves it may show.

A service may quote the key in what it says, and a client library the header that it could not send. Both would end up
in errors, logs and dead letters, which more people read than may know the key.
"""

import json
import re
import urllib.parse

_HIDDEN = '[credential]'
# What is shorter is no secret, and its letters are in every word.
_SHORTEST = 4
_SHORTEST_PART = 8

_known: dict[str, None] = {}


def remember(value: str) -> None:
  """Has a credential replaced from now on, in each form in which services and libraries quote one."""
  # `Bearer abc` in a header of one's own may be quoted without its first word.
  parts = [part for part in value.split() if len(part) >= _SHORTEST_PART]
  for part in (value, *parts):
    if len(part) >= _SHORTEST:
      for form in (part, urllib.parse.quote(part, safe=''), json.dumps(part)[1:-1], repr(part)[1:-1]):
        _known[form] = None


def remember_url(url: str) -> None:
  """Has the password in an address replaced from now on."""
  try:
    password = urllib.parse.urlsplit(url).password
  except ValueError:
    return  # Whoever asks it says what is wrong with it.
  if password:
    remember(password)
    remember(urllib.parse.unquote(password))


def hidden(text: str) -> str:
  """A text without the credentials that this process has read."""
  # The longest first: one may be a part of another.
  for secret in sorted(tuple(_known), key=len, reverse=True):
    text = text.replace(secret, _HIDDEN)
  return text


def shows_one(text: str) -> bool:
  return any(secret in text for secret in tuple(_known))


def fault_of(value: str) -> str:
  """Why a value cannot be a credential in a header, without showing it; empty if it can."""
  found = re.search(r'[^\x20-\x7e]', value)
  if not found:
    return ''
  kind = 'a line break' if found[0] in '\r\n' else 'a control character' if found[0] < ' ' or found[0] == '\x7f' else \
      'a character that is not ASCII'
  return f'{kind} after {found.start()} of its {len(value)} characters'
