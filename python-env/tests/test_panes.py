# SPDX-License-Identifier: Apache-2.0
"""The panes of batch groupings, trigger by trigger."""

import unittest
from typing import Any

from apache_beam.transforms import trigger as T
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.window import FixedWindows, Sessions, WindowedValue
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import PaneInfoTiming

from beambridge_host.host import panes


def panes_of(when: T.TriggerFn, mode: int = T.AccumulationMode.DISCARDING, windows: Any = None) -> list[Any]:
  windows = windows or FixedWindows(10)
  windowing = Windowing(windows, triggerfn=when, accumulation_mode=mode)
  panes.install()
  driver = T.create_trigger_driver(windowing, True)
  elements = [
      WindowedValue(n, Timestamp(n), windows.assign(windows.AssignContext(Timestamp(n)))) for n in (1, 2, 3, 11)
  ]
  return [(sorted(pane.value[1]), PaneInfoTiming.to_string(pane.pane_info.timing), pane.pane_info.is_last)
          for pane in driver.process_entire_key('k', elements)]


class PanesTest(unittest.TestCase):
  def test_a_rest_smaller_than_the_count_comes_out_when_the_window_is_over(self) -> None:
    self.assertEqual(
        panes_of(T.Repeatedly(T.AfterCount(3))), [([1, 2, 3], 'EARLY', False), ([11], 'ON_TIME', True)])

  def test_a_rest_in_windows_that_merged(self) -> None:
    self.assertEqual(
        panes_of(T.Repeatedly(T.AfterCount(9)), windows=Sessions(5)),
        [([1, 2, 3], 'ON_TIME', True), ([11], 'ON_TIME', True)])

  def test_processing_time_does_not_pass_within_a_batch(self) -> None:
    whole = [([1, 2, 3], 'ON_TIME', True), ([11], 'ON_TIME', True)]
    self.assertEqual(panes_of(T.Repeatedly(T.AfterProcessingTime(5))), whole)
    self.assertEqual(panes_of(T.AfterWatermark(early=T.AfterProcessingTime(5))), whole)

  def test_never_is_when_the_window_is_over(self) -> None:
    self.assertEqual(panes_of(T._Never()), [([1, 2, 3], 'ON_TIME', True), ([11], 'ON_TIME', True)])

  def test_nothing_that_came_out_comes_out_again_as_a_rest(self) -> None:
    for mode in (T.AccumulationMode.DISCARDING, T.AccumulationMode.ACCUMULATING):
      self.assertEqual(
          panes_of(T.Always(), mode), [([1, 2, 3], 'EARLY', False), ([11], 'EARLY', False)])

  def test_early_and_on_time_panes_stay_as_they_are(self) -> None:
    early = T.AfterWatermark(early=T.AfterCount(2))
    self.assertEqual(
        panes_of(early, T.AccumulationMode.ACCUMULATING),
        [([1, 2, 3], 'EARLY', False), ([1, 2, 3], 'ON_TIME', True), ([11], 'ON_TIME', True)])


if __name__ == '__main__':
  unittest.main()
