// SPDX-License-Identifier: Apache-2.0
// The capability table as Markdown, made of what the suite knows: docs/runners.md holds a copy.

import { capabilities } from './capabilities.ts';
import type { Cases } from './case.ts';
import { engines } from './engines.ts';
import { groups, pythonGroups } from './groups.ts';
import { configurations, type RunnerConfiguration } from './runners.ts';

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

export type Mark = 'yes' | 'partly' | 'no' | 'otherwise' | '';

type Gaps = Pick<RunnerConfiguration, 'unsupported' | 'differs'>;

/** Whether a runner does what the cases show. */
export function markOf(references: readonly string[], { unsupported, differs = {} }: Gaps): Mark {
  const names = namesOf(references);
  if (names.length === 0) return '';
  const refused = names.filter((name) => name in unsupported).length;
  const other = names.filter((name) => name in differs).length;
  if (refused + other === 0) return 'yes';
  if (refused + other < names.length) return 'partly';
  return other === names.length ? 'otherwise' : 'no';
}

/** Why a runner does not do all that the cases show. */
function reasonsOf(references: readonly string[], { unsupported, differs = {} }: Gaps): string[] {
  const reasons = namesOf(references).flatMap((name) => {
    if (unsupported[name]) return [unsupported[name]];
    return differs[name] ? [`${differs[name]} (not refused)`] : [];
  });
  return [...new Set(reasons)];
}

/** The runners that have columns. */
export const columns = [...configurations, ...engines].filter(({ runsPython }) => runsPython);

/** The table, with a note for each gap. */
export function capabilityTable(): string {
  const notes: string[] = [];
  const noted = (references: readonly string[], gaps: Gaps) => {
    const mark = markOf(references, gaps);
    if (mark === 'yes' || mark === '') return mark;
    const numbers = reasonsOf(references, gaps).map((reason) => {
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
        const cells = columns.flatMap((column) => [
          noted(typescript, column),
          noted(python, column),
        ]);
        return `| ${name} |${cells.map((cell) => (cell ? ` ${cell} |` : ' |')).join('')}`;
      }),
    ]),
  ];
  const footnotes = notes.map((note, i) => `${i + 1}. ${note}`);
  return [lines.join('\n'), footnotes.join('\n')].filter((part) => part !== '').join('\n\n');
}
