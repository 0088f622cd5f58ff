// SPDX-License-Identifier: Apache-2.0
// How nodes are connected: who takes what a node gives, and how far a PCollection's watermark is.
// Flattens and reshuffles are no nodes: their outputs are other names of their inputs.

import { type Instant, MAX_TIMESTAMP, type WindowedValue } from '../../../coders/index.ts';
import type { MaybePromise } from '../../../harness/index.ts';
import { type Block, blockOf } from './block.ts';
import { GateNode } from './gate-node.ts';
import type { EngineNode } from './node.ts';
import type { Origin } from './origin.ts';
import { TestStreamNode } from './sources.ts';

export class Wiring {
  private readonly producers = new Map<string, EngineNode>();
  private readonly consumers = new Map<string, EngineNode[]>();
  /** Inputs of flattens and reshuffles, by their output. */
  private readonly aliases = new Map<string, readonly string[]>();
  private readonly forwards = new Map<string, string[]>();

  connect(node: EngineNode): void {
    for (const output of node.outputs) this.producers.set(output, node);
    for (const input of node.inputs) {
      this.consumers.set(input, [...(this.consumers.get(input) ?? []), node]);
    }
  }

  /** Makes `output` another name of all `inputs`. */
  alias(output: string, inputs: readonly string[]): void {
    this.aliases.set(output, inputs);
    for (const input of inputs) {
      this.forwards.set(input, [...(this.forwards.get(input) ?? []), output]);
    }
  }

  /** A gate for those who are connected to a PCollection after it. */
  gate(pcollection: string): GateNode {
    const gate = new GateNode(pcollection, this.forwards.get(pcollection)?.length ?? 0);
    this.connect(gate);
    return gate;
  }

  /** Hands what waits at a gate to those who came after it. */
  open(gate: GateNode): void {
    const { pcollection } = gate;
    const consumers = this.consumers.get(pcollection)!;
    const place = consumers.indexOf(gate);
    const added = consumers.slice(place + 1);
    const aliases = (this.forwards.get(pcollection) ?? []).slice(gate.forwards);
    for (const block of gate.open()) {
      for (const node of added) void node.take?.(block);
      for (const alias of aliases) this.hand(alias, block, []);
    }
    consumers.splice(place, 1);
  }

  /** Producers before consumers, so that one round of steps carries a watermark all the way. */
  inOrder(nodes: readonly EngineNode[]): EngineNode[] {
    const sorted = new Set<EngineNode>();
    const visit = (node: EngineNode) => {
      if (sorted.has(node)) return;
      for (const input of node.inputs) {
        for (const origin of this.origins(input)) {
          const producer = this.producers.get(origin);
          if (producer) visit(producer);
        }
      }
      sorted.add(node);
    };
    for (const node of nodes) visit(node);
    return [...sorted];
  }

  /** The PCollections that a PCollection is made of by flattening and moving alone. */
  private origins(pcollection: string): string[] {
    const inputs = this.aliases.get(pcollection);
    return inputs ? inputs.flatMap((input) => this.origins(input)) : [pcollection];
  }

  deliver(
    pcollection: string,
    elements: readonly WindowedValue<unknown>[],
    origin?: Origin,
  ): MaybePromise<void> {
    if (elements.length === 0) return;
    const block = blockOf(elements, origin);
    const pending: Promise<void>[] = [];
    this.hand(pcollection, block, pending);
    if (pending.length > 0) return Promise.all(pending).then(() => {});
  }

  private hand(pcollection: string, block: Block, pending: Promise<void>[]) {
    for (const node of this.consumers.get(pcollection) ?? []) {
      const wait = node.take?.(block);
      if (wait) pending.push(wait);
    }
    for (const alias of this.forwards.get(pcollection) ?? []) this.hand(alias, block, pending);
  }

  watermark(pcollection: string): Instant {
    let least = MAX_TIMESTAMP;
    for (const origin of this.origins(pcollection)) {
      const producer = this.producers.get(origin);
      // What nobody produces is an empty flatten's output.
      if (!producer) continue;
      const watermark =
        producer instanceof TestStreamNode
          ? producer.watermarkOf(origin)
          : producer.outputWatermark;
      if (watermark < least) least = watermark;
    }
    return least;
  }
}
