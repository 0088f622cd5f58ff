// SPDX-License-Identifier: Apache-2.0
// The Java of this machine, for engines that are written in it.

import path from 'node:path';
import { BeamBridgeError } from '../../base/index.ts';
import { runTool } from '../process/run-tool.ts';

/** The oldest release that Beam's engines run on. */
const OLDEST = 11;
/** The first start of a Java machine may read it from a cold disk. Milliseconds. */
const LOOK_MS = 30_000;

/** Java's packages that Flink looks into, which later releases of Java keep to themselves. */
const OPENED = [
  'java.lang',
  'java.lang.reflect',
  'java.util',
  'java.util.concurrent',
  'java.util.concurrent.atomic',
  'java.net',
  'java.io',
  'java.nio',
  'java.text',
  'java.time',
  'sun.net.util',
  'sun.nio.ch',
];

/** Options of Java for engines that look into its packages. */
export const OPEN_PACKAGES: readonly string[] = OPENED.map(
  (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
);

/**
 * The program `java`: that of `JAVA_HOME`, else the one on the path.
 *
 * @throws BeamBridgeError `JAVA_NOT_FOUND`, `JAVA_TOO_OLD`, `ABORTED`
 */
export async function findJava(signal?: AbortSignal): Promise<string> {
  const { JAVA_HOME: home } = process.env;
  const command = home ? path.join(home, 'bin', 'java') : 'java';
  const { output } = await runTool(command, ['-version'], { timeout: LOOK_MS, signal });
  const version = /version "([^"]+)"/.exec(output)?.[1];
  if (version === undefined) {
    const where = home ? `at ${command}, where JAVA_HOME points` : 'on the path';
    throw new BeamBridgeError('JAVA_NOT_FOUND', `there is no Java ${where}`, {
      hint: `Install a Java of release ${OLDEST} or later, 17 for preference, or set JAVA_HOME to its folder.`,
      detail: output || undefined,
    });
  }
  // Up to 8 they were called 1.8 and the like.
  const release = Number(/^(?:1\.)?(\d+)/.exec(version)?.[1]);
  if (release >= OLDEST) return command;
  throw new BeamBridgeError('JAVA_TOO_OLD', `${command} is Java ${version}`, {
    hint: `Beam's engines need ${OLDEST} or later: install one, or set JAVA_HOME to its folder.`,
  });
}
