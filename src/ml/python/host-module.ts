// SPDX-License-Identifier: Apache-2.0
// How a Python process finds our side of RunInference: the managed host has it, any other expansion
// service is sent its source.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PYTHON_ENV_FOLDER } from '../../services/index.ts';

/** What the managed host expands. */
export const RUN_INFERENCE = 'beambridge_host.inference.inference.run_inference';

/** The rooms whose modules are sent: packages, whose own file holds no more than what they are for. */
const ROOMS = ['worker', 'wire', 'inference', 'handlers'];

/** Modules in the order in which they import one another. */
export const MODULES = [
  'credentials',
  'errors',
  'worker.failures',
  'worker.keeping',
  'wire.field_names',
  'wire.tensors',
  'wire.coded',
  'wire.unconverted',
  'wire.misfit',
  'wire.exact_numbers',
  'wire.instants',
  'wire.columns',
  'wire.route_keys',
  'wire.map_entries',
  'wire.conversions',
  'wire.fitted_columns',
  'wire.frames',
  'wire.owned',
  'wire.several',
  'wire.outputs',
  'wire.predictions',
  'wire.typed_arrays',
  'wire.examples',
  'wire.arrays',
  'wire.casting',
  'wire.fitting',
  'inference.damage',
  'inference.model_files',
  'inference.calls',
  'inference.models',
  'inference.pace',
  'inference.remote_failures',
  'inference.remote',
  'inference.providers',
  'wire.row_forms',
  'wire.content',
  'wire.row_order',
  'wire.results',
  'worker.threads',
  'worker.variables',
  'inference.batching',
  'inference.metrics',
  'inference.handler_state',
  'inference.handlers_of_one',
  'inference.kept_files',
  'inference.model_cache',
  'inference.options',
  'wire.packed',
  'inference.scoring',
  'inference.hopeless',
  'inference.dead_letters',
  'inference.inference',
];

const sources = new Map<string | undefined, string>();

/**
 * Python source text of a function like {@link RUN_INFERENCE} that needs nothing but Beam. The
 * modules are pickled by value, so that workers need them neither.
 *
 * @param handler - name of the module below `beambridge_host.handlers` that is needed, if any
 */
export function runInferenceSource(handler?: string): string {
  const source = sources.get(handler) ?? bootstrap(handler);
  sources.set(handler, source);
  return source;
}

function bootstrap(handler: string | undefined): string {
  const read = (file: string) =>
    readFileSync(join(PYTHON_ENV_FOLDER, 'beambridge_host', file), 'utf8');
  const names = handler ? [...MODULES, `handlers.${handler}`] : MODULES;
  const modules = Object.fromEntries([
    ...ROOMS.map((room) => [room, read(`${room}/__init__.py`)]),
    ...names.map((name) => [name, read(`${name.replaceAll('.', '/')}.py`)]),
  ]);
  // JSON twice: a Python string literal on one line, which Beam's loader leaves alone.
  const literal = JSON.stringify(JSON.stringify(modules));
  return `
import importlib
import json
import sys
import types
from apache_beam.internal.cloudpickle import cloudpickle
SOURCES = json.loads(${literal})
def install():
  package = sys.modules.setdefault('beambridge_host', types.ModuleType('beambridge_host'))
  package.__path__ = getattr(package, '__path__', [])
  for name, text in SOURCES.items():
    full = 'beambridge_host.' + name
    if full not in sys.modules:
      module = types.ModuleType(full)
      if name in ${JSON.stringify(ROOMS)}:
        module.__path__ = []
      sys.modules[full] = module
      exec(compile(text, full, 'exec'), module.__dict__)
      parent, _, last = full.rpartition('.')
      setattr(sys.modules[parent], last, module)
      cloudpickle.register_pickle_by_value(module)
def run_inference(**kwargs):
  install()
  return importlib.import_module('beambridge_host.inference.inference').run_inference(**kwargs)
`;
}
