// SPDX-License-Identifier: Apache-2.0
// Writes the capability table of the conformance suite into docs/runners.md.

import { readFileSync, writeFileSync } from 'node:fs';
import { BEGIN, capabilityTable, END } from '../test/conformance/capability-table.ts';

const file = new URL('../docs/runners.md', import.meta.url);
const text = readFileSync(file, 'utf8');
const before = text.slice(0, text.indexOf(BEGIN) + BEGIN.length);
const after = text.slice(text.indexOf(END));
writeFileSync(file, `${before}\n${capabilityTable()}\n${after}`);
