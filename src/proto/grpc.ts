// SPDX-License-Identifier: Apache-2.0
// gRPC clients and servers made from the generated service descriptions, so that a call is typed
// end to end. Only loopback is ever bound, and a token travels as `authorization: Bearer …`.

import { createRequire } from 'node:module';
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type * as grpc from '@grpc/grpc-js';
import { answering, connected } from './reachable.ts';
import { shareClient } from './shared-client.ts';
import { GrpcStatus } from './status.ts';

export { GrpcStatus };

const require = createRequire(import.meta.url);
let loaded: typeof grpc | undefined;

/** Where a program that travels to workers as one file keeps the gRPC that it brings along. */
const BROUGHT_ALONG = Symbol.for('beambridge.grpc');

/** gRPC, loaded when it is first used: a pipeline that stays in this process starts sooner without. */
export function library(): typeof grpc {
  loaded ??=
    (globalThis as { [BROUGHT_ALONG]?: typeof grpc })[BROUGHT_ALONG] ??
    (require('@grpc/grpc-js') as typeof grpc);
  return loaded;
}

/** No limit on message size: bundles carry messages larger than gRPC's default of 4 MiB. */
export const CHANNEL_OPTIONS: grpc.ChannelOptions = {
  'grpc.max_receive_message_length': -1,
  'grpc.max_send_message_length': -1,
  // Two clients of one address must not share a connection: each carries its own stream load.
  'grpc.use_local_subchannel_pool': 1,
  // A proxy in the environment must not see loopback traffic.
  'grpc.enable_http_proxy': 0,
};

type Methods<S extends DescService> = S['method'];
type Input<M> = M extends { input: infer I extends DescMethod['input'] } ? I : never;
type Output<M> = M extends { output: infer O extends DescMethod['output'] } ? O : never;

/** What every call can be given. */
export interface CallOptions {
  signal?: AbortSignal | undefined;
  /** Fails the call after so many milliseconds. */
  timeoutMs?: number | undefined;
  metadata?: Record<string, string> | undefined;
}

type ClientMethod<M> = M extends { methodKind: 'unary' }
  ? (request: MessageInitShape<Input<M>>, options?: CallOptions) => Promise<MessageShape<Output<M>>>
  : M extends { methodKind: 'server_streaming' }
    ? (
        request: MessageInitShape<Input<M>>,
        options?: CallOptions,
      ) => grpc.ClientReadableStream<MessageShape<Output<M>>>
    : (
        options?: CallOptions,
      ) => grpc.ClientDuplexStream<MessageShape<Input<M>>, MessageShape<Output<M>>>;

/** What a client may be given. */
export interface ClientOptions {
  token?: string | undefined;
  metadata?: Record<string, string> | undefined;
  /** Whoever listens at the address: all clients that name it share a connection, which outlives them. @default one of its own */
  sharedBy?: object | undefined;
}

/** A typed client: a method per RPC, plus `close`. */
export type ServiceClient<S extends DescService> = {
  [K in keyof Methods<S>]: ClientMethod<Methods<S>[K]>;
} & {
  /**
   * Resolves when the connection is up, and one that an earlier client had is answered on; rejects when that is not so
   * after `timeoutMs`, and with the signal's reason as soon as it is aborted.
   */
  ready(timeoutMs: number, signal?: AbortSignal): Promise<void>;
  close(): void;
};

type ServerMethod<M> = M extends { methodKind: 'unary' }
  ? (
      request: MessageShape<Input<M>>,
      metadata: grpc.Metadata,
    ) => Promise<MessageInitShape<Output<M>>>
  : M extends { methodKind: 'server_streaming' }
    ? (call: grpc.ServerWritableStream<MessageShape<Input<M>>, MessageShape<Output<M>>>) => void
    : (call: grpc.ServerDuplexStream<MessageShape<Input<M>>, MessageShape<Output<M>>>) => void;

/** What a server implements for a service. */
export type ServiceImplementation<S extends DescService> = {
  [K in keyof Methods<S>]: ServerMethod<Methods<S>[K]>;
};

