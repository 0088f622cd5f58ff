// SPDX-License-Identifier: Apache-2.0
// What the node runner is loaded with, at which sizes, and what that may take.

/** What a case may take at most. */
export interface Bounds {
  /** Peak memory of node, at every size. */
  readonly mb?: number;
  /** What V8 is allowed for objects, in MB: it takes more before it tidies up than it needs. */
  readonly heapMb?: number;
  /** Of the figures that the program prints. */
  readonly most?: Readonly<Record<string, number>>;
}

export interface LoadCase {
  /** The case of load_beambridge.ts. */
  readonly name: string;
  readonly unit: string;
  readonly sizes: readonly number[];
  /** Whether its processor time follows from its size; otherwise it runs for so long. */
  readonly isWork: boolean;
  /** The figures that the program prints. */
  readonly says: readonly string[];
  readonly bounds: Bounds;
}

const MAX_LAG = 2;

export const LOAD_CASES: readonly LoadCase[] = [
  {
    name: 'waiting',
    unit: 'elements that wait for a side input',
    sizes: [200_000, 400_000, 800_000],
    isWork: true,
    says: [],
    bounds: { mb: 500 },
  },
  {
    name: 'large-waiting',
    unit: 'elements of 500 bytes that wait',
    sizes: [500_000, 1_000_000],
    isWork: true,
    says: [],
    bounds: { mb: 500 },
  },
  {
    name: 'busy-typescript',
    unit: 'seconds with a queue that is never empty',
    sizes: [10, 20],
    isWork: false,
    says: ['panes', 'timers', 'pane lag seconds', 'timer lag seconds'],
    bounds: { mb: 250, most: { 'pane lag seconds': MAX_LAG, 'timer lag seconds': MAX_LAG } },
  },
  {
    name: 'busy-python',
    unit: 'seconds with a queue that is never empty',
    sizes: [10, 20],
    isWork: false,
    says: ['timers', 'timer lag seconds'],
    bounds: { mb: 250, most: { 'timer lag seconds': MAX_LAG } },
  },
  {
    name: 'large-outputs',
    unit: 'texts that become 200 kB in Python',
    sizes: [2000, 4000, 8000],
    isWork: true,
    says: ['first seconds'],
    bounds: { mb: 250, most: { 'first seconds': 2 } },
  },
  {
    name: 'many-keys',
    unit: 'keys of one element each, grouped',
    sizes: [2_500_000, 5_000_000, 10_000_000],
    isWork: true,
    says: [],
    bounds: { mb: 1500 },
  },
  {
    name: 'expired-windows',
    unit: 'windows with state and a side input',
    sizes: [250_000, 500_000, 1_000_000],
    isWork: true,
    says: [],
    bounds: { mb: 400, heapMb: 256 },
  },
];
