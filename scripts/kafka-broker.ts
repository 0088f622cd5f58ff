// SPDX-License-Identifier: Apache-2.0
// One broker of Kafka (KRaft, no ZooKeeper) on this machine's loopback, from jars that Maven fetches
// once. All that it keeps lies in one folder, so that nothing is left when that is removed.

import { once } from 'node:events';
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Admin } from '@platformatic/kafka';
import { execa } from 'execa';
import { findJava } from '../src/services/index.ts';

const ENGINES = fileURLToPath(new URL('../.cache/engines/', import.meta.url));
const POM = fileURLToPath(new URL('../test/engines/kafka-pom.xml', import.meta.url));
/** A first start reads the jars from a cold disk. */
const START_MS = 90_000;
/** A broker that is told to stop writes what it has. */
const STOP_MS = 15_000;
/** How often another port is tried where somebody was faster. */
const PORT_ATTEMPTS = 3;

/** Where the jars are: `BEAMBRIDGE_TEST_KAFKA_JARS`, else what {@link fetchKafka} has fetched. */
export function kafkaJars(): string {
  return process.env.BEAMBRIDGE_TEST_KAFKA_JARS || path.join(ENGINES, 'kafka');
}

/** Fetches the jars with Maven, unless they are there. */
export async function fetchKafka(): Promise<string> {
  const jars = kafkaJars();
  if (existsSync(jars)) return jars;
  const part = `${jars}.${process.pid}.part`;
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${part}`];
  try {
    await execa('mvn', ['--quiet', '--batch-mode', '--file', POM, ...goal], { stdio: 'inherit' });
    // Another start may have been faster: its jars are the same.
    await rename(part, jars).catch((error) => {
      if (!existsSync(jars)) throw error;
    });
  } finally {
    await rm(part, { recursive: true, force: true });
  }
  return jars;
}

/** A broker that runs. */
export interface Broker {
  /** `127.0.0.1:PORT` */
  readonly address: string;
  /** Of a broker with a user. */
  readonly saslAddress: string | undefined;
  readonly pid: number;
}

export interface BrokerOptions {
  /** Settings beside, or in place of, those below. */
  settings?: Readonly<Record<string, string>>;
  /** A second address, {@link Broker.saslAddress}, for one user, by SASL's PLAIN. */
  user?: { readonly name: string; readonly password: string };
  /** Whether it lives on when this program ends. */
  outlives?: boolean;
}

/** Starts a broker on what the folder holds, on the same port as before; a new folder is made ready. */
export async function startBroker(folder: string, options: BrokerOptions = {}): Promise<Broker> {
  const java = await findJava();
  for (let attempt = 1; ; attempt++) {
    const isNew = !existsSync(path.join(folder, 'server.properties'));
    if (isNew) await prepare(java, folder, options);
    const broker = await launch(java, folder, options.outlives ?? false);
    if (broker) return broker;
    const log = readFileSync(path.join(folder, 'broker.log'), 'utf8');
    if (isNew && /Address already in use/.test(log) && attempt < PORT_ATTEMPTS) {
      rmSync(folder, { recursive: true, force: true });
      continue;
    }
    throw new Error(`Kafka did not start:\n${log.split('\n').slice(-30).join('\n')}`);
  }
}

/** The broker of a folder, if one runs. */
export function runningBroker(folder: string): Broker | undefined {
  const file = path.join(folder, 'pid');
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8'));
  return isBroker(pid, folder) ? { pid, ...addressesOf(folder) } : undefined;
}

/** Ends the broker of a folder, if one runs; what it has stored stays. */
export async function stopBroker(folder: string, signal: NodeJS.Signals = 'SIGTERM') {
  const broker = runningBroker(folder);
  if (!broker) return;
  process.kill(broker.pid, signal);
  const until = Date.now() + STOP_MS;
  while (isBroker(broker.pid, folder)) {
    if (Date.now() > until) process.kill(broker.pid, 'SIGKILL');
    await delay(50);
  }
  rmSync(path.join(folder, 'pid'), { force: true });
}

/** Process numbers are used again: it is ours if its command line says so, where that can be read. */
function isBroker(pid: number, folder: string): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder);
  } catch {
    return !existsSync('/proc/self');
  }
}

function addressesOf(folder: string): Pick<Broker, 'address' | 'saslAddress'> {
  const text = readFileSync(path.join(folder, 'server.properties'), 'utf8');
  const of = (name: string) =>
    new RegExp(`^listeners=.*\\b${name}://([^,\\s]+)`, 'm').exec(text)?.[1];
  return { address: of('PLAINTEXT') ?? '', saslAddress: of('SASL_PLAINTEXT') };
}

