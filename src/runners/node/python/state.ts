// SPDX-License-Identifier: Apache-2.0
// Answers what a bundle in Python asks of the runner's state.

import { BeamBridgeError } from '../../../base/index.ts';
import type { BundleState, UserState } from '../../../harness/index.ts';
import { fn, type MessageInitShape, toBinary } from '../../../proto/index.ts';
import { OrderedLists } from './ordered-list.ts';

type Answer = MessageInitShape<typeof fn.StateResponseSchema>;

/** Size from which an answer is complete, and the rest is asked for. */
const PIECE_BYTES = 1024 * 1024;

/** A read that was answered in part. */
interface OpenRead {
  readonly chunks: AsyncIterator<Uint8Array>;
  /** How many chunks were handed out. */
  position: number;
}

/**
 * The state of one bundle. A chunk that `state` gives must hold whole elements: Python decodes each
 * answer by itself.
 */
export class StateAnswers {
  /** By key; Python may go back to any continuation that it was given. */
  private readonly reads = new Map<string, OpenRead>();

  constructor(private readonly state: BundleState) {}

  /** @throws whatever `state` rejects with */
  async answer({ stateKey, request }: fn.StateRequest): Promise<Answer> {
    switch (request.case) {
      case 'get':
        return this.get(stateKey, request.value.continuationToken);
      case 'append':
        await this.append(stateKey, request.value.data);
        return { response: { case: 'append', value: {} } };
      case 'clear':
        await this.clear(stateKey);
        return { response: { case: 'clear', value: {} } };
      default:
        throw unsupported('a request of an unknown kind');
    }
  }

  private async get(key: fn.StateKey | undefined, token: Uint8Array): Promise<Answer> {
    const name = key ? Buffer.from(toBinary(fn.StateKeySchema, key)).toString('base64') : '';
    const start = Number(Buffer.from(token).toString());
    let read = this.reads.get(name);
    if (!read || read.position !== start) {
      await read?.chunks.return?.();
      read = { chunks: this.open(key)[Symbol.asyncIterator](), position: 0 };
      while (read.position < start && !(await read.chunks.next()).done) read.position++;
    }
    const parts: Uint8Array[] = [];
    let size = 0;
    const most = this.isWhole(key) ? Number.POSITIVE_INFINITY : PIECE_BYTES;
    while (size < most) {
      const next = await read.chunks.next();
      if (next.done) {
        this.reads.delete(name);
        return { response: { case: 'get', value: { data: Buffer.concat(parts) } } };
      }
      read.position++;
      parts.push(next.value);
      size += next.value.length;
    }
    this.reads.set(name, read);
    const continuationToken = Buffer.from(String(read.position));
    return { response: { case: 'get', value: { data: Buffer.concat(parts), continuationToken } } };
  }

  /** Python keeps for later bundles what it was told at once, and only the beginning of anything else. */
  private isWhole(key: fn.StateKey | undefined): boolean {
    const type = key?.type;
    switch (type?.case) {
      case 'iterableSideInput':
      case 'multimapSideInput':
      case 'multimapKeysSideInput':
        return this.state.isWhole?.(type.value) ?? false;
      default:
        return false;
    }
  }

  private open(key: fn.StateKey | undefined): AsyncIterable<Uint8Array> {
    const { state } = this;
    const type = key?.type;
    switch (type?.case) {
      case 'iterableSideInput':
        return state.sideInput(type.value);
      case 'multimapSideInput':
      case 'multimapKeysSideInput': {
        if (!state.multimap) throw unsupported('a side input that is a multimap');
        const mapKey = type.case === 'multimapSideInput' ? type.value.key : undefined;
        return state.multimap(type.value, mapKey);
      }
      case 'runner':
        return state.iterable(type.value.key);
      case 'orderedListUserState':
        return this.lists().read(type.value);
      case 'bagUserState':
        return this.user().read(type.value);
      default:
        throw unsupported(kindOf(key));
    }
  }

  private async append(key: fn.StateKey | undefined, data: Uint8Array): Promise<void> {
    const type = key?.type;
    if (type?.case === 'bagUserState') return this.user().append(type.value, data);
    if (type?.case === 'orderedListUserState') return this.lists().append(type.value, data);
    throw unsupported(kindOf(key));
  }

  private async clear(key: fn.StateKey | undefined): Promise<void> {
    const type = key?.type;
    if (type?.case === 'bagUserState') return this.user().clear(type.value);
    if (type?.case === 'orderedListUserState') return this.lists().clear(type.value);
    throw unsupported(kindOf(key));
  }

  private user(): UserState {
    if (this.state.user) return this.state.user;
    throw new BeamBridgeError('INTERNAL', 'a Python stage without state asked for some');
  }

  private lists(): OrderedLists {
    return new OrderedLists(this.user());
  }
}

function kindOf(key: fn.StateKey | undefined): string {
  return `state of the kind ${key?.type.case ?? 'unknown'}`;
}

function unsupported(what: string): BeamBridgeError {
  return new BeamBridgeError('UNSUPPORTED', `a Python stage asked for ${what}`, {
    hint: 'Runner `node` keeps the kinds of state that Beam 2.77 has in Python: bags, single values, combining values, sets and ordered lists.',
  });
}
