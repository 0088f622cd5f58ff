// SPDX-License-Identifier: Apache-2.0
// What a benchmark gives back, and how it is printed.

/** A finished benchmark: one row per peer and case. */
export interface Table {
  title: string;
  head: string[];
  rows: string[][];
}

/** The table as text with aligned columns. */
export function printTable({ title, head, rows }: Table): string {
  const widths = head.map((name, i) =>
    Math.max(name.length, ...rows.map((r) => r[i]?.length ?? 0)),
  );
  const line = (cells: string[]) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd();
  return [title, line(head), line(widths.map((w) => '-'.repeat(w))), ...rows.map(line)].join('\n');
}
