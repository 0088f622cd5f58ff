// SPDX-License-Identifier: Apache-2.0
// A worker pool as a foreign expansion service has it, in this process, whose workers do what a test
// says. By default they echo: what comes for the data source goes to the data sink.

import {
  create,
  createClient,
  fn,
  LoopbackServer,
  type MessageInitShape,
  pb,
  type ServiceClient,
  toBinary,
  urns,
} from '../../src/proto/index.ts';

type Response = MessageInitShape<typeof fn.InstructionResponseSchema>;
type Elements = MessageInitShape<typeof fn.ElementsSchema>;

export interface FakeBehaviour {
  /** Answers StartWorker instead of starting. */
  refuse?: string;
  /** How often it does. @default always */
  refusals?: number;
  /** What StartWorker comes to when no worker ever connects: an answer all the same, or none. */
  starts?: 'nothing' | 'no answer';
  /** Answers an instruction; all output must have been sent. Undefined leaves it to the echo. */
  answer?(request: fn.InstructionRequest, worker: FakeWorker): Promise<Response> | undefined;
}

/** One worker: the client of the services that a runner serves. */
export class FakeWorker {
  readonly descriptors: fn.ProcessBundleDescriptor[] = [];
  readonly instructions: fn.InstructionRequest[] = [];
  /** Sizes of the messages that brought input. */
  readonly messages: fn.Elements[] = [];
  private readonly data;
  private readonly state;
  private readonly stateAnswers = new Map<string, (answer: fn.StateResponse) => void>();
  private readonly controlClient: ServiceClient<typeof fn.BeamFnControl>;
  private readonly clients: { close(): void }[] = [];
  private readonly control;
  private wake = () => {};
  private requests = 0;

  constructor(
    readonly url: string,
    readonly id: string,
    private readonly behaviour: FakeBehaviour,
  ) {
    const metadata = { worker_id: id };
    this.controlClient = createClient(fn.BeamFnControl, url, { metadata });
    const data = createClient(fn.BeamFnData, url, { metadata });
    const state = createClient(fn.BeamFnState, url, { metadata });
    this.clients.push(this.controlClient, data, state);
    this.data = data.data();
    this.data.on('data', (elements) => {
      this.messages.push(elements);
      this.wake();
    });
    this.state = state.state();
    this.state.on('data', (answer) => this.stateAnswers.get(answer.id)?.(answer));
    this.control = this.controlClient.control();
    this.control.on('data', (request) => void this.obey(request));
    for (const call of [this.data, this.state, this.control]) call.on('error', () => {});
  }

  private async obey(request: fn.InstructionRequest): Promise<void> {
    this.instructions.push(request);
    const { instructionId } = request;
    const response = await (this.behaviour.answer?.(request, this) ?? this.echo(request));
    this.control.write(create(fn.InstructionResponseSchema, { ...response, instructionId }));
  }

  private async echo({ instructionId, request }: fn.InstructionRequest): Promise<Response> {
    if (request.case !== 'processBundle') return {};
    await this.describe(request.value.processBundleDescriptorId);
    const data = await this.input(instructionId);
    this.send({ data: [{ instructionId, transformId: 'sink', data }] });
    this.send({ data: [{ instructionId, transformId: 'sink', isLast: true }] });
    return { response: { case: 'processBundle', value: {} } };
  }

  async describe(processBundleDescriptorId: string): Promise<void> {
    if (this.descriptors.some(({ id }) => id === processBundleDescriptorId)) return;
    const request = { processBundleDescriptorId };
    this.descriptors.push(await this.controlClient.getProcessBundleDescriptor(request));
  }

  /** All bytes for the data source of a bundle, once it had its last. */
  async input(instructionId: string): Promise<Uint8Array> {
    for (;;) {
      const pieces = this.messages
        .flatMap(({ data }) => data)
        .filter((piece) => piece.instructionId === instructionId);
      if (pieces.some(({ isLast }) => isLast)) return Buffer.concat(pieces.map(({ data }) => data));
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  send(elements: Elements): void {
    this.data.write(create(fn.ElementsSchema, elements));
  }

  ask(request: MessageInitShape<typeof fn.StateRequestSchema>): Promise<fn.StateResponse> {
    const id = String(++this.requests);
    return new Promise((resolve) => {
      this.stateAnswers.set(id, resolve);
      this.state.write(create(fn.StateRequestSchema, { ...request, id }));
    });
  }

  /** Breaks off, as a process does that is killed. */
  die(): void {
    this.control.cancel();
    this.close();
  }

  close(): void {
    for (const client of this.clients) client.close();
  }
}

export class FakePythonPool implements AsyncDisposable {
  readonly workers: FakeWorker[] = [];
  readonly requests: fn.StartWorkerRequest[] = [];
  readonly stopped: string[] = [];
  address = '';
  private readonly server = new LoopbackServer();

  static async start(behaviour: FakeBehaviour = {}): Promise<FakePythonPool> {
    const pool = new FakePythonPool();
    pool.server.add(fn.BeamFnExternalWorkerPool, {
      startWorker: async (request) => {
        pool.requests.push(request);
        const { refuse, refusals = Number.POSITIVE_INFINITY } = behaviour;
        if (refuse !== undefined && pool.requests.length <= refusals) return { error: refuse };
        if (behaviour.starts === 'no answer') return new Promise(() => {});
        if (behaviour.starts === 'nothing') return {};
        const url = request.controlEndpoint?.url ?? '';
        pool.workers.push(new FakeWorker(url, request.workerId, behaviour));
        return {};
      },
      stopWorker: async ({ workerId }) => {
        pool.stopped.push(workerId);
        return {};
      },
    });
    pool.address = await pool.server.listen();
    return pool;
  }

  get environment(): pb.Environment {
    const payload = create(pb.ExternalPayloadSchema, {
      endpoint: { url: this.address },
      params: { theirs: 'yes' },
    });
    return create(pb.EnvironmentSchema, {
      urn: urns.StandardEnvironments_Environments.EXTERNAL,
      payload: toBinary(pb.ExternalPayloadSchema, payload),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.workers) worker.close();
    this.server.close();
  }
}
