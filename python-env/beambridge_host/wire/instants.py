# SPDX-License-Identifier: Apache-2.0
"""Times of Python as Beam has them, and what a declared instant holds of them: nothing is cut off."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import datetime
from typing import Any, Callable

from apache_beam.utils.timestamp import Timestamp

from beambridge_host.wire.exact_numbers import is_null, is_time
from beambridge_host.wire.misfit import Misfit

# By logical type, how many microseconds its step has.
INSTANTS = {'beam:logical_type:millis_instant:v1': 1000, 'beam:logical_type:micros_instant:v1': 1}

# Microseconds from 1970 that a Date of TypeScript reaches, either way.
_MOST_OF_DATE = 864 * 10**16


def instant(step: int, declared: str) -> Callable[[Any], Timestamp]:
  """A function that gives a time as a Timestamp in whole steps of so many microseconds, or raises Misfit."""

  def convert(value: Any) -> Timestamp:
    if is_null(value):
      raise Misfit(value, declared, 'it is no time')
    if is_time(value):
      raise Misfit(value, declared, "numpy's times say no time zone: give pandas.Timestamp(value, tz='UTC')")
    if isinstance(value, datetime.datetime):
      # A zone that says nothing is none, and would be this machine's.
      if value.utcoffset() is None:
        raise Misfit(value, declared, 'it says no time zone, such as datetime.timezone.utc')
      # Those of pandas have them.
      if getattr(value, 'nanosecond', 0):
        raise Misfit(value, declared, 'its nanoseconds would be lost')
      try:
        time = Timestamp.from_utc_datetime(value.astimezone(datetime.timezone.utc))
      except OverflowError:
        raise Misfit(value, declared, 'it has no year from 1 to 9999 in UTC') from None
    elif isinstance(value, Timestamp):
      time = value
    else:
      raise Misfit(value, declared)
    try:
      micros = time.micros
    except ValueError as error:
      raise Misfit(value, declared, str(error)) from None
    if micros % step:
      raise Misfit(value, declared, 'its microseconds would be lost: declare microsInstant')
    if step == 1000 and abs(micros) > _MOST_OF_DATE:
      raise Misfit(value, declared, 'a Date of TypeScript does not reach that far')
    return time

  return convert
