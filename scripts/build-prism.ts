// SPDX-License-Identifier: Apache-2.0
// Builds Prism into the cache, where tests look for it, unless there is one.

import { findPrism } from '../src/services/index.ts';

console.log(`Prism is at ${await findPrism()}`);
