// SPDX-License-Identifier: Apache-2.0
// Expansion while a pipeline is built, for transforms whose outputs nobody declared.

import { BeamBridgeError } from '../base/index.ts';
import { coderFromProto } from '../coders/index.ts';
import {
  type ExpansionServiceChoice,
  newOutput,
  type PCollection,
  type Pipeline,
  type TransformNode,
} from '../pipeline/index.ts';
import { pb } from '../proto/index.ts';
import { getHost } from '../services/index.ts';
import { describeCoder, isReadable, whyUnreadable } from './coder-match.ts';
import { askedForBy, askForExpansion, type ServiceAddress } from './expansion-client.ts';
import { javaAddress } from './java-service.ts';
import { keepHostOf, withAnotherHost } from './lost-host.ts';
import { TemporaryFolder } from './temporary-folder.ts';
import { windowingFromProto } from './windowing-from-proto.ts';

async function managed({
  extras,
  packages,
  isExact,
}: Extract<ExpansionServiceChoice, { kind: 'python' }>): Promise<ServiceAddress> {
  const host = await getHost({ extras: [...extras], packages: [...packages], isExact });
  return { address: host.address, token: host.token, host };
}

/** Where a service is asked while a pipeline is built. */
export async function addressOf(service: ExpansionServiceChoice): Promise<ServiceAddress> {
  switch (service.kind) {
    case 'address':
      return service;
    case 'started':
      return { address: await service.address() };
    case 'java':
      return javaAddress(service);
    case 'python':
      return managed(service);
  }
}

/** Asks the service of a placeholder, keeps the answer, and gives its outputs by tag. */
export async function expandNow(
  pipeline: Pipeline,
  node: TransformNode,
): Promise<Record<string, PCollection<unknown>>> {
  const { external } = node;
  if (!external)
    throw new BeamBridgeError('INTERNAL', `${node.name} is not a cross-language transform`);
  const { service } = external;
  // Files live until the program ends: nobody knows how often the pipeline will run.
  const folder = new TemporaryFolder();
  const expansion = await withAnotherHost(async () => {
    const address = await askedForBy(node, addressOf(service));
    const answer = await askForExpansion(node, address, () => folder.path());
    keepHostOf(answer, address.host);
    return answer;
  });
  external.expansion = expansion;

  const { pcollections, coders, windowingStrategies } = expansion.components;
  const outputs: Record<string, PCollection<unknown>> = {};
  for (const [tag, id] of Object.entries(expansion.transform.outputs)) {
    const message = pcollections[id];
    const windowing = windowingStrategies[message?.windowingStrategyId ?? ''];
    if (!message || !windowing) {
      throw new BeamBridgeError(
        'EXPANSION_FAILED',
        `output ${tag} of the expansion is not described`,
      );
    }
    const input = [...node.inputs.values()].find((each) => each.id === id);
    const coder = input?.coder ?? coderFromProto(message.coderId, coders);
    if (!isReadable(coder)) {
      throw new BeamBridgeError(
        'NO_PORTABLE_TYPE',
        `output ${JSON.stringify(tag)} is ${describeCoder(coder)}, which only its own SDK can read`,
        {
          ...node.errorDetails,
          detail: whyUnreadable(coder),
          hint: 'Declare what it is, as in { output: row({ … }) }, or annotate the Python transform with .with_output_types(…).',
        },
      );
    }
    outputs[tag] = newOutput(pipeline, node, tag, coder, {
      windowing: windowingFromProto(windowing, coders),
      bounded: message.isBounded !== pb.IsBounded_Enum.UNBOUNDED,
    });
  }
  return outputs;
}
