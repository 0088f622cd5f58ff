// SPDX-License-Identifier: Apache-2.0
// The capability table as Markdown, made of what the suite knows: docs/runners.md holds a copy.

import { capabilities } from './capabilities.ts';
import type { Cases } from './case.ts';
import { groups, pythonGroups } from './groups.ts';
import { configurations } from './runners.ts';

/** The lines between which docs/runners.md holds the table. */
export const BEGIN = '<!-- capabilities: made by npm run capabilities -->';
export const END = '<!-- /capabilities -->';

const table: Readonly<Record<string, Cases>> = { ...groups, ...pythonGroups };

/** Names of the cases that a line of the table refers to. */
export function namesOf(references: readonly string[]): string[] {
  return references.flatMap((reference) => {
    if (!reference.startsWith('group:')) return [reference];
    return (table[reference.slice('group:'.length)] ?? []).map(({ name }) => name);
  });
}

export type Mark = 'yes' | 'partly' | 'no' | '';

/** Whether a runner does what the cases show. */
export function markOf(
  references: readonly string[],
  unsupported: Readonly<Record<string, string>>,
): Mark {
  const names = namesOf(references);
  if (names.length === 0) return '';
  const missing = names.filter((name) => name in unsupported).length;
  return missing === 0 ? 'yes' : missing < names.length ? 'partly' : 'no';
}

/** The runners that have columns. */
export const columns = configurations.filter(({ runsPython }) => runsPython);

/** The table, with a note for each gap. */
export function capabilityTable(): string {
  const notes: string[] = [];
  const noted = (references: readonly string[], unsupported: Readonly<Record<string, string>>) => {
    const mark = markOf(references, unsupported);
    if (mark === 'yes' || mark === '') return mark;
    const reasons = new Set(namesOf(references).map((name) => unsupported[name] ?? ''));
    reasons.delete('');
    const numbers = [...reasons].map((reason) => {
      if (!notes.includes(reason)) notes.push(reason);
      return `[${notes.indexOf(reason) + 1}]`;
    });
    return `**${mark}** ${numbers.join(' ')}`;
  };
  const headings = columns.flatMap(({ name }) => [`\`${name}\``, `\`${name}\`, DoFns in Python`]);
  const lines = [
    `| | ${headings.join(' | ')} |`,
    `|---|${headings.map(() => '---|').join('')}`,
    ...Object.entries(capabilities).flatMap(([question, rows]) => [
      `| **${question}** |${headings.map(() => ' |').join('')}`,
      ...rows.map(({ name, typescript, python }) => {
        const cells = columns.flatMap(({ unsupported }) => [
          noted(typescript, unsupported),
          noted(python, unsupported),
        ]);
        return `| ${name} |${cells.map((cell) => (cell ? ` ${cell} |` : ' |')).join('')}`;
      }),
    ]),
  ];
  const footnotes = notes.map((note, i) => `${i + 1}. ${note}`);
  return [lines.join('\n'), footnotes.join('\n')].filter((part) => part !== '').join('\n\n');
}
