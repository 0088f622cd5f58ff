// SPDX-License-Identifier: Apache-2.0
// Prism, Beam's runner in Go, where it is here: a job service that outlives the programs of a test.

import { execa } from 'execa';
import { prismHere } from './engines.ts';

const here = await prismHere();

/** Why tests of Prism are skipped, if they are. */
export const PRISM_SKIP = 'skip' in here && here.skip;

/** The program, where it is. */
export const PRISM_BINARY = 'binary' in here ? here.binary : undefined;

/** A Prism that is started. */
export interface Prism extends AsyncDisposable {
  readonly jobEndpoint: string;
  /** What it and its workers said. */
  log(): string;
}

/** Starts one on a port that the kernel picks. */
export async function startPrism(): Promise<Prism> {
  const child = execa('binary' in here ? here.binary : '', ['--job_port=0', '--serve_http=false'], {
    reject: false,
    all: true,
    buffer: false,
    cleanup: true,
  });
  let said = '';
  const jobEndpoint = await new Promise<string>((resolve, reject) => {
    child.all.on('data', (data) => {
      said += data;
      const port = /localhost:(\d+)/.exec(said)?.[1];
      if (port) resolve(`localhost:${port}`);
    });
    void child.then(() => reject(new Error(`Prism ended: ${said}`)));
  });
  return {
    jobEndpoint,
    log: () => said,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await child;
    },
  };
}
