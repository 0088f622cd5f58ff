// SPDX-License-Identifier: Apache-2.0
// The question to another SDK which windows merge, by the transform that Beam has for it.

import { ByteReader, ByteWriter, retry } from '../../../base/index.ts';
import {
  type Coder,
  coderFromProto,
  encodeValue,
  GlobalWindow,
  type KV,
  MIN_TIMESTAMP,
  NO_FIRING,
  type Window,
  type WindowedValue,
  WindowedValueCoder,
} from '../../../coders/index.ts';
import { create, fn, pb, toBinary, urns } from '../../../proto/index.ts';
import type { StageExecutor } from './executor.ts';

const Coders = urns.StandardCoders_Enum;
const SOURCE = 'merge:source';
const SINK = 'merge:sink';

/** What becomes of windows, by their bytes. */
export type Merged = ReadonlyMap<string, Window>;

/** Who is asked, and about what. */
export interface MergeOptions {
  readonly windowing: pb.WindowingStrategy;
  readonly windowCoder: Coder<unknown>;
  readonly components: pb.Components;
  readonly executor: StageExecutor;
  /** Ends the questions under way. */
  readonly signal: AbortSignal;
}

type Answer = KV<Uint8Array, KV<Iterable<Window>, Iterable<KV<Window, Iterable<Window>>>>>;

/**
 * Asks an SDK which windows merge, by the transform that Beam has for it: sets of windows go in, each
 * with a nonce, and out come those that stay and those that merged, with what they were merged from.
 * Source: https://github.com/apache/beam/blob/master/model/pipeline/src/main/proto/org/apache/beam/model/pipeline/v1/beam_runner_api.proto, `MERGE_WINDOWS`
 */
export class MergeQuestion {
  private readonly descriptor: fn.ProcessBundleDescriptor;
  private readonly input: Coder<WindowedValue<unknown>>;
  private readonly output: Coder<WindowedValue<unknown>>;
  private readonly nameOf: (window: Window) => string;

  constructor(private readonly options: MergeOptions) {
    const { components, windowing } = options;
    const ids = new Map<string, string>();
    const coders = { ...components.coders };
    const coder = (urn: string, ...componentCoderIds: string[]) => {
      const name = [urn, ...componentCoderIds].join();
      const id = ids.get(name) ?? `merge:coder${ids.size + 1}`;
      ids.set(name, id);
      coders[id] = create(pb.CoderSchema, { spec: { urn }, componentCoderIds });
      return id;
    };
    const window = windowing.windowCoderId;
    const windows = coder(Coders.ITERABLE, window);
    const nonce = coder(Coders.BYTES);
    const global = coder(Coders.GLOBAL_WINDOW);
    const asked = coder(Coders.KV, nonce, windows);
    const pairs = coder(Coders.ITERABLE, coder(Coders.KV, window, windows));
    const answered = coder(Coders.KV, nonce, coder(Coders.KV, windows, pairs));
    const port = (coderId: string) => ({
      payload: toBinary(
        fn.RemoteGrpcPortSchema,
        create(fn.RemoteGrpcPortSchema, {
          coderId: coder(Coders.WINDOWED_VALUE, coderId, global),
        }),
      ),
    });
    const { DATA_SOURCE, DATA_SINK } = urns.FnApiTransforms_Runner;
    const spec = create(pb.WindowingStrategySchema, {
      windowFn: { urn: 'beam:window_fn:global_windows:v1' },
      windowCoderId: global,
      trigger: { trigger: { case: 'default', value: {} } },
      accumulationMode: pb.AccumulationMode_Enum.DISCARDING,
      outputTime: pb.OutputTime_Enum.END_OF_WINDOW,
      closingBehavior: pb.ClosingBehavior_Enum.EMIT_IF_NONEMPTY,
      onTimeBehavior: pb.OnTimeBehavior_Enum.FIRE_ALWAYS,
      mergeStatus: pb.MergeStatus_Enum.NON_MERGING,
      assignsToOneWindow: true,
      environmentId: windowing.environmentId,
    });
    this.descriptor = create(fn.ProcessBundleDescriptorSchema, {
      id: 'merge',
      transforms: {
        [SOURCE]: {
          uniqueName: SOURCE,
          spec: { urn: DATA_SOURCE, ...port(asked) },
          outputs: { out: 'asked' },
        },
        merge: {
          uniqueName: 'MergeWindows',
          spec: {
            urn: urns.StandardPTransforms_Primitives.MERGE_WINDOWS,
            payload: toBinary(pb.FunctionSpecSchema, windowing.windowFn!),
          },
          inputs: { in: 'asked' },
          outputs: { out: 'answered' },
          environmentId: windowing.environmentId,
        },
        [SINK]: {
          uniqueName: SINK,
          spec: { urn: DATA_SINK, ...port(answered) },
          inputs: { in: 'answered' },
        },
      },
      pcollections: {
        asked: { uniqueName: 'asked', coderId: asked, windowingStrategyId: 'merge:global' },
        answered: {
          uniqueName: 'answered',
          coderId: answered,
          windowingStrategyId: 'merge:global',
        },
      },
      windowingStrategies: { 'merge:global': spec },
      coders,
      environments: components.environments,
    });
    const globalCoder = coderFromProto(global, coders) as Coder<Window>;
    this.input = new WindowedValueCoder(coderFromProto(asked, coders), globalCoder);
    this.output = new WindowedValueCoder(coderFromProto(answered, coders), globalCoder);
    const windowCoder = options.windowCoder as Coder<Window>;
    this.nameOf = (one) => latin1(windowCoder, one);
  }

