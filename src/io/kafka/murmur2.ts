// SPDX-License-Identifier: Apache-2.0
// The hash by which Kafka's own clients choose a key's partition: equal keys must come to the same one,
// whoever writes them. The package has it in bigints, at some microseconds a key.
// Source: org.apache.kafka.common.utils.Utils.murmur2

const SEED = 0x9747b28c;
const M = 0x5bd1e995;

/** The partition of a key, of so many. */
export function partitionOf(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}

/** The hash, as a number of 32 bits with sign. */
export function murmur2(data: Uint8Array): number {
  const { length } = data;
  const whole = length & ~3;
  let h = SEED ^ length;
  for (let i = 0; i < whole; i += 4) {
    let k = data[i]! | (data[i + 1]! << 8) | (data[i + 2]! << 16) | (data[i + 3]! << 24);
    k = Math.imul(k, M);
    k = Math.imul(k ^ (k >>> 24), M);
    h = Math.imul(h, M) ^ k;
  }
  const rest = length - whole;
  if (rest > 2) h ^= data[whole + 2]! << 16;
  if (rest > 1) h ^= data[whole + 1]! << 8;
  if (rest > 0) h = Math.imul(h ^ data[whole]!, M);
  h = Math.imul(h ^ (h >>> 13), M);
  return h ^ (h >>> 15);
}
