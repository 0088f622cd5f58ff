// SPDX-License-Identifier: Apache-2.0
// Arrays in PostgreSQL's text form: {1,2,NULL,"a \"b\""}, and in each other.
// Source: https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO

import { Misfit, quoted } from '../records/misfit.ts';

/** An array as texts: null is NULL. */
export type ArrayTexts = (string | null | ArrayTexts)[];

/** The elements of a text. @throws {@link Misfit} for what is no array */
export function parseArray(text: string): ArrayTexts {
  // Bounds other than from 1 are in front: [0:2]={…}.
  const begin = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  if (text[begin] !== '{' || !text.endsWith('}')) throw new Misfit(`${quoted(text)} is no array`);
  const inner = text.slice(begin + 1, -1);
  if (inner === '') return [];
  if (!/[{"\\]/.test(inner))
    return inner.split(',').map((one) => (/^null$/i.test(one) ? null : one));
  return new ArrayTextParser(text, begin).array();
}

class ArrayTextParser {
  constructor(
    private readonly text: string,
    private at: number,
  ) {}

  array(): ArrayTexts {
    const elements: ArrayTexts = [];
    this.at += 1;
    if (this.text[this.at] === '}') {
      this.at += 1;
      return elements;
    }
    for (;;) {
      elements.push(this.element());
      const next = this.text[this.at++];
      if (next === '}') return elements;
      if (next !== ',') throw new Misfit(`${quoted(this.text)} is no array`);
    }
  }

  private element(): string | null | ArrayTexts {
    const first = this.text[this.at];
    if (first === '{') return this.array();
    if (first === '"') return this.quoted();
    const begin = this.at;
    while (this.at < this.text.length && !/[,}]/.test(this.text[this.at]!)) this.at += 1;
    const bare = this.text.slice(begin, this.at);
    return /^null$/i.test(bare) ? null : bare;
  }

  private quoted(): string {
    let value = '';
    for (this.at += 1; this.at < this.text.length; this.at++) {
      const letter = this.text[this.at]!;
      if (letter === '"') {
        this.at += 1;
        return value;
      }
      value += letter === '\\' ? this.text[++this.at] : letter;
    }
    throw new Misfit(`${quoted(this.text)} is no array`);
  }
}

/** The text of an array. */
export function arrayText(values: ArrayTexts): string {
  return `{${values.map(elementText).join(',')}}`;
}

function elementText(value: string | null | ArrayTexts): string {
  if (value === null) return 'NULL';
  if (typeof value !== 'string') return arrayText(value);
  // A number is one as it is; whatever else there is, quotes are never wrong.
  if (/^-?\d[\d.]*$/.test(value)) return value;
  return `"${value.replace(/["\\]/g, '\\$&')}"`;
}

/**
 * Arrays in arrays are of one length each, and none of them is empty, as PostgreSQL's are.
 *
 * @returns the lengths, the outermost first
 * @throws {@link Misfit} for others
 */
export function lengthsOf(values: ArrayTexts): number[] {
  const inner = values.filter((value) => Array.isArray(value));
  if (inner.length === 0) return [values.length];
  const lengths = inner.map((one) => {
    if (one.length > 0) return lengthsOf(one);
    throw new Misfit('it holds an array that is empty', 'PostgreSQL keeps no such arrays.');
  });
  const isEven = new Set(lengths.map(String)).size === 1 && inner.length === values.length;
  if (isEven) return [values.length, ...lengths[0]!];
  throw new Misfit(
    'the arrays in it are of several lengths',
    'PostgreSQL has none such: a column of jsonb holds them.',
  );
}
