// SPDX-License-Identifier: Apache-2.0
// The end of a client of the package, with all connections that it has had: its pool loses one that was
// made anew while the one before, whose broker went away, was still closing. Left open it would keep the
// process from its end.

import type { BaseClient, Connection } from './package.ts';

export class Connections {
  private readonly open = new Set<Connection>();

  /**
   * To be made before the client does anything.
   *
   * @param shut - ends the client by its own means, which are not the same for all
   */
  constructor(
    client: BaseClient,
    private readonly shut: () => Promise<void>,
  ) {
    // Whoever waits hears of it; without a listener it would end the process.
    client.on('error', () => {});
    client.connections.on('connecting', ({ connection }) => {
      this.open.add(connection);
      connection.once('close', () => this.open.delete(connection));
    });
    // One that never was there does not close, and nothing of it stays.
    client.connections.on('failed', ({ connection }) => this.open.delete(connection));
  }

  async close(): Promise<void> {
    await this.shut().catch(() => {});
    await Promise.allSettled([...this.open].map((connection) => connection.close()));
  }
}
