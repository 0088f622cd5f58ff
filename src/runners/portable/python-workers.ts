// SPDX-License-Identifier: Apache-2.0
// Python workers for a job service that somebody else runs: the managed host that expanded a stage
// starts them when the runner asks. They are there for one job, and end with it.

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { BeamBridgeError, getLogger } from '../../base/index.ts';
import { chooseEnvironments } from '../../external/index.ts';
import { createClient, fromBinary, jobs, pb, toBinary, urns } from '../../proto/index.ts';
import { type Host, runningHosts } from '../../services/index.ts';

const log = getLogger('python');
const State = jobs.JobState_Enum;

/** Job id of the message stream that opens a host's worker pool for one job, before its token. */
const RUN_PREFIX = 'beambridge:workers:';
/** How long the end of a host may be seen after the end of its streams. Milliseconds. */
const DEATH_MS = 2000;

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
  private async open(host: Host): Promise<void> {
    const client = createClient(jobs.JobService, host.address, { token: host.token });
    const { signal } = this.over;
    let ready!: () => void;
    const isOpen = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const watch = async (): Promise<BeamBridgeError> => {
      let last = '';
      try {
        const stream = client.getMessageStream({ jobId: RUN_PREFIX + this.token }, { signal });
        for await (const { response } of stream as AsyncIterable<jobs.JobMessagesResponse>) {
          if (response.case === 'messageResponse') {
            last = response.value.messageText;
            say(response.value);
          } else if (response.value?.state === State.RUNNING) ready();
          else if (response.value?.state === State.FAILED) return workerLost(last);
        }
      } catch (error) {
        if (!signal.aborted) log.debug(`the workers' stream broke: ${String(error)}`);
      }
      await Promise.race([host.exited, delay(DEATH_MS)]);
      return host.diedError();
    };
    const ended = watch().then((reason) => {
      client.close();
      this.lose(reason);
      return reason;
    });
    const failed = await Promise.race([isOpen, ended]);
    if (failed) throw failed;
  }

  /** Ends the workers that did not end with the job. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.over.abort();
  }
}

/** What a worker logs, as if it came from the host. */
function say({ importance, messageText }: jobs.JobMessage): void {
  const Importance = jobs.JobMessage_MessageImportance;
  if (importance >= Importance.JOB_MESSAGE_ERROR) log.error(messageText);
  else if (importance === Importance.JOB_MESSAGE_WARNING) log.warn(messageText);
  else if (importance === Importance.JOB_MESSAGE_BASIC) log.info(messageText);
  else log.debug(messageText);
}

function workerLost(why: string): BeamBridgeError {
  return new BeamBridgeError('HOST_DIED', why, {
    hint: 'Run the pipeline again. Signal 9 often means that the machine ran out of memory.',
  });
}
