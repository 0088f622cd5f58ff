// SPDX-License-Identifier: Apache-2.0
// The Fn API's services for all Python workers, on one port. Workers are told apart by `worker_id`,
// and nobody else is let in.

import { BeamBridgeError, getLogger } from '../../../base/index.ts';
import { fn, GrpcStatus, LoopbackServer, type ServiceError } from '../../../proto/index.ts';
import type { Worker } from './worker.ts';

const log = getLogger('python');

type Metadata = ServiceError['metadata'];
/** What every streaming call has. */
interface Call {
  readonly metadata: Metadata;
  emit(event: 'error', status: object): boolean;
  on(event: 'error', listener: () => void): unknown;
}

export class FnServer {
  private readonly server = new LoopbackServer({
    accepts: (metadata) => this.find(metadata) !== undefined,
    refusal: STRANGER,
  });
  private readonly workers = new Map<string, Worker>();
  private url = '';

  private constructor(descriptorOf: (id: string) => fn.ProcessBundleDescriptor | undefined) {
    this.server
      .add(fn.BeamFnControl, {
        control: (call) => this.admit(call)?.takeControl(call),
        getProcessBundleDescriptor: async ({ processBundleDescriptorId }) => {
          const descriptor = descriptorOf(processBundleDescriptorId);
          if (!descriptor) throw status(GrpcStatus.NOT_FOUND, 'there is no such descriptor');
          return descriptor;
        },
      })
      .add(fn.BeamFnData, { data: (call) => this.admit(call)?.takeData(call) })
      .add(fn.BeamFnState, { state: (call) => this.admit(call)?.takeState(call) })
      .add(fn.BeamFnLogging, {
        logging: (call) => {
          if (!this.admit(call)) return;
          call.on('data', ({ logEntries }) => logEntries.forEach(say));
          call.on('error', () => {});
          call.on('end', () => call.end());
        },
      });
  }

  /** Listens; `descriptorOf` is asked when a worker meets a descriptor for the first time. */
  static async start(
    descriptorOf: (id: string) => fn.ProcessBundleDescriptor | undefined,
  ): Promise<FnServer> {
    const server = new FnServer(descriptorOf);
    server.url = await server.server.listen();
    return server;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return this.url;
  }

  /** Lets a worker in, until it is gone. */
  expect(worker: Worker): void {
    this.workers.set(worker.id, worker);
    void worker.gone.then(() => this.workers.delete(worker.id));
  }

  private find(metadata: Metadata): Worker | undefined {
    return this.workers.get(String(metadata.get('worker_id')[0]));
  }

  private admit(call: Call): Worker | undefined {
    const worker = this.find(call.metadata);
    if (!worker) {
      call.on('error', () => {});
      call.emit('error', { code: GrpcStatus.UNAUTHENTICATED, details: STRANGER });
    }
    return worker;
  }

  /** Cuts everything at once. */
  close(): void {
    this.server.close();
  }
}

const STRANGER = 'worker_id names no worker of this runner';

function status(code: number, details: string): Error {
  return Object.assign(new BeamBridgeError('HARNESS_PROTOCOL', details), { code, details });
}

/** What workers log that are no processes of our host, whose records come another way. */
function say({ severity, message, trace }: fn.LogEntry): void {
  const Severity = fn.LogEntry_Severity_Enum;
  const text = trace ? `${message}\n${trace.trimEnd()}` : message;
  if (severity >= Severity.ERROR) log.error(text);
  else if (severity >= Severity.WARN) log.warn(text);
  else if (severity >= Severity.INFO) log.info(text);
  else log.debug(text);
}