const PLAIN = 'org.apache.kafka.common.security.plain.PlainLoginModule';

async function prepare(java: string, folder: string, { settings, user }: BrokerOptions) {
  mkdirSync(folder, { recursive: true });
  const [port, controller, sasl] = await freePorts(3);
  const addresses = [`PLAINTEXT://127.0.0.1:${port}`, `CONTROLLER://127.0.0.1:${controller}`];
  if (user) addresses.push(`SASL_PLAINTEXT://127.0.0.1:${sasl}`);
  const listeners = addresses.join(',');
  const properties = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.bootstrap.servers': `127.0.0.1:${controller}`,
    listeners,
    'advertised.listeners': listeners,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'listener.security.protocol.map':
      'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT',
    ...(user && {
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.sasl_plaintext.plain.sasl.jaas.config': `${PLAIN} required user_${user.name}="${user.password}";`,
    }),
    'log.dirs': path.join(folder, 'data'),
    'num.partitions': '3',
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '3',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '3',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    ...settings,
  };
  const file = path.join(folder, 'server.properties');
  const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
  writeFileSync(`${file}.new`, lines.join(''));
  const id = Buffer.from(folder).toString('base64url').slice(-22).padStart(22, 'k');
  const format = ['kafka.tools.StorageTool', 'format', '--standalone', '-t', id];
  await execa(java, ['-cp', classPath(), ...format, '-c', `${file}.new`], { timeout: START_MS });
  await rename(`${file}.new`, file);
}

/** Undefined if it ended, or was not there in time. */
async function launch(
  java: string,
  folder: string,
  outlives: boolean,
): Promise<Broker | undefined> {
  // An open file is the process's own: it writes on when this program has ended.
  const log = createWriteStream(path.join(folder, 'broker.log'), { flags: 'a' });
  await once(log, 'open');
  const child = execa(
    java,
    [
      '-Xms256m',
      '-Xmx512m',
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
      '-cp',
      classPath(),
      'kafka.Kafka',
      path.join(folder, 'server.properties'),
    ],
    {
      stdio: ['ignore', log, log],
      detached: outlives,
      cleanup: !outlives,
      reject: false,
      cwd: folder,
    },
  );
  writeFileSync(path.join(folder, 'pid'), String(child.pid));
  log.destroy();
  let ended = false;
  void child.then(() => {
    ended = true;
  });
  const { address, saslAddress } = addressesOf(folder);
  const until = Date.now() + START_MS;
  while (!ended && Date.now() < until) {
    if (await answers(address)) {
      if (outlives) child.unref();
      return { address, saslAddress, pid: child.pid! };
    }
    await delay(200);
  }
  child.kill('SIGKILL');
  await child;
  return undefined;
}

/** Whether a broker is there that tells of its topics. */
async function answers(address: string): Promise<boolean> {
  const admin = new Admin({ clientId: 'probe', bootstrapBrokers: [address], retries: 0 });
  try {
    await admin.listTopics();
    return true;
  } catch {
    return false;
  } finally {
    await admin.close().catch(() => {});
  }
}

function classPath(): string {
  return path.join(kafkaJars(), '*');
}

/** Ports that are free now; whoever takes one before the broker does makes it start anew. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
