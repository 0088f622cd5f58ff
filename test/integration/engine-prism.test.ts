// SPDX-License-Identifier: Apache-2.0
// Prism as an engine of one's own: found, built by a Go that is a script here, started, lost, left.
// What needs the real one is skipped where there is none.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { BeamBridgeError, type ErrorCode } from '../../src/base/index.ts';
import {
  counter,
  create,
  createRunner,
  fixedWindows,
  groupByKey,
  pythonCallable,
  pythonTransform,
  type Root,
  windowInto,
  withSchema,
} from '../../src/index.ts';
import { int64 } from '../../src/schema/index.ts';
import { findPrism, startPrism } from '../../src/services/index.ts';
import { runTool } from '../../src/services/process/run-tool.ts';
import { processes } from '../helpers/alive.ts';
import { onPath, prismHere } from '../helpers/engines.ts';
import { until } from '../helpers/fake-job-service.ts';

const coded = (code: ErrorCode, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code, error.message);
  assert.match(error.message, message);
  return true;
};

/** A program that is Prism as far as a look at it tells, and then does as `body` says. */
const prismScript = (body: string) =>
  `#!/bin/sh\nif [ "$1" = -h ]; then echo "  -job_port int" >&2; exit 0; fi\n${body}\n`;

describe('finding Prism', () => {
  let folder: string;
  const { PATH, BEAMBRIDGE_HOME } = process.env;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'beambridge-test-'));
    process.env.BEAMBRIDGE_HOME = path.join(folder, 'home');
    await mkdir(path.join(folder, 'bin'));
    // Nothing but these: Go may be in the same folder as they are.
    for (const tool of ['cat', 'chmod', 'find', 'mkdir', 'sh', 'sleep']) {
      const [found] = onPath(tool);
      if (found) await symlink(found, path.join(folder, 'bin', tool));
    }
    process.env.PATH = path.join(folder, 'bin');
  });
  after(async () => {
    process.env.PATH = PATH;
    if (BEAMBRIDGE_HOME === undefined) delete process.env.BEAMBRIDGE_HOME;
    else process.env.BEAMBRIDGE_HOME = BEAMBRIDGE_HOME;
    await rm(folder, { recursive: true });
  });

  const script = async (name: string, text: string): Promise<string> => {
    const file = path.join(folder, 'bin', name);
    await writeFile(file, text);
    await chmod(file, 0o755);
    return file;
  };

  test('a path where nothing is, and a program that is something else, are told apart', async () => {
    await assert.rejects(
      findPrism({ binary: '/no/such/prism' }),
      coded('ENGINE_NOT_FOUND', /no program at \/no\/such\/prism/),
    );
    await assert.rejects(findPrism({ binary: folder }), coded('ENGINE_NOT_FOUND', /is a folder/));
    const other = await script('other', '#!/bin/sh\necho "prism: a mock server"\n');
    await assert.rejects(
      findPrism({ binary: other }),
      coded('ENGINE_NOT_FOUND', /is not Beam's Prism/),
    );
  });

  test('without Prism and without Go it says what to install', async () => {
    await assert.rejects(
      findPrism({ onProgress: () => {} }),
      coded('ENGINE_NOT_FOUND', /no Prism on this machine, and no Go[\s\S]*prismBinary/),
    );
  });

  test('a release that is none is refused before anything is built', async () => {
    await assert.rejects(
      findPrism({ version: 'latest; rm -rf' }),
      coded('INVALID_ARGUMENT', /no release of Beam/),
    );
  });

  test('what Go cannot build is told with its words, and leaves nothing', async () => {
    await script('go', '#!/bin/sh\necho "module lookup disabled" >&2\nexit 1\n');
    await assert.rejects(
      findPrism({ onProgress: () => {} }),
      coded('ENGINE_NOT_FOUND', /could not build[\s\S]*module lookup disabled/),
    );
    const left = await runTool('find', [path.join(folder, 'home'), '-name', '*building*']);
    assert.equal(left.stdout, '');
  });

  test('Go builds it once, with a word about it', async () => {
    const said: string[] = [];
    const onProgress = (message: string) => void said.push(message);
    const body = prismScript('exit 1').replaceAll("'", "'\\''");
    await script(
      'go',
      `#!/bin/sh\nmkdir -p "$GOBIN" && printf %s '${body}' > "$GOBIN/prism" && chmod +x "$GOBIN/prism" && echo "$@" > "$GOBIN/asked"\n`,
    );
    const built = await findPrism({ version: '2.76.0', onProgress });
    assert.equal(built, path.join(folder, 'home/engines/prism-2.76.0/prism'));
    assert.match(said.join('\n'), /building Prism 2\.76\.0.*\n.*is ready/);
    const { stdout } = await runTool('cat', [path.join(path.dirname(built), 'asked')]);
    assert.equal(stdout.trim(), 'install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.76.0');
    said.length = 0;
    assert.equal(await findPrism({ version: '2.76.0', onProgress }), built);
    assert.deepEqual(said, []);
  });

  test('one that ends as it starts fails with its last words', async () => {
    const binary = await script(
      'dies',
      prismScript('echo "flag provided but not defined" >&2; exit 2'),
    );
    await assert.rejects(
      startPrism({ binary }),
      coded('ENGINE_START_FAILED', /ended with status 2[\s\S]*flag provided/),
    );
  });
});

