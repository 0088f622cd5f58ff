# SPDX-License-Identifier: Apache-2.0
"""Timers by transform and family.

Beam's runner keeps the timers that a bundle set by the name of their family alone. So two DoFns of one
pipeline whose timers have one name took each other's: the first one's timers fired in the second.
"""

from typing import Any

from apache_beam.runners.portability.fn_api_runner import execution

_get_buffer = execution.BundleContextManager.get_buffer


def _buffer(self: Any, buffer_id: bytes, transform_id: str) -> Any:
  kind, family = execution.split_buffer_id(buffer_id)
  if kind != 'timers':
    return _get_buffer(self, buffer_id, transform_id)
  buffers = self.execution_context.timer_buffers
  key = (buffer_id, transform_id)
  if key not in buffers:
    buffers[key] = execution.ListBuffer(self.get_timer_coder_impl(transform_id, family))
  return buffers[key]


def install() -> None:
  """Lets the runners of this process keep them apart."""
  execution.BundleContextManager.get_buffer = _buffer
