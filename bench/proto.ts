// SPDX-License-Identifier: Apache-2.0
// Which protobuf library should carry the data plane? Encodes and decodes the messages that a
// bundle is made of with @bufbuild/protobuf (what src/proto uses) and with protobufjs.

import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import protobuf from 'protobufjs';
import { Bench } from 'tinybench';
import { fn } from '../src/proto/index.ts';
import type { Table } from './support/table.ts';

/** Messages by what they stand for; bytes fields hold what a bundle of digits would. */
const shapes = {
  'one element stream of 512 KB': [512 * 1024],
  'a hundred streams of 1 KB': Array.from({ length: 100 }, () => 1024),
};

export async function run(): Promise<Table> {
  const root = new protobuf.Root();
  const here = import.meta.dirname;
  // protobufjs carries google's own files; the others lie in proto/.
  root.resolvePath = (_origin, target) =>
    target.startsWith('google/')
      ? join(here, '../node_modules/protobufjs', target)
      : join(here, '../proto', target.split('/').at(-1)!);
  root.loadSync('fn_execution.proto', { keepCase: true });
  const peer = root.lookupType('org.apache.beam.model.fn_execution.v1.Elements');
  const rows: string[][] = [];
  for (const [name, sizes] of Object.entries(shapes)) {
    const data = sizes.map((size, i) => ({
      instructionId: `bundle-${i}`,
      transformId: 'read',
      data: Buffer.alloc(size, i),
      isLast: false,
    }));
    const ours = create(fn.ElementsSchema, { data });
    const theirs = peer.create({
      data: data.map((d) => ({
        instruction_id: d.instructionId,
        transform_id: d.transformId,
        data: d.data,
      })),
    });
    const encoded = toBinary(fn.ElementsSchema, ours);
    const bench = new Bench({ time: 500 });
    bench
      .add('@bufbuild/protobuf encode', () => void toBinary(fn.ElementsSchema, ours))
      .add('protobufjs encode', () => void peer.encode(theirs).finish())
      .add('@bufbuild/protobuf decode', () => void fromBinary(fn.ElementsSchema, encoded))
      .add('protobufjs decode', () => void peer.decode(encoded));
    await bench.run();
    for (const task of bench.tasks) {
      const hertz = task.result.state === 'completed' ? task.result.throughput.mean : Number.NaN;
      rows.push([
        name,
        task.name,
        `${(1e6 / hertz).toFixed(1)} µs`,
        `${((hertz * encoded.length) / 1e6).toFixed(0)} MB/s`,
      ]);
    }
  }
  return {
    title: 'protobuf libraries on the data plane',
    head: ['message', 'task', 'time', 'throughput'],
    rows,
  };
}