const here = await prismHere();
const prismBinary = 'binary' in here ? here.binary : '';
const runner = createRunner({ runner: 'prism', prismBinary, progress: false });

/** Processes of this test, whoever their parents are by now. */
const MARK = `BEAMBRIDGE_TEST_MARK=${randomUUID()}`;
[, process.env.BEAMBRIDGE_TEST_MARK] = MARK.split('=');
const prisms = () =>
  processes().filter(
    ({ command, environment }) =>
      command.startsWith(`${prismBinary} --job_port`) && environment.includes(MARK),
  );

describe('the runner prism', { skip: 'skip' in here && here.skip }, () => {
  test('stages of both languages run, metrics come back, and no process is left', async () => {
    const seen: number[] = [];
    const result = await runner.run((root) =>
      root
        .apply(create([1, 2, 3]))
        .apply(withSchema(int64))
        .apply(
          pythonTransform(
            'apache_beam.Map',
            [pythonCallable('lambda x: x * x')],
            {},
            { output: int64 },
          ),
        )
        .map((x) => ({ key: x % 2, value: x }))
        .apply(groupByKey())
        .map(
          ({ value }, { n }) => {
            n.increment();
            return seen.push(...value);
          },
          { n: counter('groups') },
        ),
    );
    assert.equal(result.state, 'DONE');
    assert.deepEqual(seen.sort(), [1, 4, 9]);
    assert.deepEqual(await result.counters(), { groups: 2 });
    assert.deepEqual(prisms(), []);
  });

  test('what it lacks is UNSUPPORTED and named', async () => {
    const merging = {
      ...(fixedWindows(1) as object),
      isMerging: () => true,
      toProto: () => undefined,
      mergeWindows: () => [],
    };
    await assert.rejects(
      runner.run((root) =>
        root
          .apply(create([{ key: 1, value: 1 }]))
          .apply(windowInto(Object.setPrototypeOf(merging, Object.getPrototypeOf(fixedWindows(1)))))
          .apply(groupByKey()),
      ),
      coded('UNSUPPORTED', /unimplemented in prism.*MergeStatus/),
    );
  });

  const endless = (entered: () => void) => (root: Root) =>
    root.apply(create([1])).map(async (x) => {
      entered();
      await new Promise((resolve) => setTimeout(resolve, 600_000).unref());
      return x;
    });

  test('cancel ends the job and its Prism', async () => {
    let isIn = false;
    const result = await runner.runAsync(
      endless(() => {
        isIn = true;
      }),
    );
    await until(() => isIn);
    assert.equal(await result.cancel(), 'CANCELLED');
    assert.deepEqual(prisms(), []);
  });

  test('a Prism that is killed in the middle of a job is told with how', async () => {
    let isIn = false;
    const result = await runner.runAsync(
      endless(() => {
        isIn = true;
      }),
    );
    await until(() => isIn);
    for (const { pid } of prisms()) process.kill(pid, 'SIGKILL');
    await assert.rejects(
      result.waitUntilFinish(),
      coded('ENGINE_DIED', /Prism was ended by SIGKILL/),
    );
    assert.equal(result.state, 'FAILED');
  });
});