function methodDefinition(service: DescService, method: DescMethod) {
  return {
    path: `/${service.typeName}/${method.name}`,
    requestStream:
      method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
    responseStream:
      method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
    requestSerialize: (m: MessageShape<typeof method.input>) => asBuffer(toBinary(method.input, m)),
    requestDeserialize: (b: Buffer) => fromBinary(method.input, b),
    responseSerialize: (m: MessageShape<typeof method.output>) =>
      asBuffer(toBinary(method.output, m)),
    responseDeserialize: (b: Buffer) => fromBinary(method.output, b),
  };
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The service in the form that grpc-js wants, keyed by the generated method names. */
export function serviceDefinition(service: DescService): grpc.ServiceDefinition {
  return Object.fromEntries(
    service.methods.map((method) => [method.localName, methodDefinition(service, method)]),
  );
}

function callMetadata(token: string | undefined, extra: Record<string, string> | undefined) {
  const metadata = new (library().Metadata)();
  if (token) metadata.set('authorization', `Bearer ${token}`);
  for (const [key, value] of Object.entries(extra ?? {})) metadata.set(key, value);
  return metadata;
}

/**
 * A client of `service` at `address` (`host:port`).
 *
 * Unary calls reject with a `grpc.ServiceError`; callers turn it into an error of their own, since
 * only they know whether a job service or an expansion service did not answer.
 */
export function createClient<S extends DescService>(
  service: S,
  address: string,
  options: ClientOptions = {},
): ServiceClient<S> {
  const make = () => {
    const { Client, credentials } = library();
    return new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  };
  const shared = options.sharedBy && shareClient(options.sharedBy, address, make);
  const client = shared?.client ?? make();
  const begin = shared?.begin ?? (() => () => {});
  const out: Record<string, unknown> = {
    ready: async (timeoutMs: number, signal?: AbortSignal) => {
      const deadline = Date.now() + timeoutMs;
      await connected(client, deadline, signal);
      if (!shared?.isKept) return;
      try {
        await answering(client, callMetadata(options.token, undefined), deadline, signal);
      } catch (error) {
        shared.distrust();
        throw error;
      }
    },
    close: () => (shared ?? client).close(),
  };
  for (const method of service.methods) {
    const { path, requestSerialize, responseDeserialize } = methodDefinition(service, method);
    const prepare = (call: CallOptions = {}) => ({
      metadata: callMetadata(options.token, { ...options.metadata, ...call.metadata }),
      callOptions: call.timeoutMs === undefined ? {} : { deadline: Date.now() + call.timeoutMs },
    });
    if (method.methodKind === 'unary') {
      out[method.localName] = (
        request: MessageInitShape<typeof method.input>,
        call?: CallOptions,
      ) =>
        new Promise((resolve, reject) => {
          const { metadata, callOptions } = prepare(call);
          const ended = begin();
          const handle = client.makeUnaryRequest(
            path,
            requestSerialize,
            responseDeserialize,
            create(method.input, request),
            metadata,
            callOptions,
            (error, response) => {
              ended();
              call?.signal?.removeEventListener('abort', cancel);
              if (error) reject(error);
              else resolve(response);
            },
          );
          const cancel = () => handle.cancel();
          if (call?.signal?.aborted) cancel();
          else call?.signal?.addEventListener('abort', cancel, { once: true });
        });
    } else if (method.methodKind === 'server_streaming') {
      out[method.localName] = (
        request: MessageInitShape<typeof method.input>,
        call?: CallOptions,
      ) => {
        const { metadata, callOptions } = prepare(call);
        const stream = client.makeServerStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          create(method.input, request),
          metadata,
          callOptions,
        );
        stream.once('status', begin());
        return cancelOnAbort(stream, call?.signal);
      };
    } else {
      out[method.localName] = (call?: CallOptions) => {
        const { metadata, callOptions } = prepare(call);
        const stream = client.makeBidiStreamRequest(
          path,
          requestSerialize,
          responseDeserialize,
          metadata,
          callOptions,
        );
        stream.once('status', begin());
        return cancelOnAbort(stream, call?.signal);
      };
    }
  }
  return out as ServiceClient<S>;
}

function cancelOnAbort<C extends { cancel(): void; once(event: 'close', f: () => void): unknown }>(
  call: C,
  signal: AbortSignal | undefined,
): C {
  if (!signal) return call;
  const cancel = () => call.cancel();
  if (signal.aborted) cancel();
  else signal.addEventListener('abort', cancel, { once: true });
  call.once('close', () => signal.removeEventListener('abort', cancel));
  return call;
}

export type UnaryImplementation = (request: unknown, metadata: grpc.Metadata) => Promise<unknown>;

/** A handler of gRPC's for an async function; a throw becomes an INTERNAL status. */
export function unaryHandler(
  method: DescMethod,
  implement: UnaryImplementation,
): grpc.handleUnaryCall<unknown, unknown> {
  return (call, respond) => {
    Promise.resolve()
      .then(() => implement(call.request, call.metadata))
      .then(
        (response) => respond(null, create(method.output, response as never)),
        (error: unknown) => {
          const isStatus =
            error instanceof Error && 'code' in error && typeof error.code === 'number';
          respond(
            isStatus
              ? (error as grpc.ServiceError)
              : { code: GrpcStatus.INTERNAL, details: String(error) },
          );
        },
      );
  };
}
