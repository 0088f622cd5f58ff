# SPDX-License-Identifier: Apache-2.0
"""Timers of DoFns in Python."""

import apache_beam as beam
from apache_beam.transforms import userstate
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue


def keyed(pcoll):
  return pcoll | beam.Map(lambda x: ('k', x)).with_output_types(tuple[str, int])


class AtTheEnd(beam.DoFn):
  """Gives the sum of a window when it is over."""

  SUM = userstate.CombiningValueStateSpec('sum', sum)
  END = userstate.TimerSpec('end', TimeDomain.WATERMARK)

  def process(
      self,
      element,
      w=beam.DoFn.WindowParam,
      total=beam.DoFn.StateParam(SUM),
      end=beam.DoFn.TimerParam(END)):
    total.add(element[1])
    end.set(w.max_timestamp())

  @userstate.on_timer(END)
  def ended(
      self,
      key=beam.DoFn.KeyParam,
      t=beam.DoFn.TimestampParam,
      w=beam.DoFn.WindowParam,
      total=beam.DoFn.StateParam(SUM)):
    yield f'{key} {total.read()} at {t.micros // 1000} of {w.start.micros // 1000}'


def at_the_end(pcoll):
  return (
      pcoll
      | 'At' >> beam.Map(lambda x: TimestampedValue(x, x))
      | beam.WindowInto(FixedWindows(10))
      | 'Keyed' >> beam.Map(lambda x: ('k', x)).with_output_types(tuple[str, int])
      | beam.ParDo(AtTheEnd()).with_output_types(str)
      | 'Back' >> beam.WindowInto(GlobalWindows()))


class Tagged(beam.DoFn):
  """A family of timers with tags of its own; one is taken back."""

  EVENT = userstate.TimerSpec('event', TimeDomain.WATERMARK)

  def process(self, element, event=beam.DoFn.TimerParam(EVENT)):
    event.set(element[1], dynamic_timer_tag=f'tag{element[1]}')
    event.set(50, dynamic_timer_tag='taken back')
    event.clear(dynamic_timer_tag='taken back')

  @userstate.on_timer(EVENT)
  def fired(self, tag=beam.DoFn.DynamicTimerTagParam, t=beam.DoFn.TimestampParam):
    yield f'{tag} at {t.micros // 1000}'


def tagged(pcoll):
  return keyed(pcoll) | beam.ParDo(Tagged()).with_output_types(str)


class Clock(beam.DoFn):
  """A timer in processing time."""

  CLOCK = userstate.TimerSpec('clock', TimeDomain.REAL_TIME)

  def process(self, element, clock=beam.DoFn.TimerParam(CLOCK)):
    clock.set(element[1])

  @userstate.on_timer(CLOCK)
  def fired(self, key=beam.DoFn.KeyParam):
    yield f'{key} fired'


def clock(pcoll):
  return keyed(pcoll) | beam.ParDo(Clock()).with_output_types(str)


class Loop(beam.DoFn):
  """A timer that sets itself again."""

  COUNT = userstate.CombiningValueStateSpec('count', sum)
  TICK = userstate.TimerSpec('tick', TimeDomain.WATERMARK)

  def process(self, element, tick=beam.DoFn.TimerParam(TICK)):
    tick.set(element[1])

  @userstate.on_timer(TICK)
  def ticked(
      self,
      t=beam.DoFn.TimestampParam,
      count=beam.DoFn.StateParam(COUNT),
      tick=beam.DoFn.TimerParam(TICK)):
    count.add(1)
    yield f'tick {count.read()} at {t.micros // 1000}'
    if count.read() < 3:
      tick.set(t + 10)


def loop(pcoll):
  return keyed(pcoll) | beam.ParDo(Loop()).with_output_types(str)


class Withdrawn(beam.DoFn):
  """A timer that a later element takes back."""

  EVENT = userstate.TimerSpec('event', TimeDomain.WATERMARK)

  def process(self, element, event=beam.DoFn.TimerParam(EVENT)):
    if element[1] > 0:
      event.set(element[1])
    else:
      event.clear()
    yield f'saw {element[1]}'

  @userstate.on_timer(EVENT)
  def fired(self):
    yield 'fired'


def withdrawn(pcoll):
  return keyed(pcoll) | beam.ParDo(Withdrawn()).with_output_types(str)
