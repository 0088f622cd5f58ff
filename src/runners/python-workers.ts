// SPDX-License-Identifier: Apache-2.0
// Python workers for a job service other than the host that expanded a stage: that host starts them
// when the runner asks. They are there for one job, and end with it.

import { randomBytes } from 'node:crypto';
import { BeamBridgeError } from '../base/index.ts';
import { chooseEnvironments } from '../external/index.ts';
import { fromBinary, pb, toBinary, urns } from '../proto/index.ts';
import { type Host, runningHosts } from '../services/index.ts';
import { openPythonPool } from './python-pool.ts';

/** The workers of one job, in as many hosts as expanded parts of its pipeline. */
export class PythonWorkers implements AsyncDisposable {
  /** Resolves with the reason once a worker or its host is gone before its time. */
  readonly lost: Promise<BeamBridgeError>;
  private lose!: (reason: BeamBridgeError) => void;
  private readonly over = new AbortController();
  /** Of this job alone: whoever shows it may start workers. */
  private readonly token = randomBytes(24).toString('base64url');
  /** Of the hosts whose workers somebody else starts. */
  private readonly versions = new Set<string | undefined>();
  private readonly pools = new Map<string, Promise<void>>();

  /** @param starter - who starts workers for what a host expanded. @default the host itself */
  constructor(
    private readonly starter?: (host: Host) => Promise<Pick<pb.Environment, 'urn' | 'payload'>>,
  ) {
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
    for (const environment of environmentsOf(pipeline)) await this.open(environment, hosts);
  }

  /**
   * The same for a job that a managed host runs, which takes what it expanded itself as it is.
   *
   * @throws BeamBridgeError `HOST_DIED`
   */
  async serveBeside(runner: Host, pipeline: pb.Pipeline): Promise<void> {
    const others = (await runningHosts()).filter(({ address }) => address !== runner.address);
    for (const environment of environmentsOf(pipeline)) {
      const external = alternatives(environment).find((each) => hostOf(each, others));
      if (!external) continue;
      environment.urn = external.urn;
      environment.payload = external.payload;
      await this.open(environment, others);
    }
  }

  /** What somebody else's workers are told: what one version of Python pickles, another cannot read. */
  get options(): Readonly<Record<string, string>> {
    const [version, ...others] = this.versions;
    return version !== undefined && others.length === 0 ? { beambridgePython: version } : {};
  }

  /** Puts this job's token into an environment of one of the hosts. */
  private async open(environment: pb.Environment, hosts: readonly Host[]): Promise<void> {
    const host = hostOf(environment, hosts);
    if (!host) return;
    if (this.starter) {
      Object.assign(environment, await this.starter(host));
      this.versions.add(host.pythonVersion?.split('.').slice(0, 2).join('.'));
      return;
    }
    const opened = this.pools.get(host.pool) ?? this.openPool(host);
    this.pools.set(host.pool, opened);
    await opened;
    const payload = fromBinary(pb.ExternalPayloadSchema, environment.payload);
    payload.params = { ...payload.params, token: this.token };
    environment.payload = toBinary(pb.ExternalPayloadSchema, payload);
  }

  /** Resolves once the host's pool knows this job. */
  private openPool(host: Host): Promise<void> {
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

const { EXTERNAL, ANYOF } = urns.StandardEnvironments_Environments;

function environmentsOf(pipeline: pb.Pipeline): pb.Environment[] {
  return Object.values(pipeline.components?.environments ?? {});
}

function alternatives(environment: pb.Environment): pb.Environment[] {
  if (environment.urn !== ANYOF) return [];
  return fromBinary(pb.AnyOfEnvironmentPayloadSchema, environment.payload).environments;
}

/** The host whose workers an environment asks for, if it is one of these. */
function hostOf({ urn, payload }: pb.Environment, hosts: readonly Host[]): Host | undefined {
  if (urn !== EXTERNAL) return undefined;
  const { endpoint } = fromBinary(pb.ExternalPayloadSchema, payload);
  return hosts.find(({ pool }) => pool === endpoint?.url);
}

function workerLost(why: string): BeamBridgeError {
  return new BeamBridgeError('HOST_DIED', why, {
    hint: 'Run the pipeline again. Signal 9 often means that the machine ran out of memory.',
  });
}
