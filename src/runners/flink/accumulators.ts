// SPDX-License-Identifier: Apache-2.0
// What the steps of a job have counted so far. Beam's runner keeps it in an accumulator of Flink's, whose text, as
// the cluster's REST shows it, is the JSON of Beam's own message: by step, which Flink's metrics do not tell.

import { BeamBridgeError } from '../../base/index.ts';
import { create, pb } from '../../proto/index.ts';

/** Flink's answer about the accumulators of a job, as far as it is of use. */
export interface Accumulators {
  readonly 'user-task-accumulators'?: readonly { readonly name: string; readonly value: string }[];
}

/** The name under which Beam's runner counts. */
const METRICS = '__metricscontainers';

interface Counted {
  readonly metrics?: {
    readonly attempted?: readonly {
      readonly urn?: string;
      readonly type?: string;
      /** In base64. */
      readonly payload?: string;
      readonly labels?: Readonly<Record<string, string>>;
    }[];
  };
}

/**
 * The metrics among a job's accumulators; none where no bundle has ended yet.
 *
 * @throws BeamBridgeError `UNSUPPORTED` for what a Beam of another time shows there
 */
export function metricsAmong(accumulators: Accumulators): pb.MonitoringInfo[] {
  const found = accumulators['user-task-accumulators']?.find(({ name }) => name === METRICS);
  if (!found) return [];
  let counted: Counted;
  try {
    counted = JSON.parse(found.value) as Counted;
  } catch (cause) {
    throw new BeamBridgeError(
      'UNSUPPORTED',
      "this version of Beam's Flink runner tells metrics before the end of a job in a form of its own",
      { cause, hint: "Its job server has them at the job's end." },
    );
  }
  return (counted.metrics?.attempted ?? []).map(({ urn, type, payload = '', labels = {} }) =>
    create(pb.MonitoringInfoSchema, {
      ...(urn === undefined ? {} : { urn }),
      ...(type === undefined ? {} : { type }),
      payload: Buffer.from(payload, 'base64'),
      labels: { ...labels },
    }),
  );
}
