// SPDX-License-Identifier: Apache-2.0
// Python workers for a job service that somebody else runs: the managed host that expanded a stage
// starts them when the runner asks. They are there for one job, and end with it.

import { randomBytes } from 'node:crypto';
import { BeamBridgeError } from '../../base/index.ts';
import { chooseEnvironments } from '../../external/index.ts';
import { fromBinary, pb, toBinary, urns } from '../../proto/index.ts';
import { type Host, runningHosts } from '../../services/index.ts';
import { openPythonPool } from '../python-pool.ts';

/** The workers of one job, in as many hosts as expanded parts of its pipeline. */
export class PythonWorkers implements AsyncDisposable {
  /** Resolves with the reason once a worker or its host is gone before its time. */
  readonly lost: Promise<BeamBridgeError>;
  private lose!: (reason: BeamBridgeError) => void;
  private readonly over = new AbortController();
  /** Of this job alone: whoever shows it may start workers. */
  private readonly token = randomBytes(24).toString('base64url');
  private readonly pools = new Map<string, Promise<void>>();

  constructor() {
    this.lost = new Promise((resolve) => {
      this.lose = resolve;
    });
  }

  /**
   * Makes the environments of an expanded pipeline ones that any runner on this machine can use.
   *
   * @throws BeamBridgeError `HOST_DIED`
   */
  async serve(pipeline: pb.Pipeline): Promise<void> {
    chooseEnvironments(pipeline);
    const hosts = await runningHosts();
    for (const environment of Object.values(pipeline.components?.environments ?? {})) {
      if (environment.urn !== urns.StandardEnvironments_Environments.EXTERNAL) continue;
      const payload = fromBinary(pb.ExternalPayloadSchema, environment.payload);
      const host = hosts.find(({ address }) => address === payload.endpoint?.url);
      if (!host) continue;
      const opened = this.pools.get(host.address) ?? this.open(host);
      this.pools.set(host.address, opened);
      await opened;
      payload.params = { ...payload.params, token: this.token };
      environment.payload = toBinary(pb.ExternalPayloadSchema, payload);
    }
  }

  /** Resolves once the host's pool knows this job. */
  private open(host: Host): Promise<void> {
    const pool = openPythonPool(host, {
      token: this.token,
      signal: this.over.signal,
      // The job service does not start another.
      onWorkerLost: (_, reason) => this.lose(workerLost(reason)),
    });
    void pool.ended.then(this.lose);
    return pool.opened;
  }

  /** Ends the workers that did not end with the job. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.over.abort();
  }
}

function workerLost(why: string): BeamBridgeError {
  return new BeamBridgeError('HOST_DIED', why, {
    hint: 'Run the pipeline again. Signal 9 often means that the machine ran out of memory.',
  });
}
