// SPDX-License-Identifier: Apache-2.0
// Prism, Beam's runner in Go, where it is installed: a job service of its own for a test.

import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { execa } from 'execa';

/** The binary: that of the variable `PRISM`, on the path, or where `go install` puts it. */
export function findPrism(): string | undefined {
  const { PRISM, PATH = '', GOPATH = join(homedir(), 'go') } = process.env;
  const folders = [...PATH.split(delimiter), join(GOPATH, 'bin')];
  return [PRISM, ...folders.map((folder) => join(folder, 'prism'))].find(
    (path) => path && existsSync(path),
  );
}

/** Why tests of Prism are skipped, if they are. */
export const PRISM_SKIP =
  findPrism() === undefined &&
  'Prism is not here: go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0';

/** A Prism that is started. */
export interface Prism extends AsyncDisposable {
  readonly jobEndpoint: string;
  /** What it and its workers said. */
  log(): string;
}

/** Starts one on a port that the kernel picks. */
export async function startPrism(): Promise<Prism> {
  const child = execa(findPrism()!, ['--job_port=0', '--serve_http=false'], {
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
