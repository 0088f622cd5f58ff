# SPDX-License-Identifier: Apache-2.0
"""The pace of requests, and when to try again."""

import email.utils
import fcntl
import multiprocessing
import os
import time
import unittest
import uuid

from beambridge_host.inference.pace import Pace
from beambridge_host.inference.remote_failures import retry_after


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
    self.assertEqual(retry_after({'retry-after': '-1'}), 0)
    self.assertIsNone(retry_after({}))
    self.assertIsNone(retry_after({'retry-after': 'soon'}))
    date = email.utils.formatdate(time.time() + 30, usegmt=True)
    self.assertAlmostEqual(retry_after({'retry-after': date}), 30, delta=5)


if __name__ == '__main__':
  unittest.main()
