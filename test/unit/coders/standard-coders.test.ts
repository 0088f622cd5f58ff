// SPDX-License-Identifier: Apache-2.0
// Beam's own conformance data: every case of standard_coders.yaml, decoded and encoded.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, describe, test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { BeamBridgeError } from '../../../src/base/index.ts';
import {
  type Coder,
  type CoderSpec,
  coderFromSpec,
  decodeValue,
  encodeValue,
  RowCoder,
  type RowFieldsType,
  StateBackedIterable,
  type StateReader,
} from '../../../src/coders/index.ts';
import { toBytes, toValue, widened } from './yaml-values.ts';

interface YamlCoder {
  urn: string;
  payload?: string;
  components?: YamlCoder[];
  non_deterministic?: boolean;
  state?: Record<string, string>;
}

interface Section {
  coder: YamlCoder;
  nested?: boolean;
  examples: Map<string, unknown>;
}

const file = new URL('../../fixtures/standard_coders.yaml', import.meta.url);
const sections = parseAllDocuments(readFileSync(file, 'utf8'), {
  intAsBigInt: true,
  uniqueKeys: true,
})
  .map((document) => document.toJS({ mapAsMap: true }) as Map<string, unknown> | null)
  .filter((section) => section !== null)
  .map((section) => {
    const examples = section.get('examples') as Map<string, unknown>;
    return { ...(plain(section) as Omit<Section, 'examples'>), examples };
  });

/** Maps of the parser as objects: all but the examples, whose keys are bytes. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!(value instanceof Map)) return value;
  return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
}

function specOf(coder: YamlCoder, reader?: StateReader): CoderSpec {
  return {
    urn: coder.urn,
    ...(coder.payload === undefined ? {} : { payload: toBytes(coder.payload) }),
    components: (coder.components ?? []).map((part) => coderOf(part, reader)),
  };
}

function coderOf(coder: YamlCoder, reader?: StateReader): Coder<unknown> {
  return coderFromSpec(specOf(coder, reader), { readState: reader });
}

/** What the runner's state holds, in chunks of one byte: values may be cut anywhere. */
function readerOf(state: Record<string, string>): StateReader {
  return async function* read(token) {
    const bytes = toBytes(state[Buffer.from(token).toString()]!);
    for (const byte of bytes) yield new Uint8Array([byte]);
  };
}

let cases = 0;
after(() => console.log(`standard_coders.yaml: ${cases} cases in ${sections.length} sections`));

for (const [number, section] of sections.entries()) {
  const { coder: yaml } = section;
  const { state } = yaml;
  const contexts = section.nested === undefined ? [false, true] : [section.nested];
  describe(`${number} ${yaml.urn}`, () => {
    for (const nested of contexts) {
      for (const [encoded, json] of section.examples) {
        cases++;
        test(`${nested ? 'nested' : 'outer'} ${JSON.stringify(encoded).slice(0, 60)}`, async () => {
          const bytes = toBytes(encoded);
          const coder = widened(coderOf(yaml, state && readerOf(state)), json);
          const expected = toValue(coder, json);
          const decoded = decodeValue(coder, bytes, nested);
          assert.deepEqual(await settle(decoded), expected);
          if (!yaml.non_deterministic) {
            assert.deepEqual(encodeValue(coder, expected, nested), Buffer.from(bytes));
          }
          assert.deepEqual(encodeValue(coder, decoded, nested).length > 0, bytes.length > 0);
        });
      }
    }
  });
}

/** A decoded value with all values of its iterables fetched. */
async function settle(value: unknown): Promise<unknown> {
  if (!(value instanceof StateBackedIterable)) return value;
  const values: unknown[] = [];
  for await (const element of value) values.push(element);
  return values;
}

test('an int64 outside the safe range is refused unless bigint was asked for', () => {
  const section = sections.find(({ examples }) =>
    [...examples.keys()].some((key) => key.includes('bar\x01\xff')),
  )!;
  const [encoded] = [...section.examples.keys()].filter((key) => key.includes('bar\x01\xff'));
  const coder = coderOf(section.coder);
  assert.throws(
    () => decodeValue(coder, toBytes(encoded!)),
    (error) => error instanceof BeamBridgeError && error.code === 'INT64_OUT_OF_RANGE',
  );
});

test('a row coder gives back the schema that it came from, byte for byte', () => {
  for (const { coder } of sections.filter(({ coder }) => coder.urn === 'beam:coder:row:v1')) {
    assert.deepEqual(coderOf(coder).spec().payload, toBytes(coder.payload!));
    const copy: RowFieldsType = (coderOf(coder) as RowCoder).type;
    assert.deepEqual(new RowCoder(copy).spec().payload, toBytes(coder.payload!));
  }
});
