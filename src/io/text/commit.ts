// SPDX-License-Identifier: Apache-2.0
// When outputs get their names: all outputs of a pipeline together, once the whole run has succeeded, so that
// a run that fails in another branch leaves and replaces nothing. An output whose `filesWritten` is read by a
// further step gets them as soon as it is whole, since that step is part of the run; so does every output of a
// pipeline with a stream in it, whose run may never end.

import type { PCollectionNode, Pipeline } from '../../pipeline/index.ts';
import { claimFiles } from './name-claims.ts';
import { placeOutputs, type WholeOutput } from './output.ts';

/** What waits for the end of each pipeline's run, by its temporary folder. */
const waiting = new WeakMap<Pipeline, Map<string, WholeOutput>>();

/** Has the pipeline name what {@link nameOrWait} left waiting, in the end. */
export function commitWithRun(pipeline: Pipeline): void {
  if (waiting.has(pipeline)) return;
  const outputs = new Map<string, WholeOutput>();
  waiting.set(pipeline, outputs);
  pipeline.commits.push(async () => {
    await placeOutputs([...outputs.values()]);
    outputs.clear();
  });
}

/** Names the files of an output that is whole, now or with the run. May be repeated. */
export async function nameOrWait(
  output: WholeOutput,
  pipeline: Pipeline,
  filesWritten: PCollectionNode,
): Promise<void> {
  const isRead = pipeline.transforms.some(
    ({ inputs, children }) => children.length === 0 && [...inputs.values()].includes(filesWritten),
  );
  claimFiles(pipeline, output.spec, output.finals);
  const outputs = waiting.get(pipeline);
  if (isRead || pipeline.isStream || !outputs || !pipeline.isCommittedHere)
    await placeOutputs([output]);
  else outputs.set(output.temporary, output);
}
