# SPDX-License-Identifier: Apache-2.0
"""Packed batches that are put together keep the time of their earliest row, which holds the watermark for it."""

import unittest

from apache_beam.transforms.window import GlobalWindow, IntervalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PaneInfo, PaneInfoTiming, WindowedValue

from beambridge_host.wire.packed import Gather


NO_FIRING = PaneInfo(True, True, PaneInfoTiming.UNKNOWN, 0, 0)


def batch(rows: int) -> bytes:
  return bytes([rows]) + b'...'


class GatherTest(unittest.TestCase):

  def test_each_goes_on_alone_where_nothing_is_asked_for(self):
    gather = Gather()
    gather.start_bundle()
    [only] = gather.process(batch(3), timestamp=Timestamp(5), window=GlobalWindow(), pane=NO_FIRING)
    self.assertEqual(only.batches, [batch(3)])
    self.assertEqual(list(gather.finish_bundle()), [])

  def test_enough_rows_have_the_earliest_timestamp(self):
    gather = Gather(10)
    gather.start_bundle()
    self.assertEqual(list(gather.process(batch(4), timestamp=Timestamp(5), window=GlobalWindow(), pane=NO_FIRING)), [])
    [given] = gather.process(batch(6), timestamp=Timestamp(7), window=GlobalWindow(), pane=NO_FIRING)
    self.assertIsInstance(given, WindowedValue)
    self.assertEqual((given.value.batches, given.timestamp), ([batch(4), batch(6)], Timestamp(5)))

  def test_what_is_left_goes_on_when_the_bundle_ends_by_windows(self):
    gather = Gather(10)
    gather.start_bundle()
    first, second = IntervalWindow(0, 10), IntervalWindow(10, 20)
    for rows, time, window in ((4, 6, first), (3, 12, second), (2, 5, first)):
      self.assertEqual(list(gather.process(batch(rows), timestamp=Timestamp(time), window=window, pane=NO_FIRING)), [])
    rest = sorted(gather.finish_bundle(), key=lambda each: each.timestamp)
    self.assertTrue(all(isinstance(each, WindowedValue) for each in rest))
    self.assertEqual([(each.value.batches, each.timestamp, each.windows) for each in rest],
                     [([batch(4), batch(2)], Timestamp(5), [first]), ([batch(3)], Timestamp(12), [second])])
    self.assertEqual(list(gather.finish_bundle()), [])

  def test_rows_keep_their_window_and_pane(self):
    gather = Gather(10)
    gather.start_bundle()
    # A window that is not the one of the timestamps, as behind a session or a step that moves them.
    window = IntervalWindow(100, 110)
    early, late = PaneInfo(True, False, PaneInfoTiming.EARLY, 0, -1), PaneInfo(False, True, PaneInfoTiming.LATE, 1, 1)
    for rows, pane in ((4, early), (3, late)):
      self.assertEqual(list(gather.process(batch(rows), timestamp=Timestamp(5), window=window, pane=pane)), [])
    [given] = gather.process(batch(6), timestamp=Timestamp(7), window=window, pane=early)
    self.assertEqual((given.value.batches, given.windows, given.pane_info), ([batch(4), batch(6)], [window], early))
    [rest] = gather.finish_bundle()
    self.assertEqual((rest.value.batches, rest.windows, rest.pane_info), ([batch(3)], [window], late))


if __name__ == '__main__':
  unittest.main()
