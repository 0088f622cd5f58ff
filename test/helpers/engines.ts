// SPDX-License-Identifier: Apache-2.0
// Engines that a machine may have or lack. Tests use what is there, and fetch nothing: that is for
// scripts/test-engines.

import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder, findJava, PRISM_VERSION } from '../../src/services/index.ts';
import { runTool } from '../../src/services/process/run-tool.ts';

/** The path of a Prism, or why there is none. */
export async function prismHere(): Promise<{ binary: string } | { skip: string }> {
  const cached = path.join(cacheFolder(), 'engines', `prism-${PRISM_VERSION}`, 'prism');
  const candidates = [process.env.BEAMBRIDGE_TEST_PRISM, cached, ...onPath('prism')];
  for (const binary of candidates) {
    if (!binary || !existsSync(binary)) continue;
    const { output } = await runTool(binary, ['-h'], { timeout: 10_000 });
    if (output.includes('-job_port')) return { binary };
  }
  return { skip: 'there is no Prism on this machine: scripts/test-engines builds it' };
}

/** Where scripts/test-engines puts what it fetches. */
const FETCHED = fileURLToPath(new URL('../../.cache/engines/', import.meta.url));

/** The folder with the jars of Flink's job server, or why there is none. */
export function flinkHere(): Promise<{ jars: string } | { skip: string }> {
  return jobServerHere('Flink', process.env.BEAMBRIDGE_TEST_FLINK_JARS);
}

/** The folder with the jars of Spark's job server, or why there is none. */
export function sparkHere(): Promise<{ jars: string } | { skip: string }> {
  return jobServerHere('Spark', process.env.BEAMBRIDGE_TEST_SPARK_JARS);
}

async function jobServerHere(engine: string, named: string | undefined) {
  const jars = named || path.join(FETCHED, engine.toLowerCase());
  if (!existsSync(jars)) {
    return { skip: `there is no job server of ${engine} here: scripts/test-engines fetches it` };
  }
  return findJava().then(
    () => ({ jars }),
    (error: Error) => ({ skip: error.message.split('\n')[0]! }),
  );
}

/** The folder with the jars of Java's expansion service and harness, or why there is none. */
export async function javaExpansionHere(): Promise<{ jars: string } | { skip: string }> {
  const found = await flinkHere();
  if ('skip' in found)
    return { skip: found.skip.replace('job server of Flink', 'service of Java') };
  const names = readdirSync(found.jars);
  const missing = ['beam-sdks-java-expansion-service', 'beam-sdks-java-harness', 'jamm'].find(
    (artifact) => !names.some((name) => name.startsWith(artifact)),
  );
  return missing ? { skip: `${found.jars} has no ${missing}` } : found;
}

/** The folder with the jars of Java's transforms, or why there is none. */
export async function javaTransformsHere(): Promise<{ jars: string } | { skip: string }> {
  const jars = process.env.BEAMBRIDGE_TEST_JAVA_JARS || path.join(FETCHED, 'java');
  if (!existsSync(jars)) {
    return {
      skip: "there are no jars of Java's transforms here: scripts/test-engines fetches them",
    };
  }
  return findJava().then(
    () => ({ jars }),
    (error: Error) => ({ skip: error.message.split('\n')[0]! }),
  );
}

/** Files of that name in the folders where programs are looked for. */
export function onPath(name: string): string[] {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  return folders.map((folder) => path.join(folder, name)).filter((file) => existsSync(file));
}
