# SPDX-License-Identifier: Apache-2.0
"""Side inputs of DoFns in Python, of each kind, and matched by window."""

import apache_beam as beam
from apache_beam.pvalue import AsDict, AsIter, AsList, AsMultiMap, AsSingleton
from apache_beam.transforms import window
from apache_beam.transforms.window import TimestampedValue


def kinds(pcolls):
  main, side = pcolls['main'], pcolls['side']
  pairs = side | 'Pair' >> beam.Map(lambda x: (f'k{x % 2}', x)).with_output_types(tuple[str, int])
  unique = side | 'Unique' >> beam.Map(lambda x: (str(x), x)).with_output_types(tuple[str, int])
  total = side | beam.CombineGlobally(sum)
  none = side | beam.Filter(lambda x: False)

  def look(x, a_list, an_iter, a_dict, a_multimap, a_singleton, a_default):
    yield f'list {sorted(a_list)}'
    yield f'iter {sum(an_iter)} {sum(an_iter)}'
    yield f'dict {sorted(a_dict.items())}'
    yield f'multimap {sorted(a_multimap["k1"])} {sorted(a_multimap["none"])}'
    yield f'singleton {a_singleton + x}'
    yield f'default {a_default}'

  return main | beam.FlatMap(
      look, AsList(side), AsIter(side), AsDict(unique), AsMultiMap(pairs), AsSingleton(total),
      AsSingleton(none, 'nothing')).with_output_types(str)


def by_window(pcolls):
  def windowed(name, windows):
    return (
        pcolls[name]
        | f'At{name}' >> beam.Map(lambda x: TimestampedValue(x, x))
        | f'Into{name}' >> beam.WindowInto(windows))

  main = windowed('main', window.FixedWindows(5))
  side = windowed('side', window.FixedWindows(10))
  pairs = side | beam.Map(lambda x: ('k', x)).with_output_types(tuple[str, int])
  return (
      main
      | beam.Map(
          lambda x, listed, mapped: f'{x}: {sorted(listed)} {sorted(mapped["k"])}', AsList(side),
          AsMultiMap(pairs)).with_output_types(str)
      | beam.WindowInto(window.GlobalWindows()))


def many_keys(pcolls):
  pairs = pcolls['side'] | beam.FlatMap(
      lambda x: [(i, i * x) for i in range(1000)]).with_output_types(tuple[int, int])
  return pcolls['main'] | beam.Map(lambda x, m: f'{sorted(m[x])} {sorted(m[999])}',
                                   AsMultiMap(pairs)).with_output_types(str)
