// SPDX-License-Identifier: Apache-2.0
// Flags that every example takes, on top of its own: --runner, --jobEndpoint, --expansionService,
// and any other --name=value, which becomes a pipeline option.

import { parseArgs } from 'node:util';
import { createRunner, type PipelineOptions, type Runner } from 'beambridge';

/**
 * An example's own flags (with their defaults), and a runner made from all the others.
 *
 * @param options - the runner's, where no flag says otherwise
 */
export function exampleFlags<F extends Record<string, string>>(
  defaults: F,
  options: PipelineOptions = {},
): { flags: F; runner: Runner; expansionService: string | undefined } {
  const { values } = parseArgs({
    strict: false,
    options: Object.fromEntries(
      [...Object.keys(defaults), 'runner', 'jobEndpoint', 'expansionService'].map((name) => [
        name,
        { type: 'string' as const },
      ]),
    ),
  });
  const flags: Record<string, string> = { ...defaults };
  const others: Record<string, unknown> = { ...options };
  for (const [name, value] of Object.entries(values)) {
    if (name in defaults) flags[name] = String(value);
    else others[name] = optionOf(name, value);
  }
  const { expansionService } = others;
  return {
    flags: flags as F,
    runner: createRunner(others),
    expansionService: typeof expansionService === 'string' ? expansionService : undefined,
  };
}

/** Options are numbers and booleans where their flags are texts. */
function optionOf(name: string, text: unknown): unknown {
  if (typeof text !== 'string' || name === 'jobName') return text;
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d{1,15}$/.test(text) ? Number(text) : text;
}
