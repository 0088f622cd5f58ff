// SPDX-License-Identifier: Apache-2.0
// The capability table is complete, has no gap for the node runner, and is the one in the docs.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { constructPipeline } from '../../src/runners/index.ts';
import { capabilities } from './capabilities.ts';
import { BEGIN, capabilityTable, columns, END, markOf, namesOf } from './capability-table.ts';
import { groups, pythonGroups } from './groups.ts';
import { crossIntoPython } from './python-between.ts';
import { configurations } from './runners.ts';

const rows = Object.values(capabilities).flat();
const cases = (table: typeof groups) => Object.values(table).flat();
const names = (table: typeof groups) => cases(table).map(({ name }) => name);

test('each case has a name of its own, and a place in the table', () => {
  const all = [...names(groups), ...names(pythonGroups)];
  assert.deepEqual(
    all.filter((name, i) => all.indexOf(name) !== i),
    [],
  );
  const placed = new Set(
    rows.flatMap(({ typescript, python }) => namesOf([...typescript, ...python])),
  );
  assert.deepEqual(
    all.filter((name) => !placed.has(name)),
    [],
  );
});

test('the table speaks of cases that there are', () => {
  for (const { name, typescript, python } of rows) {
    for (const [references, table] of [
      [typescript, groups],
      [python, pythonGroups],
    ] as const) {
      const known = names(table);
      const found = namesOf(references);
      assert.deepEqual(
        found.filter((one) => !known.includes(one)),
        [],
        name,
      );
      for (const reference of references) assert.ok(namesOf([reference]).length > 0, reference);
    }
    assert.ok(typescript.length + python.length > 0, name);
  }
});

test('what a runner cannot do is said of cases that there are', () => {
  const known = new Set([...names(groups), ...names(pythonGroups)]);
  for (const { name, unsupported, differs = {} } of columns) {
    assert.deepEqual(
      [...Object.keys(unsupported), ...Object.keys(differs)].filter((one) => !known.has(one)),
      [],
      name,
    );
  }
});

test('the node runner has no gap', () => {
  for (const { name, unsupported } of configurations.filter(({ name }) =>
    name.startsWith('node'),
  )) {
    assert.deepEqual(unsupported, {}, name);
  }
  const node = columns.find(({ name }) => name === 'node')!;
  for (const { typescript, python } of rows) {
    assert.ok(['yes', ''].includes(markOf(typescript, node)));
    assert.ok(['yes', ''].includes(markOf(python, node)));
  }
});

test('docs/runners.md holds this table', () => {
  const text = readFileSync(new URL('../../docs/runners.md', import.meta.url), 'utf8');
  const start = text.indexOf(BEGIN);
  const end = text.indexOf(END);
  assert.ok(start >= 0 && end > start, 'the marks of the table are not there');
  assert.equal(
    text.slice(start + BEGIN.length, end).trim(),
    capabilityTable(),
    'run `npm run capabilities`',
  );
});

test('most cases do go through Python where stages of Python are put between', async () => {
  const crossed: string[] = [];
  for (const one of cases(groups).filter(({ fails }) => !fails)) {
    await constructPipeline(async (root) => {
      await one.build(root);
      if (crossIntoPython(root) > 0) crossed.push(one.name);
    }, {});
  }
  assert.ok(crossed.length > 100, `${crossed.length} cases`);
});
