// SPDX-License-Identifier: Apache-2.0
// A schema registry: schemas by the numbers that messages carry, each asked for once.

import { BeamBridgeError, conceal, nap } from '../../base/index.ts';

/** A user of a registry. */
export interface RegistryUser {
  username: string;
  password: string;
}

/** How long a registry may be away before that is an error. Milliseconds. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 500;
/** How long it may take to answer. Milliseconds. */
const REQUEST_MS = 10_000;

/** A schema as a registry tells it. */
export interface RegisteredSchema {
  readonly id: number;
  readonly schema: unknown;
}

interface Answer {
  readonly id?: number;
  readonly schema?: string;
  readonly schemaType?: string;
  readonly references?: readonly unknown[];
}

export class SchemaRegistry {
  private readonly byId = new Map<number, Promise<RegisteredSchema>>();
  private readonly bySubject = new Map<string, Promise<RegisteredSchema>>();

  constructor(
    private readonly address: string,
    private readonly user: RegistryUser | undefined,
    private readonly patienceMillis = PATIENCE_MS,
  ) {}

  /** @throws BeamBridgeError `MALFORMED_DATA` for a number that there is not */
  schema(id: number): Promise<RegisteredSchema> {
    return once(this.byId, id, async () => {
      const answer = await this.ask(`schemas/ids/${id}`);
      if (!answer) {
        throw new BeamBridgeError('MALFORMED_DATA', `${this.address} has no schema ${id}`);
      }
      return { id, schema: this.avroOf(answer, `schema ${id}`) };
    });
  }

  /** The latest of a subject. */
  latest(subject: string): Promise<RegisteredSchema> {
    return once(this.bySubject, subject, async () => {
      const answer = await this.ask(`subjects/${encodeURIComponent(subject)}/versions/latest`);
      if (!answer || answer.id === undefined) {
        throw new BeamBridgeError('ENDPOINT_REFUSED', `${this.address} has no subject ${subject}`, {
          hint: 'Register the schema first: subjects are TOPIC-value and TOPIC-key, as a rule.',
        });
      }
      return { id: answer.id, schema: this.avroOf(answer, `the schema of ${subject}`) };
    });
  }

  private avroOf({ schema, schemaType = 'AVRO', references }: Answer, what: string): unknown {
    if (schemaType !== 'AVRO' || references?.length) {
      const is = schemaType === 'AVRO' ? 'refers to others' : `is ${schemaType}`;
      throw new BeamBridgeError('UNSUPPORTED', `${what} ${is}`, {
        hint: 'Schemas of Avro that are whole by themselves can be read.',
      });
    }
    return JSON.parse(schema ?? '');
  }

  /** Undefined for what is not there. */
  private async ask(path: string): Promise<Answer | undefined> {
    const { address, user } = this;
    const headers: Record<string, string> = { accept: 'application/vnd.schemaregistry.v1+json' };
    if (user) {
      const both = Buffer.from(`${user.username}:${user.password}`).toString('base64');
      headers.authorization = `Basic ${both}`;
    }
    const until = performance.now() + this.patienceMillis;
    for (;;) {
      let why: string;
      try {
        const response = await fetch(`${address}/${path}`, {
          headers,
          signal: AbortSignal.timeout(REQUEST_MS),
        });
        const { status } = response;
        if (status === 404) return undefined;
        if (status === 401 || status === 403) throw refused(address, status);
        if (response.ok) return (await response.json()) as Answer;
        why = `HTTP ${status}`;
        if (status < 500 && status !== 429 && status !== 408) throw notUnderstood(address, why);
      } catch (error) {
        if (error instanceof BeamBridgeError) throw error;
        const { cause, message } = error as Error;
        why = cause instanceof Error ? `${message}: ${cause.message}` : message;
      }
      if (performance.now() >= until) throw away(address, why);
      await nap(PAUSE_MS);
    }
  }
}

/** What has failed is asked for again by the next who wants it. */
function once<K, T>(known: Map<K, Promise<T>>, key: K, ask: () => Promise<T>): Promise<T> {
  let found = known.get(key);
  if (!found) {
    found = ask();
    known.set(key, found);
    found.catch(() => known.delete(key));
  }
  return found;
}

function refused(address: string, status: number): BeamBridgeError {
  return new BeamBridgeError('CREDENTIALS_REFUSED', `${address} answered HTTP ${status}`, {
    hint: "Look at the registry's user and password.",
  });
}

function notUnderstood(address: string, why: string): BeamBridgeError {
  return new BeamBridgeError('ENDPOINT_REFUSED', `${address} answered ${why}`, {
    hint: "Is that the registry's address?",
  });
}

function away(address: string, why: string): BeamBridgeError {
  return new BeamBridgeError('ENDPOINT_UNAVAILABLE', conceal(`${address} is away: ${why}`), {
    hint: 'Is the registry there, and can it be reached from here?',
  });
}
