// SPDX-License-Identifier: Apache-2.0
// Which numbers a declared float32 takes, wherever it is declared: a fraction is rounded to its precision, and a
// whole number that would be rounded is refused, for it would be another one (an id, a count, a time). Python's end
// has the same rule for its `int`, in python-env/beambridge_host/wire/exact_numbers.py. JavaScript has one kind of
// number: there, whole is what int64 takes, up to 2^53 - 1.

/** Up to here float32 has every whole number. */
export const FLOAT32_WHOLE = 2 ** 24;
/** From here on a double rounds to infinity as a float32: half a step above the largest. */
const OVERFLOW = 3.4028234663852886e38 + 2 ** 103;

/** Whether a float32 takes a number. */
export function fitsFloat32(value: number): boolean {
  return (value <= FLOAT32_WHOLE && value >= -FLOAT32_WHOLE) || whyNotFloat32(value) === undefined;
}

/** What is wrong with a number as a float32. */
export function whyNotFloat32(value: number): string | undefined {
  if (Math.abs(value) >= OVERFLOW && Number.isFinite(value)) {
    return 'Declare it float64: float32 would make it infinite.';
  }
  if (Number.isSafeInteger(value) && Math.fround(value) !== value) {
    return 'Declare it float64, or int64: float32 would round this whole number to another one.';
  }
  return undefined;
}
