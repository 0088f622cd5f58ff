// SPDX-License-Identifier: Apache-2.0
// The end of a client of the package, with all connections that it has had: its pool loses one that was
// made anew while the one before, whose broker went away, was still closing. Left open it would keep the
// process from its end.

import type { BaseClient, Connection } from './package.ts';

export class Connections {
  private readonly open = new Set<Connection>();

  /** To be made before the client does anything. */
  constructor(private readonly client: BaseClient) {
    // Whoever waits hears of it; without a listener it would end the process.
    client.on('error', () => {});
    client.connections.on('connecting', ({ connection }) => {
      this.open.add(connection);
      connection.once('close', () => this.open.delete(connection));
    });
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.client.close(true)]);
    await Promise.allSettled([...this.open].map((connection) => connection.close()));
  }
}
