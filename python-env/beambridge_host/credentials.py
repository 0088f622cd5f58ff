# SPDX-License-Identifier: Apache-2.0
"""Credentials that this process has read, which no text that leaves it may show.

A service may quote the key in what it says, and a client library the header that it could not send. Both would end up
in errors, logs and dead letters, which more people read than may know the key. On the way each character may have been
escaped, some of them twice: so each is looked for in every form, one by one.
"""

import base64
import html.entities
import re
import urllib.parse

_HIDDEN = '[credential]'
# What is shorter is no secret, and its letters are in every word.
_SHORTEST = 4
# What is shorter than this is a secret where it stands alone: it may be a part of a word.
_SHORTEST_PART = 8

# Parameters of an address whose values are secrets: `api-key`, `access_token`, `sig`. A key is one unless the next has it. The
# TypeScript side has the same rule, see src/base/conceal.ts.
_SECRET_PARAMETER = re.compile(
    r'(?:token|sig|signature|secret|password|passwd|passphrase|pass|pwd|auth|authorization|jwt|credentials?|key)'
    r'(?:\[\w*\]|\]){0,4}\Z')

# Keys that are known to be those of rows or of caches, word by word, and words that merely end so. `primary_key` is none:
# services call the first of two secrets so.
_NO_SECRET_NAME = re.compile(
    r'(?:\A|[-_.~[])(?:(?:(?:partition|sort|row|range|foreign|cache|version|group|public)[-_.~[]?|mon|tur|hoc|don|joc|whis|lac)key'
    r'|(?:by|com|sur|tres|under|over)pass)\Z')

# The names that HTML has for what a header can hold.
_ENTITIES = sorted({(name.rstrip(';'), value) for name, value in html.entities.html5.items() if value.isascii()})

_known: dict[str, 'list[re.Pattern[str]]'] = {}


def remember(value: str) -> None:
  """Has a credential replaced from now on, in each form in which services and libraries quote one."""
  # `Bearer abc` in a header of one's own may be quoted without its first word.
  parts = [part for part in value.split() if len(part) >= _SHORTEST_PART]
  for part in (value, *parts, *_of_basic(value)):
    if len(part) >= _SHORTEST:
      _known[part] = _patterns(part)


def remember_url(url: str) -> None:
  """Has the password in an address replaced from now on, or the token in its place, and those of its parameters."""
  try:
    parsed = urllib.parse.urlsplit(url)
    user, password = parsed.username or '', parsed.password
  except ValueError:
    return  # Whoever asks it says what is wrong with it.
  # A token may be all that stands there, where a server takes one; a short word is a name.
  is_token = parsed.scheme in ('http', 'https') and len(user) >= _SHORTEST_PART
  secret = password or (user if is_token else '')
  for form in {secret, urllib.parse.unquote(secret)} if secret else ():
    remember(form)
    # In a header both travel together, so that a short one is found as well.
    pair = f'{urllib.parse.unquote(user)}:{form}' if password else f'{form}:'
    remember(base64.b64encode(pair.encode('utf-8', 'replace')).decode())
  for parameter in (*re.split('[&;]', parsed.query), *re.split('[&;]', parsed.fragment)):
    name, _, value = parameter.partition('=')
    if _is_secret(urllib.parse.unquote(name)):
      for form in {value, urllib.parse.unquote(value), urllib.parse.unquote_plus(value)}:
        remember(form)
        # Who reads it may take the quotes off that it was given in.
        remember(form.strip('\'"'))


def _is_secret(name: str) -> bool:
  words = re.sub('([a-z0-9])([A-Z])', r'\1_\2', name).lower()
  if not _SECRET_PARAMETER.search(words):
    return False
  return not _NO_SECRET_NAME.search(re.sub(r'(?:\[\d*\]|\])+\Z', '', words))


def hidden(text: str) -> str:
  """A text without the credentials that this process has read."""
  # All are found before any is replaced: one may be a part of another.
  found = sorted(span for pattern in _all_patterns() for span in _spans(pattern, text))
  out, end = [], 0
  for start, stop in found:
    if start >= end:
      out += (text[end:start], _HIDDEN)
    end = max(end, stop)
  return ''.join((*out, text[end:])) if found else text


def shows_one(text: str) -> bool:
  return any(pattern.search(text) for pattern in _all_patterns())


def fault_of(value: str) -> str:
  """Why a value cannot be a credential in a header, without showing it; empty if it can."""
  found = re.search(r'[^\x20-\x7e]', value)
  if not found:
    return ''
  kind = 'a line break' if found[0] in '\r\n' else 'a control character' if found[0] < ' ' or found[0] == '\x7f' else \
      'a character that is not ASCII'
  return f'{kind} after {found.start()} of its {len(value)} characters'


def _of_basic(value: str) -> list[str]:
  """The password in a header of HTTP's basic authentication, which services decode."""
  scheme, _, encoded = value.partition(' ')
  if scheme.lower() != 'basic':
    return []
  try:
    pair = base64.b64decode(encoded, validate=True).decode()
  except ValueError:
    return []
  return [pair, pair.partition(':')[2]]


