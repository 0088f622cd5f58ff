# SPDX-License-Identifier: Apache-2.0
"""Triggers of batch jobs, so that no element is lost and no trigger fails.

Beam's runner groups all elements of a key at once and then lets the watermark pass. What a trigger
has not fired by then (a rest of fewer elements than a count asks for) it drops, although Beam's model
says that it comes out when the window is over; and it has no clock, so that a trigger which waits
for processing time raises. Beam offers no place to hook in, hence the replaced function.
"""

from typing import Any, Iterator

from apache_beam.transforms import trigger
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

_create_trigger_driver = trigger.create_trigger_driver


class _Clock:
  """Processing time stands still: a batch's input has ended before any delay is over."""

  def time(self) -> Timestamp:
    return Timestamp(0)


class BatchTriggerDriver(trigger.GeneralTriggerDriver):
  """The panes of one key whose elements are all there."""

  def process_entire_key(self, key: Any, windowed_values: Any) -> Iterator[Any]:
    for pane in self._panes(windowed_values):
      yield pane.with_value((key, pane.value))

  def _panes(self, windowed_values: Any) -> Iterator[Any]:
    state = trigger.InMemoryUnmergedState()
    yield from self.process_elements(state, windowed_values, MIN_TIMESTAMP, MIN_TIMESTAMP)
    while True:
      fired, _ = state.get_timers(clear=True, watermark=MAX_TIMESTAMP, processing_time=MIN_TIMESTAMP)
      if not fired:
        break
      for window, (name, domain, timestamp, _) in fired:
        yield from self.process_timer(window, name, domain, timestamp, state)
    yield from self._rest(trigger.MergeableStateAdapter(state))

  def _rest(self, state: Any) -> Iterator[Any]:
    """Windows that are over without a pane: all elements came before the first could fire."""
    for window in list(state.known_windows()):
      if state.get_state(window, self.TOMBSTONE) or state.get_state(window, self.INDEX):
        continue
      if state.get_state(window, self.ELEMENTS):
        yield self._output(window, True, state, MAX_TIMESTAMP, True)


def _batch_aware(windowing: Any, is_batch: bool = False, phased_combine_fn: Any = None, clock: Any = None) -> Any:
  driver = _create_trigger_driver(windowing, is_batch, phased_combine_fn, clock)
  if is_batch and type(driver) is trigger.GeneralTriggerDriver:
    return BatchTriggerDriver(windowing, _Clock())
  return driver


def install() -> None:
  """Lets every batch runner of this process group with BatchTriggerDriver."""
  trigger.create_trigger_driver = _batch_aware
