// SPDX-License-Identifier: Apache-2.0
// Value classes for what JavaScript lacks: exact decimals, and time in microseconds.

import { BeamBridgeError } from '../base/index.ts';

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/;
/** Beyond this many digits after the point, or zeros before it, a decimal is a mistake. */
const MAX_SCALE = 100_000;

/**
 * An exact decimal number: `unscaled` × 10^-`scale`. It only carries the value; calculate with any
 * library through {@link Decimal.from} and `toString()`.
 *
 * Not a class of big.js or decimal.js because those drop trailing zeros, and on the wire `1.0` and
 * `1.00` have different bytes, as they have in Java and Python.
 *
 * @example
 * ```ts
 * Decimal.from('12.50').toString(); // '12.50'
 * ```
 */
export class Decimal {
  readonly unscaled: bigint;
  /** Digits after the point, from 0. */
  readonly scale: number;

  /** @throws BeamBridgeError `INVALID_ARGUMENT` for a scale that is negative or above 100,000, and for digits that are no bigint */
  constructor(unscaled: bigint, scale = 0) {
    // A text, which JavaScript lets through, would become other digits on the wire.
    if (typeof unscaled !== 'bigint') {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the digits of a decimal are a bigint, not ${typeof unscaled === 'string' ? 'a text' : typeof unscaled}`,
        { hint: "Decimal.from takes texts and numbers: Decimal.from('12.50')." },
      );
    }
    if (!Number.isInteger(scale) || scale < 0 || scale > MAX_SCALE) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `the scale of a decimal is 0 to ${MAX_SCALE}, not ${scale}`,
      );
    }
    this.unscaled = unscaled;
    this.scale = scale;
  }

  /**
   * A decimal from its text (`'-12.50'`, `'1e-7'`), from a number's shortest decimal form, from a
   * bigint, or from another library's decimal by its `toString()`.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` for what is no finite decimal number
   */
  static from(value: string | number | bigint | { toString(): string }): Decimal {
    if (typeof value === 'bigint') return new Decimal(value);
    const text = String(value);
    const match = DECIMAL.exec(text);
    const digits = `${match?.[2] ?? ''}${match?.[3] ?? ''}`;
    if (!match || digits === '') {
      throw new BeamBridgeError('INVALID_ARGUMENT', `${JSON.stringify(text)} is no decimal number`);
    }
    const scale = (match[3]?.length ?? 0) - Number(match[4] ?? 0);
    if (Math.abs(scale) > MAX_SCALE) {
      throw new BeamBridgeError('INVALID_ARGUMENT', `the exponent of ${text} is too large`);
    }
    const magnitude = BigInt(digits) * (scale < 0 ? 10n ** BigInt(-scale) : 1n);
    return new Decimal(match[1] === '-' ? -magnitude : magnitude, Math.max(scale, 0));
  }

  /** The number with all its digits, never with an exponent. */
  toString(): string {
    const sign = this.unscaled < 0n ? '-' : '';
    const digits = (this.unscaled < 0n ? -this.unscaled : this.unscaled)
      .toString()
      .padStart(this.scale + 1, '0');
    if (this.scale === 0) return sign + digits;
    return `${sign}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`;
  }

  /** The nearest double. */
  toNumber(): number {
    return Number(this.toString());
  }

  toJSON(): string {
    return this.toString();
  }
}

const MICROS_PER_MILLI = 1000n;

/** A point in time in whole microseconds since 1970, which a `Date` cannot hold. */
export class MicrosInstant {
  readonly micros: bigint;

  constructor(micros: bigint) {
    this.micros = micros;
  }

  /** @throws BeamBridgeError `INVALID_ARGUMENT` for an invalid date */
  static fromDate(date: Date): MicrosInstant {
    if (Number.isNaN(date.getTime()))
      throw new BeamBridgeError('INVALID_ARGUMENT', 'the date is invalid');
    return new MicrosInstant(BigInt(date.getTime()) * MICROS_PER_MILLI);
  }

  /** The same time in milliseconds, rounded down. */
  toDate(): Date {
    const below = this.micros % MICROS_PER_MILLI < 0n ? 1n : 0n;
    return new Date(Number(this.micros / MICROS_PER_MILLI - below));
  }

  /** ISO 8601 in UTC with six digits after the second. */
  toString(): string {
    const micros = ((this.micros % MICROS_PER_MILLI) + MICROS_PER_MILLI) % MICROS_PER_MILLI;
    return this.toDate()
      .toISOString()
      .replace('Z', `${micros.toString().padStart(3, '0')}Z`);
  }

  toJSON(): string {
    return this.toString();
  }
}
