// SPDX-License-Identifier: Apache-2.0
// A pipeline served in a thread of the program that submitted it: constructed once more, compared with what was
// submitted, and run bundle by bundle until that program says that it is over.

import type { MessagePort } from 'node:worker_threads';
import { BeamBridgeError, setLogLevel, setLogSink } from '../../base/index.ts';
import { BundleEngine, type RunningBundle } from '../../harness/index.ts';
import type { Pipeline } from '../../pipeline/index.ts';
import { fn, fromBinary } from '../../proto/index.ts';
import { optionsFromText } from '../contract.ts';
import { compare } from '../serve.ts';
import { type FromThread, movable, type ThreadProgram, type ToThread } from './messages.ts';
import { fromPlainError, toPlainError } from './plain-error.ts';
import { ServedBundle } from './served-bundle.ts';

/** The method by which a thread has a definition served. */
export const SERVE_THREAD: unique symbol = Symbol.for('beambridge.serveThread') as never;

/** What a thread asks of a definition. */
export interface ThreadRequest {
  readonly program: ThreadProgram;
  readonly port: MessagePort;
}

/** Resolves once bundles can be run. */
export type ServeThread = (request: ThreadRequest) => Promise<void>;

/** How often bundles under way tell what they have counted. Milliseconds. */
const PROGRESS_MS = 500;

/**
 * Serves what `construct` applies.
 *
 * @throws BeamBridgeError `WORKER_MISMATCH`; why the pipeline could not be constructed
 */
export async function serveThread(
  { program, port }: ThreadRequest,
  construct: (options: Record<string, unknown>) => Promise<Pipeline>,
): Promise<void> {
  setLogLevel(program.logLevel);
  setLogSink(({ error, ...record }) => {
    const plain = error === undefined ? {} : { error: toPlainError(error) };
    port.postMessage({ kind: 'log', record: { ...record, ...plain } } satisfies FromThread);
  });
  const pipeline = await construct(optionsFromText(program.options));
  compare(program, pipeline);
  new Server(port, new BundleEngine({ functions: pipeline.functions, isStrict: program.isStrict }));
}

/** Does what the submitting program says. */
class Server {
  private readonly stages = new Map<number, fn.ProcessBundleDescriptor>();
  private readonly bundles = new Map<number, [ServedBundle, RunningBundle]>();
  private readonly clock: NodeJS.Timeout;
  private isClosing = false;

  constructor(
    private readonly port: MessagePort,
    private readonly engine: BundleEngine,
  ) {
    port.on('message', (message: ToThread) => this.take(message));
    process.on('beforeExit', () => this.tellStuck());
    this.clock = setInterval(() => this.tellProgress(), PROGRESS_MS).unref();
    this.post({ kind: 'ready' });
  }

  private post(message: FromThread, moved: readonly ArrayBuffer[] = []): void {
    this.port.postMessage(message, moved);
  }

  private take(message: ToThread): void {
    switch (message.kind) {
      case 'stage':
        this.stages.set(
          message.stage,
          fromBinary(fn.ProcessBundleDescriptorSchema, message.descriptor),
        );
        return;
      case 'bundle':
        this.start(message.bundle, message.stage);
        return;
      case 'close':
        void this.close();
        return;
    }
    const found = this.bundles.get(message.bundle);
    // It may have ended while the message was on its way.
    if (!found) {
      if (message.kind === 'split') {
        this.post({ kind: 'splits', bundle: message.bundle, splits: [] });
      }
      return;
    }
    const [served, running] = found;
    switch (message.kind) {
      case 'input':
        served.give(message.chunk);
        break;
      case 'taken':
        served.taken();
        break;
      case 'split': {
        const splits = running.split(message.desired);
        this.post({ kind: 'splits', bundle: message.bundle, splits });
        break;
      }
      case 'abort':
        running.abort(BeamBridgeError.from(fromPlainError(message.error)));
    }
    this.look();
  }

  private start(bundle: number, stage: number): void {
    const served = new ServedBundle({
      ask: () => {
        this.post({ kind: 'next', bundle });
        this.look();
      },
      giveWay: () => this.post({ kind: 'giveWay', bundle }),
      write: (transformId, bytes) => {
        const { data, moved } = movable(bytes);
        this.post({ kind: 'output', bundle, chunk: { transformId, data } }, moved);
        this.look();
      },
    });
    const running = this.engine.start(this.stages.get(stage)!, served);
    this.bundles.set(bundle, [served, running]);
    const end = (message: FromThread) => {
      this.bundles.delete(bundle);
      this.post(message);
      this.look();
    };
    running.done.then(
      ({ monitoringInfos: infos }) => end({ kind: 'done', bundle, infos }),
      (error: unknown) => end({ kind: 'failed', bundle, error: toPlainError(error) }),
    );
    this.look();
  }

  /**
   * The thread is kept alive by its port only while it waits for the submitting program: what else bundles wait
   * for keeps it alive by itself, or never comes.
   */
  private look(): void {
    const all = [...this.bundles.values()];
    if (this.isClosing) return;
    const isWaiting = all.length === 0 || all.some(([served]) => served.isWaiting);
    if (isWaiting) this.port.ref();
    else this.port.unref();
  }

  /** Nothing is left in this thread that could resolve what its functions wait for. */
  private tellStuck(): void {
    if (this.isClosing) {
      this.engine.tellLeft();
      this.post({ kind: 'closed' });
      return;
    }
    this.port.ref();
    for (const [bundle, [, running]] of this.bundles) {
      this.post({ kind: 'stuck', bundle, atWork: running.atWork() });
    }
  }

  private tellProgress(): void {
    for (const [bundle, [, running]] of this.bundles) {
      const atWork = running.atWork();
      this.post({ kind: 'progress', bundle, infos: running.monitoringInfos(), atWork });
    }
  }

  private async close(): Promise<void> {
    clearInterval(this.clock);
    this.isClosing = true;
    // A teardown whose promise nobody resolves must not keep the thread.
    this.port.unref();
    await this.engine.close();
    this.post({ kind: 'closed' });
  }
}