def _all_patterns() -> 'list[re.Pattern[str]]':
  return [pattern for patterns in tuple(_known.values()) for pattern in patterns]


def _spans(pattern: 're.Pattern[str]', text: str) -> list[tuple[int, int]]:
  out = []
  for match in pattern.finditer(text):
    start = match.start()
    if match.lastgroup == 'base64':
      # Some bits of the first character may be in a digit that holds bits of what is in front, too.
      left = _LEFT_OF_BASE64.search(text, max(0, start - 16), start)
      start = left.start() if left else start
    out.append((start, match.end()))
  return out


def _patterns(secret: str) -> 'list[re.Pattern[str]]':
  """What finds a text, whichever of its characters are escaped, and in the base64 of what it is a part of."""
  plain = _text(secret)
  if len(secret) < _SHORTEST_PART:
    # Letters and digits around it make it a part of a word, unless they belong to an escape.
    begins = r'(?<![^\W_])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4})|(?<=\\[nrt])'
    return [re.compile(rf'(?:{begins})(?:{plain})(?![^\W_])')]
  encoded = '|'.join(_in_base64(secret.encode('utf-8', 'surrogatepass')))
  return [re.compile(plain), re.compile(f'(?P<base64>(?:{encoded}){_DIGIT}?{_PADDING})')]


# How often one escape may be escaped again, so that no text takes time that grows faster than it does.
_SLASHES = r'\\\\{0,15}'
_PERCENT = '%(?:25){0,4}'
_AMPERSAND = '&(?:amp;){0,4}'
_ZEROS = '0{0,6}'

_DIGIT = rf'(?:{_PERCENT}2[bBfF]|{_SLASHES}(?:/|[uU]\{{?{_ZEROS}2[bBfF]\}}?)|[A-Za-z0-9+/_-])'
_PADDING = rf'(?:{_PERCENT}3[dD]|{_SLASHES}[uU]\{{?{_ZEROS}3[dD]\}}?|=){{0,2}}'
_LEFT_OF_BASE64 = re.compile(rf'{_DIGIT}\Z')


def _in_base64(secret: bytes) -> list[str]:
  """The digits that hold nothing but bits of a text, for each place in a group of three at which it may begin."""
  out = []
  for shift in range(3):
    digits = base64.b64encode(bytes(shift) + secret).decode()
    own = digits[-(-shift * 8 // 6):(shift + len(secret)) * 8 // 6]
    # Nobody escapes letters.
    out.append(''.join(digit if digit.isalnum() else f'(?:{_URL_SAFE[digit]}|{_text(digit)})' for digit in own))
  return out


_URL_SAFE = {'+': '-', '/': '_'}


def _text(text: str) -> str:
  """A pattern of a text, each of whose characters may be escaped."""
  out = []
  parts = re.findall(r'\\+|[^\\]', text)
  for before, part in zip(('', *parts), parts):
    if part.startswith('\\'):
      # Together, and with those in front of the next character: there must be one way only to share them out.
      out.append(f'{_character(part[0])}{{{len(part)},{16 * len(part) + 15}}}')
    else:
      out.append(_character(part, '' if before.startswith('\\') else _SLASHES))
  return ''.join(out)


def _character(one: str, slashes: str = '') -> str:
  """A pattern of a character as it is, or escaped for JSON, an address, a form, HTML, a few times over."""
  code = ord(one)
  hexadecimal = _any_case(f'{code:x}')
  numbered = [rf'[uU]\{{?{_ZEROS}{hexadecimal}\}}?']
  if code < 256:
    numbered.append(f'x{_any_case(f"{code:02x}")}')
  if code > 0xffff:
    high, low = divmod(code - 0x10000, 0x400)
    numbered.append(rf'u{_any_case(f"{0xd800 + high:x}")}{_SLASHES}u{_any_case(f"{0xdc00 + low:x}")}')
  octets = ''.join(f'{_PERCENT}{_any_case(f"{octet:02x}")}' for octet in one.encode('utf-8', 'surrogatepass'))
  names = (name for name, value in _ENTITIES if value == one)
  entities = '|'.join((f'#{_ZEROS}{code}', f'#[xX]{_ZEROS}{hexadecimal}', *names))
  # The character itself last, so that nothing of an escape that begins with it is left.
  forms = [octets, f'{_AMPERSAND}(?:{entities});?', re.escape(one)]
  if one == '\\':
    forms[:0] = [rf'\\(?:{"|".join(numbered)})']
  else:
    forms[:0] = [f'{slashes}(?:{"|".join((*numbered, re.escape(one)))})'] if slashes else numbered
  if one == ' ':
    forms.append(r'\+')
  return f'(?:{"|".join(forms)})'


def _any_case(digits: str) -> str:
  return ''.join(f'[{digit.lower()}{digit.upper()}]' if digit.isalpha() else digit for digit in digits)
