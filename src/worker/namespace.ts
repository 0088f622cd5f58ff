// SPDX-License-Identifier: Apache-2.0
// The exports of a module before its code has run to the end, which `import()` waits for: a program that
// awaits a run at its top level does not come to its end while the run lasts. A namespace exists once a
// module is linked. Here it is had by a module (`first`) that is evaluated before the one asked for, since
// it is in a cycle with one that imports it (`both`): functions can be called before their module's code runs.

import { rmSync } from 'node:fs';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The exports of a module. What its code has not come to yet throws a ReferenceError when it is read. */
export type Namespace = Readonly<Record<string, unknown>>;

/** A module that is being loaded, or was. */
export interface Loading {
  /** Resolves as soon as the module is linked; rejects when it cannot be. */
  readonly linked: Promise<Namespace>;
  /** Resolves once all of the module's code has run; rejects with what it threw. */
  readonly loaded: Promise<void>;
}

const RECEIVERS = Symbol.for('beambridge.namespaces');
type Receivers = Map<string, (namespace: Namespace) => void>;

/** Loads a module, or finds the one that is loaded or being loaded already. */
export function loadModule(moduleUrl: string): Loading {
  let loaded!: Promise<void>;
  const linked = new Promise<Namespace>((resolve, reject) => {
    loaded = importBoth(moduleUrl, resolve);
    loaded.catch(reject);
  });
  linked.catch(() => {});
  return { linked, loaded };
}

async function importBoth(moduleUrl: string, receive: (found: Namespace) => void): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'beambridge-load-'));
  const both = join(folder, 'both.mjs');
  // Once the module is linked its text was read, and how long its code runs is the module's affair.
  // It may end the process, so nothing is put off.
  const forget = () => {
    receivers().delete(folder);
    rmSync(folder, { recursive: true, force: true });
  };
  receivers().set(folder, (found) => {
    receive(found);
    forget();
  });
  try {
    await writeFile(
      both,
      `import './first.mjs';\nimport * as found from ${JSON.stringify(moduleUrl)};\nexport function namespace() { return found; }\n`,
    );
    await writeFile(
      join(folder, 'first.mjs'),
      `import { namespace } from './both.mjs';\nglobalThis[Symbol.for('beambridge.namespaces')].get(${JSON.stringify(folder)})(namespace());\n`,
    );
    await import(pathToFileURL(both).href);
  } finally {
    forget();
  }
}

function receivers(): Receivers {
  const all = globalThis as { [RECEIVERS]?: Receivers };
  all[RECEIVERS] ??= new Map();
  return all[RECEIVERS];
}

/** The names of a namespace, and what they stand for as far as the module's code has come. */
export function exportsSoFar(namespace: Namespace): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const name of Object.getOwnPropertyNames(namespace)) {
    try {
      found.set(name, namespace[name]);
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
    }
  }
  return found;
}
