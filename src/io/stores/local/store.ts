// SPDX-License-Identifier: Apache-2.0
// The file system as a store.

import { resolve, sep } from 'node:path';
import type { Store } from '../store.ts';
import { findLocal } from './find.ts';
import { lookLocal, openLocal } from './open.ts';
import { localOutputs } from './outputs.ts';
import { localPath } from './path.ts';

export const localStore: Store = {
  pathOf: localPath,
  absolute: (prefix) => resolve(prefix) + (/[\\/]$/.test(prefix) ? sep : ''),
  find: findLocal,
  look: lookLocal,
  open: openLocal,
  outputs: localOutputs,
};
