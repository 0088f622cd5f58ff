# SPDX-License-Identifier: Apache-2.0
"""What is known to be a credential is in no text that leaves the process."""

import os
import unittest
from unittest import mock

from beambridge_host import credentials
from beambridge_host.errors import BridgeError, bridge_error, one_line
from beambridge_host.handlers.openai_compatible import _said, _shown
from beambridge_host.inference import remote, remote_failures
from beambridge_host.inference.dead_letters import failure_of

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


if __name__ == '__main__':
  unittest.main()