  /** For each set of windows what those become that merge. */
  async ask(sets: readonly (readonly Window[])[]): Promise<Merged[]> {
    const answers: Merged[] = sets.map(() => new Map());
    const open = sets.flatMap((windows, i) => (windows.length > 1 ? [{ windows, i }] : []));
    if (open.length === 0) return answers;
    const out = new ByteWriter();

    for (const { windows, i } of open) {
      const key = Buffer.from(String(i));
      this.input.encode(inGlobalWindow({ key, value: windows }), out, true);
    }
    const data = out.take();
    const input = new ByteReader(await this.run(data));
    while (!input.done) {
      const { key, value } = this.output.decode(input, true).value as Answer;
      const merged = new Map<string, Window>();
      for (const { key: to, value: from } of value.value) {
        for (const one of [...from, to]) merged.set(this.nameOf(one), to);
      }
      answers[Number(Buffer.from(key).toString())] = merged;
    }
    return answers;
  }

  private run(data: Uint8Array): Promise<Uint8Array> {
    const { executor } = this.options;
    return retry(() => this.attempt(data), { mayRetry: (error) => executor.mayRetry(error) });
  }

  private async attempt(data: Uint8Array): Promise<Uint8Array> {
    const { executor, signal } = this.options;
    const written: Uint8Array[] = [];
    const keep = (_: string, piece: Uint8Array) => void written.push(piece);
    let left: Uint8Array | undefined = data;
    const running = executor.start(this.descriptor, {
      input: {
        next: () => {
          const chunk = left && { transformId: SOURCE, data: left };
          left = undefined;
          return chunk;
        },
      },
      output: { write: keep, close: keep },
      state: { async *sideInput() {}, async *iterable() {} },
    });
    const abort = () => running.abort(signal.reason as Error);
    signal.addEventListener('abort', abort);
    try {
      if (signal.aborted) abort();
      await running.done;
      return Buffer.concat(written);
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

function inGlobalWindow(value: unknown): WindowedValue<unknown> {
  return { value, timestamp: MIN_TIMESTAMP, windows: [GlobalWindow.INSTANCE], pane: NO_FIRING };
}

/** Bytes as a text that can be a key. */
export function latin1<T>(coder: Coder<T>, value: T): string {
  return Buffer.from(encodeValue(coder, value, true)).toString('latin1');
}
