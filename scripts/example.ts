// SPDX-License-Identifier: Apache-2.0
// `npm run example -- NAME [--flag=value …]` runs examples/NAME.ts with those flags.

import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = resolve(import.meta.dirname, '../examples');
const [name = '', ...flags] = process.argv.slice(2);
const file = join(folder, `${name}.ts`);
if (!/^[\w-]+$/.test(name) || !existsSync(file)) {
  const names = readdirSync(folder)
    .filter((f) => f.endsWith('.ts'))
    .map((f) => f.slice(0, -3));
  console.error(
    `usage: npm run example -- NAME [--flag=value …]\n  NAME is one of: ${names.join(', ')}`,
  );
  process.exit(1);
}
process.argv = [process.argv[0]!, file, ...flags];
await import(pathToFileURL(file).href);
