// SPDX-License-Identifier: Apache-2.0
// The table of rooms as a rule: a room imports only what its row allows, and what those rooms may
// import in turn. A type-only import counts too.

const rooms = {
  base: [],
  proto: [],
  coders: ['proto'],
  schema: ['proto', 'coders'],
  pipeline: ['coders', 'schema'],
  transforms: ['pipeline'],
  services: [],
  external: ['pipeline', 'services'],
  ml: ['external', 'transforms', 'io'],
  io: ['transforms', 'external'],
  harness: ['coders', 'transforms'],
  worker: ['harness', 'services'],
  runners: ['worker', 'harness', 'external', 'services'],
  testing: ['runners', 'ml'],
  cli: ['testing', 'io', 'ml'],
};

function reachable(room, seen = new Set(['base', room])) {
  for (const next of rooms[room]) {
    if (!seen.has(next)) reachable(next, seen.add(next));
  }
  return [...seen];
}

module.exports = {
  forbidden: [
    ...Object.keys(rooms).map((room) => ({
      name: `room-${room}`,
      comment: `src/${room} may import only: ${reachable(room).join(', ')}`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${reachable(room).join('|')})/` },
    })),
    {
      name: 'through-the-door',
      comment: "another room's files are imported through its index.ts",
      severity: 'error',
      from: { path: '^src/([^/]+)/' },
      to: { path: '^src/[^/]+/', pathNot: '^src/$1/|^src/[^/]+/index\\.ts$' },
    },
    {
      name: 'ml-batches-know-no-model',
      comment: 'what packs, updates and fails knows nothing of where a model runs',
      severity: 'error',
      from: { path: '^src/ml/(packing|updates|failures)/' },
      to: { path: '^src/ml/', pathNot: '^src/ml/(packing|updates|failures)/' },
    },
    {
      name: 'ml-failures-alone',
      comment: 'src/ml/failures imports no other room of src/ml',
      severity: 'error',
      from: { path: '^src/ml/failures/' },
      to: { path: '^src/ml/', pathNot: '^src/ml/failures/' },
    },
    {
      name: 'ml-two-places',
      comment: 'a model runs in Python or in this process: neither room knows the other',
      severity: 'error',
      from: { path: '^src/ml/(python|local)/' },
      to: { path: '^src/ml/(python|local)/', pathNot: '^src/ml/$1/' },
    },
    {
      name: 'one-place-spawns',
      comment: 'only src/services starts processes',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/services/' },
      to: { path: '^(node:)?child_process$|node_modules/execa' },
    },
    {
      name: 'engine-without-grpc',
      comment: 'the engine of the node runner knows bytes, windows and time, and no gRPC',
      severity: 'error',
      from: { path: '^src/runners/node/engine/' },
      to: { path: 'node_modules/@grpc' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types'] },
  },
};
