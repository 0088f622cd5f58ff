// SPDX-License-Identifier: Apache-2.0
// A gRPC server on a port of 127.0.0.1, where every user of this machine can connect. Whoever shows no
// secret is refused before a message of theirs is read, and a connection that does nothing is closed:
// it keeps neither memory nor this program.

import { createServer, type Server, type Socket } from 'node:net';
import type { DescService } from '@bufbuild/protobuf';
import type * as grpc from '@grpc/grpc-js';
import { BeamBridgeError } from '../base/index.ts';
import {
  CHANNEL_OPTIONS,
  GrpcStatus,
  library,
  type ServiceImplementation,
  serviceDefinition,
  type UnaryImplementation,
  unaryHandler,
} from './grpc.ts';

/** How long a connection may take until its first call is accepted. Milliseconds. */
const STRANGER_MS = 30_000;
/** How long the other side may take to hang up when we close. Milliseconds. */
const CLOSE_MS = 500;
/** How many connections may be there of which nothing was accepted yet; one more ends the one that waits longest. */
const STRANGERS = 128;

/** Whom a {@link LoopbackServer} lets in. */
export interface LoopbackServerOptions {
  /** Looks at a call before anything of it is read. @default every call is accepted */
  accepts?: (metadata: grpc.Metadata) => boolean;
  /** What a call is told that is not accepted. */
  refusal?: string;
  /** Bytes that a message may have. @default no limit */
  maxMessageBytes?: number;
}

interface Stranger {
  readonly socket: Socket;
  /** It has shown the secret, or is gone. */
  readonly known: () => void;
}

/** Where a server listens. */
export interface ListenAt {
  readonly host: string;
  /** 0 for one that the kernel picks. */
  readonly port: number;
}

/** A gRPC server, on a port of 127.0.0.1 that the kernel picks unless it is told another address. */
export class LoopbackServer {
  private readonly server: grpc.Server;
  private readonly listener: Server;
  private readonly sockets = new Set<Socket>();
  /** Connections that may yet turn out to be anybody's, by their address. */
  private readonly strangers = new Map<string, Stranger>();

  constructor(private readonly options: LoopbackServerOptions = {}) {
    const { Server: GrpcServer, ServerCredentials } = library();
    this.server = new GrpcServer({
      ...CHANNEL_OPTIONS,
      ...(options.maxMessageBytes && {
        'grpc.max_receive_message_length': options.maxMessageBytes,
      }),
      interceptors: [(_, call) => this.guard(call)],
    });
    const injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
    this.listener = createServer({ noDelay: true }, (socket) => {
      this.admit(socket);
      injector.injectConnection(socket);
    });
  }

  private admit(socket: Socket): void {
    // A worker shows its secret at once: who has waited longest is the least likely to be one.
    const [longest] = this.strangers.values();
    if (this.strangers.size >= STRANGERS && longest) {
      longest.known();
      longest.socket.destroy();
    }
    const peer = `${socket.remoteAddress}:${socket.remotePort}`;
    const timer = setTimeout(() => socket.destroy(), STRANGER_MS).unref();
    const known = () => {
      clearTimeout(timer);
      this.strangers.delete(peer);
    };
    this.strangers.set(peer, { socket, known });
    this.sockets.add(socket);
    socket.once('close', () => {
      known();
      this.sockets.delete(socket);
    });
    // gRPC hears of it, too.
    socket.on('error', () => {});
  }

  private guard(call: grpc.ServerInterceptingCallInterface): grpc.ServerInterceptingCall {
    const { accepts = () => true, refusal = 'a secret is needed to call this service' } =
      this.options;
    return new (library().ServerInterceptingCall)(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, proceed) => {
            if (accepts(metadata)) {
              this.strangers.get(call.getPeer())?.known();
              proceed(metadata);
            } else call.sendStatus({ code: GrpcStatus.UNAUTHENTICATED, details: refusal });
          },
        }),
    });
  }

  /** Adds a service. Unary methods are async functions; a throw becomes an INTERNAL status. */
  add<S extends DescService>(service: S, implementation: ServiceImplementation<S>): this {
    const handlers: grpc.UntypedServiceImplementation = {};
    for (const method of service.methods) {
      const implement = implementation[method.localName as keyof typeof implementation];
      handlers[method.localName] =
        method.methodKind === 'unary'
          ? unaryHandler(method, implement as unknown as UnaryImplementation)
          : (implement as grpc.UntypedHandleCall);
    }
    this.server.addService(serviceDefinition(service), handlers);
    return this;
  }

  /**
   * Binds and starts; resolves with its address.
   *
   * @param at - @default a port of 127.0.0.1 that the kernel picks
   */
  listen({ host = '127.0.0.1', port = 0 }: Partial<ListenAt> = {}): Promise<string> {
    return new Promise((resolve, reject) => {
      const name = host.includes(':') ? `[${host}]` : host;
      this.listener.once('error', (cause) => {
        const { code } = cause as NodeJS.ErrnoException;
        reject(
          port === 0 && host === '127.0.0.1'
            ? new BeamBridgeError('INTERNAL', 'no port of 127.0.0.1 could be bound', {
                cause,
                hint: 'Check that this machine lets a program listen on its loopback interface.',
              })
            : new BeamBridgeError(
                'INVALID_ARGUMENT',
                `${name}:${port} cannot be listened on (${code})`,
                {
                  cause,
                  hint: 'Choose an address of this machine, and a port that nobody uses, or 0 for any.',
                },
              ),
        );
      });
      this.listener.listen(port, host, () => {
        const address = this.listener.address();
        if (address && typeof address === 'object') resolve(`${name}:${address.port}`);
      });
    });
  }

  /** Ends at once, whatever is still under way and whoever is still connected. */
  close(): void {
    this.listener.close();
    this.server.forceShutdown();
    // gRPC waits for the other side to hang up, which need not happen.
    for (const socket of this.sockets) socket.unref();
    setTimeout(() => {
      for (const socket of this.sockets) socket.destroy();
    }, CLOSE_MS).unref();
  }
}
