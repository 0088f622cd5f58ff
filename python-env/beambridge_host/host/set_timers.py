# SPDX-License-Identifier: Apache-2.0
"""Which timers are set, over all bundles of a stage, and when they may fire.

Beam's runner fires what each bundle has set. So a timer that was set by two bundles, as where a splittable
DoFn in front of it gives its outputs in several turns, fired twice, and one that a later bundle took back
fired all the same. By Beam's model a timer of one key, window and tag is one timer: setting it again
replaces it. They fire in the order of their times, not in that in which they were set. And timers of event
time fired together with what was left of a bundle's elements, which come first.
"""

from typing import Any

from apache_beam.runners.portability.fn_api_runner import execution, translations


class SetTimers:
  """Timers of one job that are set and have not fired."""

  def __init__(self) -> None:
    self._times: dict[Any, Any] = {}

  def written(self, manager: Any) -> None:
    """Takes note of what a bundle has set and cleared, in its order."""
    for transform_id, family in manager.stage.timers:
      buffer = manager.get_buffer(translations.create_buffer_id(family, kind='timers'), transform_id)
      if buffer.cleared:
        continue
      for timer in _timers(buffer, manager, transform_id, family):
        name = _name(manager, transform_id, family, timer)
        if timer.clear_bit:
          self._times.pop(name, None)
        else:
          self._times[name] = _times(timer)

  def still_set(self, manager: Any, fired: Any) -> dict[Any, Any]:
    """Of timers that are about to fire those that nothing has replaced or taken back; they are set no more."""
    return {(transform_id, family): self._still_set(manager, transform_id, family, buffer)
            for (transform_id, family), buffer in fired.items()}

  def _still_set(self, manager: Any, transform_id: str, family: str, buffer: Any) -> Any:
    coder = manager.get_timer_coder_impl(transform_id, family)
    kept = []
    for timer in _timers(buffer, manager, transform_id, family):
      name = _name(manager, transform_id, family, timer)
      if self._times.get(name) == _times(timer):
        del self._times[name]
        kept.append(timer)
    # What an earlier one does may take a later one back.
    kept.sort(key=lambda timer: timer.fire_timestamp)
    left = execution.ListBuffer(coder_impl=coder)
    if kept:
      left.append(coder.encode_all(kept))
    return left


def _timers(buffer: Any, manager: Any, transform_id: str, family: str) -> Any:
  coder = manager.get_timer_coder_impl(transform_id, family)
  for chunk in buffer:
    yield from coder.decode_all(chunk)


def _name(manager: Any, transform_id: str, family: str, timer: Any) -> Any:
  # Keys are equal when their bytes are, NaN among them; a timer that is cleared is its key, tag and window alone.
  coder = manager.get_timer_coder_impl(transform_id, family)
  return transform_id, family, coder.encode(timer._replace(clear_bit=True))


def _times(timer: Any) -> Any:
  return timer.fire_timestamp, timer.hold_timestamp
