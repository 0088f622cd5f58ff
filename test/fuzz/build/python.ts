// SPDX-License-Identifier: Apache-2.0
// Steps in Python between those in TypeScript.

import type { Coder } from '../../../src/coders/index.ts';
import { pythonCallable, pythonTransform } from '../../../src/external/index.ts';
import type { PCollection } from '../../../src/pipeline/index.ts';
import { coderOf, string } from '../../../src/schema/index.ts';
import { withSchema } from '../../../src/transforms/index.ts';
import { MAPS } from '../functions.ts';
import { becomesText } from '../model/python.ts';
import type { Facts } from '../plan.ts';
import type { Step } from '../program.ts';
import { schemaOf } from '../types.ts';

type Any = PCollection<unknown>;
type PythonStep = Extract<Step, { op: 'python' }>;

export function inPython(input: Any, { how }: PythonStep, before: Facts): Any {
  const isText = becomesText(how, before);
  const given = isText ? texts(input) : input;
  const coder = coderOf(isText ? string : schemaOf(before.type)!) as Coder<unknown>;
  switch (how) {
    case 'identity':
      return given.apply(call('apache_beam.Map', 'lambda x: x', coder));
    case 'keep':
      return given.apply(call('apache_beam.Filter', 'lambda x: True', coder));
    case 'change':
      return given.apply(call('apache_beam.Map', 'lambda s: s + "!"', coder));
    default:
      return given.apply(
        pythonTransform('__callable__', { source: SOURCES[how] }, undefined, { output: string }),
      );
  }
}

function texts(input: Any): Any {
  return input.map((value) => MAPS.text(value) as string).apply(withSchema(string)) as Any;
}

function call(transform: string, lambda: string, output: Coder<unknown>) {
  return pythonTransform(transform, [pythonCallable(lambda)], {}, { output });
}

const SOURCES = {
  // Two coders meet in a flatten.
  flatten: `
def flattened(pcoll):
  import apache_beam as beam
  a = pcoll | 'A' >> beam.Map(lambda s: {'word': s})
  b = pcoll | 'B' >> beam.Map(lambda s: {'length': len(s)})
  return (a, b) | beam.Flatten() | beam.Map(repr).with_output_types(str)
`,
  count: `
def counted(pcoll):
  import apache_beam as beam
  return (pcoll | beam.combiners.Count.PerElement()
          | beam.MapTuple(lambda s, n: f'{s}={n}').with_output_types(str))
`,
  coGroup: `
def co_grouped(pcoll):
  import apache_beam as beam
  def told(item):
    key, values = item
    return f"{key}: {'|'.join(sorted(values['a']))} {'|'.join(map(str, sorted(values['b'])))}"
  a = pcoll | 'A' >> beam.Map(lambda s: (len(s) % 2, s)).with_output_types(tuple[int, str])
  b = pcoll | 'B' >> beam.Map(lambda s: (len(s) % 2, len(s))).with_output_types(tuple[int, int])
  return ({'a': a, 'b': b} | beam.CoGroupByKey()
          | beam.Map(told).with_output_types(str))
`,
  side: `
def beside(pcoll):
  import apache_beam as beam
  return pcoll | beam.Map(
      lambda s, all: f'{s}/{len(all)}', beam.pvalue.AsList(pcoll)).with_output_types(str)
`,
} as const;
