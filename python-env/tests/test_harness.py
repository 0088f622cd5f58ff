# SPDX-License-Identifier: Apache-2.0
"""What a worker's harness does when its run is over."""

import concurrent.futures
import threading
import unittest

from beambridge_host.worker import worker


class _Channel:
  """One whose end somebody waits for."""

  def __init__(self) -> None:
    self.may_close = threading.Event()
    self.closed = threading.Event()

  def close(self) -> None:
    self.may_close.wait()
    self.closed.set()


class ClosingTest(unittest.TestCase):

  def test_a_run_is_over_before_grpc_has_looked_at_its_channel_for_the_last_time(self) -> None:
    harness = object.__new__(worker._harness_class())
    channel = _Channel()
    harness._control_channel = channel
    harness._report_progress_executor = concurrent.futures.ThreadPoolExecutor(1)
    harness.close()
    self.assertFalse(channel.closed.is_set())
    channel.may_close.set()
    self.assertTrue(channel.closed.wait(30))


if __name__ == '__main__':
  unittest.main()
