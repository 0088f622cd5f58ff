// SPDX-License-Identifier: Apache-2.0
// Every complete program that README.md and the pages under docs/ show compiles, and every link of
// theirs leads somewhere. Starts nothing: one TypeScript program holds them all.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { globSync } from 'tinyglobby';
import ts from 'typescript';

const root = resolve(import.meta.dirname, '../..');
const pages = ['README.md', ...globSync('docs/**/*.md', { cwd: root, ignore: 'docs/api/**' })];

interface Program {
  page: string;
  /** The page's line on which the program begins, counted from 0. */
  line: number;
  text: string;
}

/** Values that a page's programs take for given: one line each, in a comment that nobody sees. */
function givenBy(markdown: string): [string, string][] {
  const [, comment = ''] = /^<!-- given\n(.*?)-->$/ms.exec(markdown) ?? [];
  return [...comment.matchAll(/^declare \w+ (\w+).*$/gm)].map(([line, name = '']) => [name, line]);
}

/** A block with imports is a program, unless an ellipsis outside of its comments leaves something out. */
function programsOf(page: string, markdown: string): Program[] {
  const given = givenBy(markdown);
  const blocks = [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)];
  return blocks
    .filter(([, text = '']) => {
      return /^import /m.test(text) && !text.replaceAll(/\/\/.*$/gm, '').includes('…');
    })
    .map(({ 1: text = '', index }) => {
      const missing = given.filter(
        ([name]) => !new RegExp(`(const|function) ${name}\\b`).test(text),
      );
      return {
        page,
        line: markdown.slice(0, index).split('\n').length,
        text: text + missing.map(([, line]) => `${line}\n`).join(''),
      };
    });
}

/** What is wrong with programs, as `page:line: message`. */
function mistakesIn(programs: readonly Program[], folder: string): string[] {
  const files = new Map<string, Program>();
  programs.forEach((program, i) => {
    // A block that begins with the name of its file can be imported by others of its page.
    const name = /^\/\/ (\S+\.ts)\n/.exec(program.text)?.[1] ?? `program-${i}.ts`;
    const file = join(folder, program.page, name);
    assert.ok(!files.has(file), `${program.page} shows ${name} twice`);
    files.set(file, program);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, program.text);
  });
  const configFile = join(root, 'tsconfig.json');
  const { config } = ts.readConfigFile(configFile, ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config, include: [], files: [...files.keys()] },
    ts.sys,
    root,
    { incremental: false },
    configFile,
  );
  const program = ts.createProgram([...files.keys()], options);
  return [...files].flatMap(([file, { page, line }]) => {
    const source = program.getSourceFile(file);
    assert.ok(source, `${relative(root, file)} is not in the program`);
    const found = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ];
    return found.map(({ start = 0, messageText }) => {
      const at = source.getLineAndCharacterOfPosition(start).line;
      return `${page}:${line + at + 1}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}

const WRONG = `# A page

<!-- given
declare const mine: number;
-->

\`\`\`ts
import { createRunner } from 'beambridge';

const runner: string = createRunner({ loud: mine.toFixed() });
\`\`\`

\`\`\`ts
import { something } from 'nowhere'; // left out below
…
\`\`\`
`;

let programs: Program[];
let mistakes: string[];
let folder: string;
before(() => {
  programs = pages.flatMap((page) => programsOf(page, readFileSync(join(root, page), 'utf8')));
  mkdirSync(join(root, '.cache'), { recursive: true });
  folder = mkdtempSync(join(root, '.cache/docs-compile-'));
  mistakes = mistakesIn([...programs, ...programsOf('wrong.md', WRONG)], folder);
});
after(() => rmSync(folder, { recursive: true, force: true }));

test('every complete program of the documentation compiles', () => {
  assert.deepEqual(
    mistakes.filter((mistake) => !mistake.startsWith('wrong.md')),
    [],
  );
});

test('a program that does not is told by its page and line', () => {
  const found = mistakes.filter((mistake) => mistake.startsWith('wrong.md'));
  assert.equal(found.length, 1);
  assert.match(found[0]!, /^wrong\.md:10: Type '.*' is not assignable to type 'string'/);
});

test('the README and every guide show a complete program', () => {
  const shown = new Set(programs.map(({ page }) => page));
  const guides = pages.filter((page) => page.startsWith('docs/guides/'));
  assert.deepEqual(
    ['README.md', ...guides].filter((page) => !shown.has(page)),
    [],
  );
});

/** How GitHub names the place of a heading. */
function anchorsOf(markdown: string): Set<string> {
  const headings = markdown.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm);
  const place = (text: string) =>
    text
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-');
  return new Set([...headings].map(([, text = '']) => place(text)));
}

test('every link between pages leads to a file, and to a heading of it', () => {
  const broken = pages.flatMap((page) => {
    const markdown = readFileSync(join(root, page), 'utf8');
    const links = [...markdown.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]*))?\)/g)];
    return links.flatMap(([link, path = '', anchor]) => {
      const target = path ? join(root, dirname(page), path) : join(root, page);
      if (!existsSync(target)) return [`${page}: ${link}`];
      const isThere = !anchor || anchorsOf(readFileSync(target, 'utf8')).has(anchor);
      return isThere ? [] : [`${page}: ${link}`];
    });
  });
  assert.deepEqual(broken, []);
});
