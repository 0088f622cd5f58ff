// SPDX-License-Identifier: Apache-2.0
// A pipeline may offer a choice of environments for its stages. Not every runner can read such a
// choice, so the one who submits the pipeline makes it.

import { fromBinary, pb, urns } from '../proto/index.ts';

const Environments = urns.StandardEnvironments_Environments;

/** What a runner needs least for comes first: a worker that is there, then a program, then docker. */
const PREFERRED: readonly string[] = [
  Environments.EXTERNAL,
  Environments.PROCESS,
  Environments.DOCKER,
];

/** Replaces each choice between environments in `pipeline` by the alternative that fits most runners. */
export function chooseEnvironments(pipeline: pb.Pipeline): void {
  const table = pipeline.components?.environments ?? {};
  for (const [id, environment] of Object.entries(table)) table[id] = choose(environment);
}

function choose(environment: pb.Environment): pb.Environment {
  if (environment.urn !== Environments.ANYOF) return environment;
  const { environments } = fromBinary(pb.AnyOfEnvironmentPayloadSchema, environment.payload);
  const alternatives = environments.map(choose);
  const rank = ({ urn }: pb.Environment) => {
    const place = PREFERRED.indexOf(urn);
    return place < 0 ? PREFERRED.length : place;
  };
  const [best] = alternatives.sort((a, b) => rank(a) - rank(b));
  if (!best) return environment;
  // What holds for all alternatives may be said once, around them.
  if (best.dependencies.length === 0) best.dependencies = environment.dependencies;
  if (best.capabilities.length === 0) best.capabilities = environment.capabilities;
  if (best.displayData.length === 0) best.displayData = environment.displayData;
  best.resourceHints = { ...environment.resourceHints, ...best.resourceHints };
  return best;
}
