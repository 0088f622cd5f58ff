// SPDX-License-Identifier: Apache-2.0
import { CODERS } from './arbitraries.ts';
import { testCoder } from './properties.ts';

for (const coder of CODERS) testCoder(coder);
