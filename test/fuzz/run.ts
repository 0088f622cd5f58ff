// SPDX-License-Identifier: Apache-2.0
// Runs random pipelines, several in one where a run takes long, and compares what comes out with the
// reference.

import { BeamBridgeError } from '../../src/base/index.ts';
import type { Root } from '../../src/pipeline/index.ts';
import { createRunner, type PipelineOptions } from '../../src/runners/index.ts';
import { crossIntoPython } from '../conformance/python-between.ts';
import { build, type Outputs } from './build.ts';
import { writeSources } from './files.ts';
import { inThreads, latestOutputs } from './in-threads.ts';
import { described, evaluate } from './model/evaluate.ts';
import { type PlanNode, planOf } from './plan.ts';
import type { Program } from './program.ts';

export interface Oracle {
  readonly name: string;
  /** Whether the pipeline is an exported one. */
  readonly isExported?: boolean;
  readonly options: PipelineOptions;
  readonly prepare?: (root: Root) => unknown;
}

export const ORACLES = {
  node: { name: 'node', options: { runner: 'node' } },
  encoded: { name: 'encoded', options: { runner: 'node', forceEncoding: true } },
  threads: {
    name: 'threads',
    options: { runner: 'node', forceEncoding: true, nodeWorkers: 2 },
    isExported: true,
  },
  python: { name: 'python', options: { runner: 'node' }, prepare: crossIntoPython },
  direct: { name: 'direct', options: { runner: 'direct' } },
} as const satisfies Record<string, Oracle>;

export type OracleName = keyof typeof ORACLES;

/** Fails when a program gives other elements than the reference says, or an error. */
export async function checkPrograms(programs: readonly Program[], oracle: Oracle): Promise<void> {
  const plans = programs.map(planOf);
  const outputs: Outputs[] = [];
  const { sources, remove } = await writeSources(plans);
  try {
    if (oracle.isExported) {
      const options = { progress: false, ...oracle.options, programs: JSON.stringify(programs) };
      await withTimeout(createRunner().run(inThreads, options), `${oracle.name}: `);
      outputs.push(...latestOutputs());
    } else {
      await runOn(oracle, (root) => {
        plans.forEach((plan, index) => {
          outputs.push(build(root, plan, `p${index}`, sources));
        });
      });
    }
  } catch (error) {
    // Beam's runner cannot order these steps, see HostRunner.run_stages; it fails, and gives no wrong value.
    if (oracle === ORACLES.direct && /Beam's own runner gives up/.test(String(error))) return;
    throw error;
  } finally {
    remove();
  }
  const problems = plans.flatMap((plan, index) => differences(plan, outputs[index]!));
  if (problems.length > 0) throw new Error(`on ${oracle.name}: ${problems.join('\n')}`);
}

/** Runs a pipeline; it fails when that hangs, too. */
export async function runOn(oracle: Oracle, construct: (root: Root) => void): Promise<void> {
  const work = createRunner({ progress: false, ...oracle.options }).run((root) => {
    construct(root);
    oracle.prepare?.(root);
  });
  await withTimeout(work, `${oracle.name}: `);
}

/** How long a run may take, in milliseconds: on a busy machine one that is slow must not pass for one that hangs. */
let patience = 60_000;

export function setPatience(milliseconds: number): void {
  patience = milliseconds;
}

async function withTimeout<T>(work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}hangs`)), patience);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    if (error instanceof BeamBridgeError)
      throw new Error(`${what}${error.code}: ${error.message}`, { cause: error });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function differences(plan: readonly PlanNode[], outputs: Outputs): string[] {
  const expected = evaluate(plan);
  const problems: string[] = [];
  for (const [index, lines] of outputs) {
    const right = described(plan[index]!, expected[index]!);
    const got = [...lines].sort();
    if (got.join('\n') === right.join('\n')) continue;
    problems.push(
      `node ${index} (${plan[index]!.step?.op ?? 'source'}) gave\n  ${only(got, right)}\nwhere right is\n  ${only(right, got)}`,
    );
  }
  return problems;
}

/** Fails unless both hold the same lines, in whatever order. */
export function sameLines(got: readonly string[], right: readonly string[], where: string): void {
  if ([...got].sort().join('\n') === [...right].sort().join('\n')) return;
  throw new Error(`on ${where} came\n  ${only(got, right)}\nwhere right is\n  ${only(right, got)}`);
}

/** The lines of `a` that `b` has not. */
function only(a: readonly string[], b: readonly string[]): string {
  const rest = [...b];
  const missing = a.filter((line) => {
    const at = rest.indexOf(line);
    if (at >= 0) rest.splice(at, 1);
    return at < 0;
  });
  return missing.slice(0, 8).join('\n  ') || '(nothing else)';
}
