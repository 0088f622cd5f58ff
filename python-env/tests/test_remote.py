# SPDX-License-Identifier: Apache-2.0
"""The pace of requests, and when to try again."""

import email.utils
import fcntl
import multiprocessing
import os
import time
import unittest
import uuid
from typing import Any, Optional
from unittest import mock

from beambridge_host.errors import RowFailure
from beambridge_host.inference.pace import Pace
from beambridge_host.inference import remote
from beambridge_host.inference.remote_failures import RequestFailure, of_status, retry_after


def _wait(service: str, times: int) -> None:
  pace = Pace(50, service)
  for _ in range(times):
    pace.wait()


class PaceTest(unittest.TestCase):

  def setUp(self) -> None:
    self.service = uuid.uuid4().hex
    self.pace = Pace(50, self.service)
    self.addCleanup(lambda: os.path.exists(self.pace._file) and os.unlink(self.pace._file))

  def test_processes_of_a_machine_keep_one_rate_together(self) -> None:
    fork = multiprocessing.get_context('fork')
    processes = [fork.Process(target=_wait, args=(self.service, 10)) for _ in range(2)]
    began = time.monotonic()
    for process in processes:
      process.start()
    for process in processes:
      process.join()
      self.assertEqual(process.exitcode, 0)
    self.assertGreater(time.monotonic() - began, 0.37)  # 19 intervals of 20 ms.

  def test_a_file_that_makes_no_sense_is_begun_anew(self) -> None:
    for content in (b'nonsense', f'{time.monotonic() + 10_000}'.encode()):
      with open(self.pace._file, 'wb') as file:
        file.write(content)
      os.chmod(self.pace._file, 0o600)
      self.assertLess(self.pace.wait(), 5)

  def test_without_a_place_for_the_file_the_rate_holds_for_the_process(self) -> None:
    self.pace._file = '/no/such/folder/file'
    began = time.monotonic()
    for _ in range(6):
      self.pace.wait()
    self.assertGreater(time.monotonic() - began, 0.09)

  def test_a_lock_that_somebody_keeps_delays_and_does_not_stop(self) -> None:
    self.pace.wait()
    with open(self.pace._file, 'r+b') as kept:
      fcntl.flock(kept, fcntl.LOCK_EX)
      self.assertLess(self.pace.wait(), 3)

  def test_a_file_that_others_may_open_is_no_place_to_agree(self) -> None:
    with open(self.pace._file, 'wb') as file:
      fcntl.flock(file, fcntl.LOCK_EX)
      os.chmod(self.pace._file, 0o644)
      self.assertLess(self.pace.wait(), 0.5)
    os.unlink(self.pace._file)
    os.mkfifo(self.pace._file, 0o600)
    self.assertLess(self.pace.wait(), 0.5)

  def test_held_requests_wait(self) -> None:
    self.pace.hold(0.1)
    self.assertGreater(self.pace.wait(), 0.09)


class RetryAfterTest(unittest.TestCase):

  def test_every_form(self) -> None:
    self.assertEqual(retry_after({'retry-after': '2'}), 2)
    self.assertEqual(retry_after({'retry-after-ms': '250', 'retry-after': '2'}), 0.25)
    self.assertIsNone(retry_after({}))
    self.assertEqual(retry_after({'x-ratelimit-reset-requests': '6m0s', 'x-ratelimit-reset-tokens': '20ms'}), 360)
    self.assertEqual(
        retry_after({
            'x-ratelimit-reset-requests': '6m0s', 'x-ratelimit-remaining-requests': '5',
            'x-ratelimit-reset-tokens': '20ms', 'x-ratelimit-remaining-tokens': '0'
        }), 0.02)
    self.assertIsNone(retry_after({'x-ratelimit-reset-requests': 'soon'}))
    self.assertIsNone(retry_after({'retry-after': 'soon'}))
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    self.assertAlmostEqual(retry_after({'retry-after': date}), 30, delta=5)

  def test_no_time_and_a_time_that_is_over_say_nothing(self) -> None:

    def wait(**headers: str) -> Optional[float]:
      named = {name.replace('_', '-'): value for name, value in headers.items()}
      return of_status(429, 's', '', wait=retry_after(named)).wait

    past = email.utils.formatdate(time.time() - 30, usegmt=True)
    for said in ('0', '-1', '0.0', 'nan', 'inf', '-inf', past, 'Mon, 01 Jan 99999 00:00:00 GMT'):
      self.assertIsNone(wait(retry_after=said), said)
    self.assertIsNone(wait(retry_after_ms='0'))
    for said in ('0', '0s', '0ms', '0m0s'):
      self.assertIsNone(wait(x_ratelimit_reset_requests=said, x_ratelimit_reset_tokens=said), said)
    self.assertEqual(wait(x_ratelimit_reset_requests='0s', x_ratelimit_reset_tokens='20ms'), 0.02)
    self.assertEqual(of_status(503, 's', '', wait=2).wait, 2)


class ThrottleTest(unittest.TestCase):

  def _ask(self, failures: list[RequestFailure], **policy: int) -> tuple[Any, int]:
    calls = []

    def call(item: Any, tally: remote.Tally) -> str:
      calls.append(item)
      if failures:
        raise failures.pop(0)
      return 'answer'

    sender = remote.Requests(uuid.uuid4().hex, remote.split_policy(policy))
    return sender.run(['q'], call, remote.Tally())[0], len(calls)

  def test_throttling_has_time_and_not_a_number_of_attempts(self) -> None:
    busy = [of_status(429, 's', '', wait=0.01) for _ in range(20)]
    self.assertEqual(self._ask(list(busy), max_retries=2), ('answer', 21))
    failed, calls = self._ask(list(busy), max_retries=2, max_throttle_ms=50)
    self.assertIsInstance(failed, RowFailure)
    self.assertLess(calls, 7)

  def test_a_service_that_names_no_time_is_asked_again_after_longer_and_longer_pauses(self) -> None:
    headers = ({'retry-after': '0'}, {'retry-after': '-5'}, {'x-ratelimit-reset-requests': '0s'}, {})
    for status in (429, 503):
      with mock.patch.object(remote.time, 'sleep') as sleep, mock.patch.object(Pace, 'wait', return_value=0.0):
        answer, calls = self._ask([of_status(status, 's', '', wait=retry_after(each)) for each in headers])
      self.assertEqual((answer, calls), ('answer', 5))
      pauses = [call.args[0] for call in sleep.call_args_list]
      for pause, delay in zip(pauses, (0.5, 1, 2, 4)):
        self.assertTrue(0.75 * delay <= pause <= 1.25 * delay, pauses)
      # Or all that were refused together would come back together.
      self.assertNotIn(pauses[0], (0.5, 0.375))

  def test_attempts_are_still_counted_for_faults(self) -> None:
    mixed = [of_status(status, 's', '', wait=0.001) for status in (429, 500, 429, 500, 429, 500)]
    failed, calls = self._ask(mixed, max_retries=2)
    self.assertIsInstance(failed, RowFailure)
    self.assertEqual(calls, 6)

  def test_an_account_without_quota_is_not_asked_again(self) -> None:
    failed, calls = self._ask([of_status(429, 's', '', wait=0.01, spent=True)])
    self.assertIsInstance(failed, RowFailure)
    self.assertEqual(calls, 1)


if __name__ == '__main__':
  unittest.main()
