// SPDX-License-Identifier: Apache-2.0
// How a Python process finds our side of RunInference: the managed host has it, any other expansion
// service is sent its source.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PYTHON_ENV_FOLDER } from '../services/index.ts';

/** What the managed host expands. */
export const RUN_INFERENCE = 'beambridge_host.inference.run_inference';

/** Modules in the order in which they import one another. */
const MODULES = [
  'errors',
  'columns',
  'misfit',
  'predictions',
  'examples',
  'models',
  'packed',
  'dead_letters',
  'inference',
];

let source: string | undefined;

/**
 * Python source text of a function like {@link RUN_INFERENCE} that needs nothing but Beam. The
 * modules are pickled by value, so that workers need them neither.
 */
export function runInferenceSource(): string {
  source ??= bootstrap();
  return source;
}

function bootstrap(): string {
  const sources = Object.fromEntries(
    MODULES.map((name) => [
      name,
      readFileSync(join(PYTHON_ENV_FOLDER, 'beambridge_host', `${name}.py`), 'utf8'),
    ]),
  );
  // JSON twice: a Python string literal on one line, which Beam's loader leaves alone.
  const literal = JSON.stringify(JSON.stringify(sources));
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
      sys.modules[full] = module
      exec(compile(text, full, 'exec'), module.__dict__)
      setattr(package, name, module)
      cloudpickle.register_pickle_by_value(module)
def run_inference(**kwargs):
  install()
  return importlib.import_module('beambridge_host.inference').run_inference(**kwargs)
`;
}
