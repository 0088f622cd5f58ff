// SPDX-License-Identifier: Apache-2.0
// What a failure inside Java means. Java reports one as a stack trace: an exception with its frames, then
// those that caused it, the root of them last.

import { BeamBridgeError, conceal, type ErrorCode } from '../base/index.ts';

const FRAME = /^\s+(at [\w.$/<>-]+[(:]|\.\.\. \d+ (more|common frames))/;
/** `Caused by: java.lang.IllegalStateException: what is wrong`. */
const HEAD =
  /^(?:Caused by: )?((?:[a-z_][\w$]*\.)+[\w$]*(?:Exception|Error|Throwable|Failure)[\w$]*)(?:: |$)/;
const DETAIL_LINES = 40;
/** So many frames of each exception are shown. */
const FRAMES = 4;
/** How a Java runner begins what one of its harnesses said. */
const FROM_HARNESS = /Error received from SDK harness for instruction \d+: /;

/** Whether a text is a stack trace of Java. */
export function isJavaFailure(text: string): boolean {
  const lines = text.trimStart().split('\n');
  return HEAD.test(lines[0]!) && lines.some((line) => FRAME.test(line));
}

/** What a harness of Java said, of what its runner made of it; undefined where none said anything. */
export function saidByJavaHarness(text: string): string | undefined {
  const found = FROM_HARNESS.exec(text);
  const said = found ? text.slice(found.index + found[0].length) : undefined;
  return said !== undefined && isJavaFailure(said) ? said : undefined;
}

/** The last stack trace in what a process printed. */
export function lastTrace(printed: string): string | undefined {
  const lines = printed.split('\n');
  const isHead = (line: string) => HEAD.test(line) && !line.startsWith('Caused by: ');
  const first = lines.findLastIndex((line, i) => isHead(line) && FRAME.test(lines[i + 1] ?? ''));
  if (first < 0) return undefined;
  const rest = lines.slice(first + 1).findIndex((line) => !FRAME.test(line) && !HEAD.test(line));
  return lines.slice(first, rest < 0 ? undefined : first + 1 + rest).join('\n');
}

/** The failure that a stack trace tells, as an error. Drivers quote the addresses that they were given. */
export function javaError(trace: string): BeamBridgeError {
  const text = conceal(trace);
  const exceptions = exceptionsIn(text);
  const [recognised, said] = recognise(exceptions);
  return new BeamBridgeError(recognised.code, said, {
    hint: recognised.hint,
    detail: shorten(text),
  });
}

interface Exception {
  /** Without its package. */
  readonly type: string;
  readonly message: string;
}

/** The exceptions of a trace, the root cause last. */
function exceptionsIn(text: string): Exception[] {
  const found: Exception[] = [];
  let open: string[] | undefined;
  const close = () => {
    const said = open?.join('\n') ?? '';
    const type = HEAD.exec(said)?.[1];
    if (type !== undefined) {
      const message = said.slice(said.indexOf(type) + type.length).replace(/^: /, '');
      found.push({ type: type.slice(type.lastIndexOf('.') + 1), message: message.trim() });
    }
    open = undefined;
  };
  for (const [index, line] of text.trim().split('\n').entries()) {
    if (FRAME.test(line)) close();
    else if (index === 0 || line.startsWith('Caused by: ')) {
      close();
      open = [line];
    } else open?.push(line);
  }
  close();
  return found;
}

interface Recognised {
  readonly code: ErrorCode;
  readonly hint?: string;
}

interface Known extends Recognised {
  readonly pattern: RegExp;
  /** Where it means this of one type of exception only. */
  readonly only?: string;
  says(match: RegExpExecArray): string;
}

const KNOWN: readonly Known[] = [
  {
    pattern:
      /allow list does not enable expanding a transform class by the name ([\w.$]+?)\.?(?:\s|$)/,
    says: ([, name]) => `the expansion service may not make transforms of the class ${name}`,
    code: 'UNKNOWN_JAVA_TRANSFORM',
    hint: 'Add it to the allowlist that the service was started with.',
  },
  {
    pattern:
      /(?:Constructor|Builder) method (?:name )?(\S+)\s+(?:has|needs) to be explicitly allowed/,
    says: ([, name]) => `the expansion service may not call the method ${name}`,
    code: 'UNKNOWN_JAVA_TRANSFORM',
    hint: 'Add it to the class in the allowlist that the service was started with.',
  },
  {
    pattern: /Could not find class ([\w.$]+)/,
    says: ([, name]) => `there is no Java class ${name}`,
    code: 'UNKNOWN_JAVA_TRANSFORM',
    hint: 'Give its full name, with its package and $ before the name of a nested class; the jar that holds it belongs into jars of javaService.',
  },
  {
    pattern: /Unknown urn: (\S+)/,
    says: ([, urn]) => `the expansion service knows no transform ${urn}`,
    code: 'UNKNOWN_JAVA_TRANSFORM',
    hint: 'The jar that holds it belongs into jars of javaService; a schema transform is meant by schemaTransform.',
  },
  {
    pattern:
      /(?:Could not find a matching|Expected to find (?:exactly one matching|a single mapping)) (constructor method|constructor|method)/,
    says: ([, what]) => `no ${what} of the Java class takes these arguments`,
    code: 'UNKNOWN_JAVA_TRANSFORM',
    hint: 'Methods are found by their name and the number of arguments; where there are several, and for numbers that are no long, give types: typed(int32, 5).',
  },
  {
    pattern: /^([\w/$.]+)$/,
    only: 'NoClassDefFoundError',
    says: ([, name = '']) => `the jars do not hold the class ${name.replaceAll('/', '.')}`,
    code: 'JAVA_EXCEPTION',
    hint: 'Add the jar that holds it to jars of javaService.',
  },
  {
    pattern: /argument type mismatch/,
    says: () => 'an argument is not of the type that the Java method takes',
    code: 'JAVA_EXCEPTION',
    hint: 'Whole numbers are sent as long, others as double: typed(int32, 5) makes an int.',
  },
];

function recognise(exceptions: readonly Exception[]): [Recognised, string] {
  for (const { type, message } of exceptions) {
    for (const known of KNOWN) {
      if (known.only !== undefined && known.only !== type) continue;
      const match = known.pattern.exec(message);
      if (match) return [known, known.says(match)];
    }
  }
  const root = exceptions.at(-1);
  const said = root ? [root.type, root.message].filter(Boolean).join(': ') : 'no reason was given';
  return [{ code: 'JAVA_EXCEPTION' }, said];
}

/** The trace with the first frames of each exception, and at most so many lines. */
function shorten(text: string): string {
  const kept: string[] = [];
  let frames = 0;
  for (const line of text.trimEnd().split('\n')) {
    if (!FRAME.test(line)) frames = 0;
    else if (++frames > FRAMES) continue;
    kept.push(line);
  }
  return (kept.length <= DETAIL_LINES ? kept : [...kept.slice(0, DETAIL_LINES), '…']).join('\n');
}
