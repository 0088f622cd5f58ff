# SPDX-License-Identifier: Apache-2.0
"""What is known to be a credential is in no text that leaves the process."""

import base64
import html
import json
import logging
import os
import re
import sys
import unittest
import urllib.parse
from typing import Any
from unittest import mock

from beambridge_host import credentials
from beambridge_host.errors import BridgeError, bridge_error, one_line
from beambridge_host.handlers.openai_compatible import _said, _shown
from beambridge_host.inference import models, remote, remote_failures
from beambridge_host.inference.dead_letters import failure_of
from beambridge_host.worker import channel

_KEY = 'sk-Very/Secret"7'


class CredentialsTest(unittest.TestCase):

  def setUp(self) -> None:
    patches = (mock.patch.object(credentials, '_known', {}), mock.patch.dict(os.environ, {'SOME_KEY': _KEY}))
    for patch in patches:
      patch.start()
      self.addCleanup(patch.stop)

  def test_a_credential_that_was_read_is_in_no_text(self) -> None:
    self.assertEqual(remote_failures.environment_credential('SOME_KEY'), _KEY)
    said = f'no such key {_KEY}'
    for text in (
        str(bridge_error('INTERNAL', said, hint=said)), one_line(ValueError(said)), str(failure_of(ValueError(said))),
        str(remote_failures.of_status(400, 's', said).error()), _said({'error': {'message': said}}, b''),
        _shown(b'x' * 110 + _KEY.encode()), _shown(b'{"key": "sk-Very/Secret\\"7"}'), _shown(b'?k=sk-Very%2FSecret%227')):
      self.assertNotIn('sk-V', text)
      self.assertIn('[cred', text)

  def test_one_that_no_header_can_hold_is_refused_without_showing_it(self) -> None:
    for value, kind in (('sk-one\nsk-two', 'a line break after 6 of its 13'), ('sk-ön', 'not ASCII'), ('sk-\0a', 'control')):
      os.environ['SOME_KEY'] = value.replace('\0', '\x01')
      with self.assertRaisesRegex(BridgeError, kind) as caught:
        remote_failures.environment_credential('SOME_KEY')
      self.assertIn('SOME_KEY', str(caught.exception))
      self.assertNotIn('sk-', str(caught.exception))

  def test_exceptions_of_a_function_of_the_users_do_not_quote_one(self) -> None:
    remote_failures.environment_credential('SOME_KEY')

    def call(item: str, tally: remote.Tally) -> str:
      try:
        raise KeyError(item)
      except KeyError as error:
        raise ValueError('no answer') from error

    sender = remote.Requests('s', remote.split_policy({}))
    with self.assertRaisesRegex(BridgeError, 'ValueError: no answer') as caught:
      sender.run([f'header {_KEY}'], call, remote.Tally())
    self.assertIsNone(caught.exception.__cause__)
    with self.assertRaises(ValueError):
      sender.run(['harmless'], call, remote.Tally())

  def test_passwords_in_addresses_and_words_of_values(self) -> None:
    credentials.remember_url('https://me:open%20sesame@host/v1')
    credentials.remember('Bearer long-enough')
    self.assertEqual(
        credentials.hidden('https://me:open%20sesame@host: open sesame, long-enough, Bearer'),
        'https://me:[credential]@host: [credential], [credential], Bearer')

  def test_keys_in_addresses(self) -> None:
    credentials.remember_url('https://h/x?app_key=app0app0app&authkey=auth0auth0')
    self.assertEqual(credentials.hidden('app0app0app auth0auth0'), '[credential] [credential]')

  def test_names_of_parameters(self) -> None:
    # The same are in test/unit/base/conceal.test.ts.
    secrets = (
        'key', 'api_key', 'apiKey', 'authkey', 'primary_key', 'primary-key', 'primaryKey', 'PRIMARYKEY', 'secondary_key',
        'conversion_key', 'conversionKey', 'arrow_key', 'common_key', 'commonkey', 'tomorrowkey', 'growkey', 'resort_key',
        'hash_key', 'partition_key_api_key', 'api%5Fkey', 'x.api%2Dkey', 'access_token', 'passphrase', 'subscriptionKey',
        'authorization', 'jwt', 'pass', 'db_pass', 'token[]', 'auth[token]', 'key%5B0%5D', 'key[a]')
    others = (
        'partition_key', 'PartitionKey', 'partitionKey', 'PARTITION_KEY', 'partitionkey', 'my-partition-key', 'tablePartitionKey',
        'RowKey', 'row%5Fkey', 'sort.key', 'range_key', 'group_key', 'public_key', 'version_key', 'cache-key', 'foreignKey',
        'monkey', 'turkey', 'hockey', 'donkey', 'partition[key]', 'sort_key[]', 'bypass', 'compass', 'keys', 'tokens', 'v')
    for name in (*secrets, *others):
      for mark in '?#':
        with self.subTest(name, mark=mark), mock.patch.object(credentials, '_known', {}):
          credentials.remember_url(f'https://h/x{mark}a=b&{name}=5ecretsecret')
          self.assertEqual(credentials.hidden('5ecretsecret'), '[credential]' if name in secrets else '5ecretsecret')

  def test_quotes_in_addresses(self) -> None:
    credentials.remember_url("https://me:it's-Secret1@host/x?token=it's-Secret2&sig='Secret3Secret3'")
    self.assertEqual(
        credentials.hidden(r'''it's-Secret1 'it\'s-Secret2' Secret3Secret3 it&#39;s-Secret1 it%27s-Secret2'''),
        "[credential] '[credential]' [credential] [credential] [credential]")

  def test_words_in_addresses_are_none(self) -> None:
    for url in ('s3://b/x?partition_key=created_at', 'https://h/x?version_key=mainline', 'hdfs://analytics@host/x'):
      credentials.remember_url(url)
    self.assertEqual(credentials.hidden('created_at mainline analytics'), 'created_at mainline analytics')

  def test_tokens_in_addresses(self) -> None:
    credentials.remember_url('https://t0ken-alone@host/v1?api-key=k3y%2Fk3y%3D&v=2030-01-01&access_token=abc+def;SIG=s1g+s1g%3D')
    shown = credentials.hidden(
        'https://t0ken-alone@host/v1?api-key=k3y%2Fk3y%3D&v=2030-01-01 k3y%252Fk3y%253D k3y/k3y= '
        f'abc+def, abc def, s1g+s1g= {base64.b64encode(b"t0ken-alone:").decode()}')
    self.assertEqual(
        shown,
        'https://[credential]@host/v1?api-key=[credential]&v=2030-01-01 [credential] [credential] '
        '[credential], [credential], [credential] [credential]')

  def test_a_credential_is_found_whichever_of_its_characters_are_escaped(self) -> None:
    key = 'sk+A/b=c"d\\e&f<g z%h'
    credentials.remember(key)
    quoted = urllib.parse.quote(key, safe='')
    in_json = json.dumps(key)[1:-1]
    half = len(key) // 2
    forms = {
        'as it is': key,
        'JSON': in_json,
        'JSON with escaped slashes': in_json.replace('/', '\\/'),
        'JSON in JSON': json.dumps(json.dumps(key)),
        'JSON in JSON in JSON': json.dumps(json.dumps(json.dumps(key))),
        'repr': repr(key)[1:-1],
        'JSON, all by number': ''.join(f'\\u{ord(one):04x}' for one in key),
        'JSON, all by number, capitals': ''.join(f'\\u{ord(one):04X}' for one in key),
        'JavaScript': ''.join(f'\\u{{{ord(one):x}}}' for one in key),
        'bytes': ''.join(f'\\x{ord(one):02x}' for one in key),
        'percent': quoted,
        'percent, small': re.sub('%..', lambda code: code[0].lower(), quoted),
        'percent, mixed': re.sub('%..', lambda code: code[0].lower(), quoted[:half]) + quoted[half:],
        'percent with slashes': urllib.parse.quote(key),
        'percent twice': urllib.parse.quote(quoted),
        'a form': urllib.parse.quote_plus(key),
        'all as percent': ''.join(f'%{ord(one):02x}' for one in key),
        'HTML': html.escape(key),
        'HTML twice': html.escape(html.escape(key)),
        'HTML, by number': ''.join(f'&#{ord(one)};' for one in key),
        'HTML, by number with zeros': ''.join(f'&#0{ord(one)};' for one in key),
        'HTML, hexadecimal': ''.join(f'&#x{ord(one):x};' for one in key),
        'HTML, hexadecimal, capitals': ''.join(f'&#X{ord(one):X};' for one in key),
        'HTML, by name': key.replace('&', '&amp;').replace('+', '&plus;').replace('/', '&sol;').replace('<', '&LT;'),
        'half JSON, half percent': in_json[:half] + urllib.parse.quote(json.loads(f'"{in_json[half:]}"'), safe=''),
    }
    for name, form in forms.items():
      with self.subTest(name):
        self.assertEqual(credentials.hidden(form).strip('"\\'), '[credential]')
        self.assertTrue(credentials.shows_one(form))

  def test_a_credential_is_found_in_base64_of_what_it_is_a_part_of(self) -> None:
    key = 'sk-?>~?>~?>~?>~abc'
    credentials.remember(key)
    for user in ('', 'u', 'me', 'you', 'user'):
      for rest in ('', ':', ':x'):
        text = f'{user}:{key}{rest}'.encode()
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
          encoded = encode(text).decode()
          for form in (encoded, urllib.parse.quote_plus(encoded), encoded.replace('/', '\\/').replace('=', '\\u003d')):
            with self.subTest(form):
              shown = credentials.hidden(f'Basic {form}.')
              self.assertIn('[credential]', shown)
              left, _, right = shown.partition('[credential]')
              # What is left holds the user's name and what comes behind, no bit of the key.
              self.assertLessEqual(len(left), len('Basic ') + len(f'{user}:') * 4 // 3)
              right = urllib.parse.unquote(right.replace('\\u003d', '='))
              self.assertLessEqual(len(right), len('.==') + len(rest) * 4 // 3 + 1)
    self.assertEqual(credentials.hidden(f'Basic {base64.b64encode(key.encode()).decode()}.'), 'Basic [credential].')

  def test_the_password_of_a_header_of_basic_authentication(self) -> None:
    credentials.remember(f'Basic {base64.b64encode(b"me:open sesame").decode()}')
    self.assertEqual(credentials.hidden('me may not use open%20sesame'), 'me may not use [credential]')

  def test_short_ones_are_found_alone_and_leave_words_as_they_are(self) -> None:
    for short in ('', ' ', 'a', 'ab', 'key', 'test', 'e/f'):
      credentials.remember(short)
    credentials.remember_url('https://me@host')
    credentials.remember_url('https://:@host')
    text = 'The latest tests: a key, an ab, e/f & the greatest\n'
    self.assertEqual(credentials.hidden(text), text)
    self.assertEqual(
        credentials.hidden('k=test, %3Atest%40, \\u003atest, "\\ntest"'),
        'k=[credential], %3A[credential]%40, \\u003a[credential], "\\n[credential]"')
    self.assertFalse(credentials.shows_one(text))
    credentials.remember_url('https://me:pa55@host')
    self.assertEqual(credentials.hidden(f'Basic {base64.b64encode(b"me:pa55").decode()}'), 'Basic [credential]')

  def test_no_text_takes_time_that_grows_faster_than_it_does(self) -> None:
    credentials.remember('\\\\%%&&a' * 4)
    credentials.remember('\\a' * 20)
    credentials.remember('&a' * 20)
    # Each of these would not end in a day if there were several ways to read an escape.
    for text in ('\\' * 100_000, '%25' * 30_000, '&amp;' * 20_000, '&#' + '0' * 100_000,
                 ('\\' * 17 + 'a') * 19 * 100 + 'b', ('&amp;amp;a' * 19 + 'b') * 100):
      credentials.hidden(text)

  def test_one_that_is_a_part_of_another(self) -> None:
    for secret in ('abcdefgh', 'cdefghijkl', 'credential'):
      credentials.remember(secret)
    self.assertEqual(
        credentials.hidden('(abcdefghijkl, abcdefgh) credential'), '([credential], [credential]) [credential]')

  def test_logs_hide_them(self) -> None:
    credentials.remember(_KEY)
    sent: list[Any] = []
    handler = channel.ChannelLogHandler(mock.Mock(send=sent.append))
    try:
      raise ValueError(_KEY)
    except ValueError:
      handler.emit(logging.LogRecord('x', logging.ERROR, '', 1, 'no %s', (_KEY,), sys.exc_info()))
    self.assertNotIn(_KEY, json.dumps(sent).replace('\\\\', '\\').replace('\\"', '"'))
    self.assertIn('[credential]', sent[0]['message'])
    self.assertIn('[credential]', sent[0]['traceback'])

  def test_those_of_a_model_in_another_process_are_known_here(self) -> None:
    handler = mock.Mock(spec=['given_credentials'], given_credentials=lambda: [('SOME_KEY', _KEY)])
    models.remember_credentials(handler)
    self.assertEqual(credentials.hidden(f'no {_KEY}'), 'no [credential]')


if __name__ == '__main__':
  unittest.main()
