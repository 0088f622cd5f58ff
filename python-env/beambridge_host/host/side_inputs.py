# SPDX-License-Identifier: Apache-2.0
"""Side inputs that come of several bundles.

Beam's runner writes what a side input has after each bundle of the stage that makes it, all of it each
time where nobody else reads it. So elements came twice, as of a step whose timers give some of them, and a
key of a map was there once for each bundle. Here what bundles gave is kept, and written once, when a
bundle that reads it begins: all of it is there then.
"""

from typing import Any

from apache_beam.runners.portability.fn_api_runner import execution

_Context = execution.FnApiRunnerExecutionContext
_write = _Context.commit_side_inputs_to_state


class _Made:
  """What a PCollection has had so far."""

  def __init__(self) -> None:
    self.chunks: list[bytes] = []
    self._buffer: Any = None
    self._taken = 0

  def take(self, buffer: Any) -> None:
    """Takes what is new. A buffer that others have taken is followed by another one."""
    if buffer is not self._buffer:
      self._buffer, self._taken = buffer, 0
    chunks = list(buffer)
    self.chunks.extend(chunks[self._taken:])
    self._taken = len(chunks)


class _Read:
  """How one transform reads it, and how much it was given."""

  def __init__(self, buffer_id: bytes, access: Any) -> None:
    self.buffer_id = buffer_id
    self.access = access
    self.written = 0


def _keep(self: Any, data_side_input: Any) -> None:
  made, reads = _state(self)
  for reader, (buffer_id, access) in data_side_input.items():
    reads.setdefault(reader, _Read(buffer_id, access))
  for buffer_id in {buffer_id for buffer_id, _ in data_side_input.values()}:
    if buffer_id in self.pcoll_buffers:
      made.setdefault(buffer_id, _Made()).take(self.pcoll_buffers[buffer_id])


def _state(context: Any) -> Any:
  if not hasattr(context, 'beambridge_side_inputs'):
    context.beambridge_side_inputs = ({}, {})
  return context.beambridge_side_inputs


def write(context: Any, stage: Any) -> None:
  """Writes the side inputs of a stage that is about to run."""
  made, reads = _state(context)
  names = {transform.unique_name for transform in stage.transforms}
  for reader, read in reads.items():
    if reader[0] not in names or read.buffer_id not in made:
      continue
    chunks = made[read.buffer_id].chunks
    new = chunks[read.written:]
    read.written = len(chunks)
    if not new:
      continue
    buffers = context.pcoll_buffers
    context.pcoll_buffers = {read.buffer_id: new}
    try:
      _write(context, {reader: (read.buffer_id, read.access)})
    finally:
      context.pcoll_buffers = buffers


def install() -> None:
  """Lets the runners of this process write each element once."""
  _Context.commit_side_inputs_to_state = _keep
