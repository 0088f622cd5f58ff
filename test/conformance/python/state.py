# SPDX-License-Identifier: Apache-2.0
"""State of DoFns in Python: every kind that Python's SDK has."""

import apache_beam as beam
from apache_beam.coders import StrUtf8Coder, VarIntCoder
from apache_beam.transforms import userstate
from apache_beam.transforms.window import FixedWindows, GlobalWindows, TimestampedValue
from apache_beam.utils.timestamp import Timestamp


class Everything(beam.DoFn):
  """Keeps what it sees of a key in each kind of state, and tells it at the third element."""

  BAG = userstate.BagStateSpec('bag', VarIntCoder())
  LAST = userstate.ReadModifyWriteStateSpec('last', VarIntCoder())
  SUM = userstate.CombiningValueStateSpec('sum', sum)
  KNOWN = userstate.SetStateSpec('known', StrUtf8Coder())
  ORDERED = userstate.OrderedListStateSpec('ordered', VarIntCoder())

  def process(
      self,
      element,
      bag=beam.DoFn.StateParam(BAG),
      last=beam.DoFn.StateParam(LAST),
      total=beam.DoFn.StateParam(SUM),
      known=beam.DoFn.StateParam(KNOWN),
      ordered=beam.DoFn.StateParam(ORDERED)):
    key, value = element
    before = last.read()
    bag.add(value)
    last.write(value)
    total.add(value)
    known.add(str(value % 2))
    ordered.add((Timestamp(100 - value), value))
    seen = sorted(bag.read())
    if len(seen) == 3:
      assert before in seen and last.read() == value
      listed = [v for _, v in ordered.read()]
      part = [v for _, v in ordered.read_range(Timestamp(97), Timestamp(99))]
      yield f'{key} {seen} {total.read()} {sorted(known.read())} {listed} {part}'
      ordered.clear_range(Timestamp(97), Timestamp(98))
      for state in (bag, last, total, known):
        state.clear()
      left = [v for _, v in ordered.read()]
      yield f'{key} then {list(bag.read())} {last.read()} {total.read()} {left}'
      ordered.clear()


def everything(pcoll):
  return (
      pcoll
      | beam.Map(lambda x: ('even' if x % 2 == 0 else 'odd', x)).with_output_types(tuple[str, int])
      | beam.ParDo(Everything()).with_output_types(str))


class Numbered(beam.DoFn):
  COUNT = userstate.CombiningValueStateSpec('count', sum)

  def process(self, element, count=beam.DoFn.StateParam(COUNT)):
    count.add(1)
    yield f'{element[0]} {count.read()}'


def by_window(pcoll):
  return (
      pcoll
      | beam.Map(lambda x: TimestampedValue(('k', x), x)).with_output_types(tuple[str, int])
      | beam.WindowInto(FixedWindows(10))
      | beam.ParDo(Numbered()).with_output_types(str)
      | 'Back' >> beam.WindowInto(GlobalWindows()))


def numbered(pcoll):
  return (
      pcoll
      | beam.Map(lambda x: ('k', x)).with_output_types(tuple[str, int])
      | beam.ParDo(Numbered()).with_output_types(str))


class Later(beam.DoFn):
  """An ordered list that several bundles see."""

  ORDERED = userstate.OrderedListStateSpec('ordered', VarIntCoder())

  def process(self, element, ordered=beam.DoFn.StateParam(ORDERED)):
    value = element[1]
    yield ' '.join(f'{t.micros // 1_000_000}:{v}' for t, v in ordered.read())
    if value == 0:
      ordered.clear_range(Timestamp(2), Timestamp(4))
    ordered.add((Timestamp(value), value))
    if value == 9:
      ordered.clear()


def later(pcoll):
  return (
      pcoll
      | beam.Map(lambda x: ('k', x)).with_output_types(tuple[str, int])
      | beam.ParDo(Later()).with_output_types(str))
