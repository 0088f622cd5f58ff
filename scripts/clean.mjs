// SPDX-License-Identifier: Apache-2.0
// Removes what the build makes, so that no stale file is packed.
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';

rmSync(resolve(import.meta.dirname, '../dist'), { recursive: true, force: true });
