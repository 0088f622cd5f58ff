// SPDX-License-Identifier: Apache-2.0
// Texts and names as a program has them, for types that are printed to be pasted.

const IDENTIFIER = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;

/** The name of a property in an object literal. */
export function propertyName(name: string): string {
  // `'__proto__': …` in an object sets its prototype, and the brackets make it a field.
  if (name === '__proto__') return "['__proto__']";
  return IDENTIFIER.test(name) ? name : quotedText(name);
}

/** A string literal. */
export function quotedText(text: string): string {
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}

/** The text of a program that declares a type. */
export function declaration(names: Iterable<string>, type: string): string {
  const sorted = [...new Set(names)].sort().join(', ');
  return `import { ${sorted} } from 'beambridge/schema';\n\nconst record = ${type};\n`;
}
