// SPDX-License-Identifier: Apache-2.0
// What a failure inside Python means. Python reports one as the text of a traceback, often with
// further tracebacks inside; beambridge_host adds a line that says it in our own terms.

import {
  BeamBridgeError,
  conceal,
  type ErrorCode,
  isErrorCode,
  isErrorNonce,
} from '../base/index.ts';
import type { PythonExtra } from '../services/index.ts';

/** A failure of Python code, told apart. */
export interface PythonFailure {
  code: ErrorCode;
  /** The innermost exception: `ValueError: what was wrong`. */
  message: string;
  /** The traceback, or undefined when the message says it all. */
  detail: string | undefined;
  hint?: string | undefined;
  /** Unique name of the transform that was running, as Python knows it. */
  transform?: string | undefined;
}

/**
 * A line of a Python error's text: the word of its host, by which data that looks like such a line is
 * told from one, and JSON with code, message, hint and transform.
 */
const MARKER = /^BEAMBRIDGE_ERROR ([0-9a-f]+) (\{.*\})/;
const DETAIL_LINES = 40;
const RUNNING = / ?\[while running '([^'\n]+)'\]/g;

/**
 * Reads the text of a Python failure: its marker line if it has one, otherwise its last exception.
 *
 * @param fallback - the code when the text is no traceback at all
 */
export function parsePythonFailure(
  text: string,
  fallback: ErrorCode = 'PYTHON_EXCEPTION',
): PythonFailure {
  const { message, detail, hint, ...rest } = parse(text, fallback);
  // Clients of services quote the addresses that they were given.
  return {
    ...rest,
    message: conceal(message),
    detail: detail && conceal(detail),
    ...(hint === undefined ? {} : { hint: conceal(hint) }),
  };
}

function parse(text: string, fallback: ErrorCode): PythonFailure {
  const running = [...text.matchAll(RUNNING)][0]?.[1];
  const marked = findMarker(text);
  if (marked) {
    const { code, message, hint, transform = running } = marked;
    return { code, message, hint, transform, detail: shorten(withoutMarkers(text)) };
  }
  const exception = lastException(text);
  if (!exception) {
    const [first, ...rest] = text.trim().split('\n');
    return {
      code: fallback,
      message: first || 'no reason was given',
      transform: running,
      detail: rest.length > 0 ? shorten(text) : undefined,
    };
  }
  const message = exception.replace(RUNNING, '').trim();
  return { ...recognise(message, text), message, transform: running, detail: shorten(text) };
}

/** The failure as an error. */
export function pythonError(failure: PythonFailure, appliedAt?: string): BeamBridgeError {
  const { code, message, hint, transform, detail } = failure;
  return new BeamBridgeError(code, message, { hint, transform, detail, appliedAt });
}

interface Marked {
  code: ErrorCode;
  message: string;
  hint?: string;
  transform?: string;
}

/** Whether a text holds a line in which a host of ours says what failed. */
export function isMarked(text: string): boolean {
  return findMarker(text) !== undefined;
}

function findMarker(text: string): Marked | undefined {
  const line = text.split('\n').findLast((each) => markedJson(each) !== undefined);
  try {
    const value: unknown = JSON.parse((line && markedJson(line)) ?? '');
    const { code, message } = Object(value) as Partial<Marked>;
    return isErrorCode(code) && typeof message === 'string' ? (value as Marked) : undefined;
  } catch {
    return undefined;
  }
}

/** Runners may append to the line. */
function markedJson(line: string): string | undefined {
  const [, nonce, json] = MARKER.exec(line) ?? [];
  return nonce !== undefined && isErrorNonce(nonce) ? json : undefined;
}

function withoutMarkers(text: string): string {
  return text
    .split('\n')
    .filter((line) => markedJson(line) === undefined)
    .join('\n');
}

const FRAME = /^ {2}File "(.*)", line \d+(?:, in (.*))?$/;

/** The lines after the last frame of the last traceback: `Class: message`. */
function lastException(text: string): string | undefined {
  const lines = text.trimEnd().split('\n');
  const frame = lines.findLastIndex((line) => FRAME.test(line));
  if (frame < 0) return undefined;
  let next = frame + 1;
  // A frame is followed by its source line and perhaps a line that points into it.
  while (next < lines.length && /^ {4}/.test(lines[next]!)) next++;
  return lines.slice(next).join('\n').trim() || undefined;
}

const LOOK_UPS = new Set(['_resolve', 'load_from_fully_qualified_name']);

/** Whether Python failed to find what a dotted name says, as opposed to a fault inside of it. */
function failedLookUp(text: string): boolean {
  const frames = text
    .split('\n')
    .map((line) => FRAME.exec(line))
    .filter((match) => match !== null);
  const lookUp = frames.findLastIndex((frame) => LOOK_UPS.has(frame[2] ?? ''));
  if (lookUp < 0) return false;
  // Frames of the import system may follow; frames of a module mean that it was found.
  return frames
    .slice(lookUp + 1)
    .every(
      (frame) => frame[1]!.startsWith('<frozen') || frame[1]!.endsWith('importlib/__init__.py'),
    );
}

function recognise(message: string, text: string): { code: ErrorCode; hint?: string } {
  if (/^(ModuleNotFoundError|ImportError|AttributeError):/.test(message) && failedLookUp(text)) {
    return {
      code: 'UNKNOWN_PYTHON_CALLABLE',
      hint: 'Check the dotted name. A module of your own must be importable where the expansion service runs; a package is added with withExtraPackages([…]) or the option packages.',
    };
  }
  const module = /^ModuleNotFoundError: No module named '([^']+)'/.exec(message)?.[1];
  if (module === 'pandas' && BEAM_FRAMES.test(text)) {
    return {
      code: 'PYTHON_EXCEPTION',
      hint: "Beam's data frames need pandas, of a version that they know: give the transform extras: ['dataframe'].",
    };
  }
  const parent = module?.split('.', 1)[0];
  if (module && parent !== module) {
    return {
      code: 'PYTHON_EXCEPTION',
      hint: `${parent} is there and does not have it: name the version that has it in packages, as in packages: ['NAME==VERSION'], or, if files of the environment were lost, remove it with \`npx beambridge env clean\`.`,
    };
  }
  if (module) {
    return {
      code: 'PYTHON_EXCEPTION',
      hint: Object.hasOwn(EXTRA_OF, module)
        ? `Give the transform, or custom, extras: ['${EXTRA_OF[module]}'], which holds the module ${module}.`
        : `Add the package that holds the module ${module}, for instance with withExtraPackages([…]).`,
    };
  }
  if (/^AttributeError: .*'?(DataFrame|Series)'? /.test(message) && BEAM_FRAMES.test(text)) {
    return {
      code: 'PYTHON_EXCEPTION',
      hint: "Beam's data frames do not know pandas 3: give the transform extras: ['dataframe'], which has the pandas that they know.",
    };
  }
  if (/^(\w+\.)*WorkerLost:/.test(message)) return { code: 'HARNESS_PROTOCOL' };
  return { code: 'PYTHON_EXCEPTION' };
}

/** Modules that come with one of the extras, as beambridge_host/inference/damage.py knows them, too. */
const EXTRA_OF: Readonly<Record<string, PythonExtra>> = {
  sklearn: 'sklearn',
  joblib: 'sklearn',
  pandas: 'sklearn',
  torch: 'torch',
  onnx: 'onnx',
  onnxruntime: 'onnx',
  xgboost: 'xgboost',
  tensorflow: 'tensorflow',
  keras: 'tensorflow',
  transformers: 'huggingface',
  vllm: 'vllm',
  tensorrt: 'tensorrt',
};

const BEAM_FRAMES = /^ {2}File ".*[/\\]apache_beam[/\\]dataframe[/\\]/m;

/** Frames of Beam, of our host, and of what runs them: they say nothing about the program. */
const MACHINERY =
  /[/\\](site-packages[/\\]apache_beam|beambridge_host|concurrent[/\\]futures|importlib)[/\\]|^apache_beam[/\\]|^<frozen|[/\\]threading\.py$/;

const CHAINED =
  /\n\n(?=(?:The above exception was the direct cause of|During handling of the above exception))/;

/** The text without Beam's own frames, and at most its last lines. */
function shorten(text: string): string | undefined {
  const own = withoutMachinery(text);
  if (own === undefined) return undefined;
  // Beam raises an exception again under its own: tracebacks with no frame left only repeat it.
  const parts = own.split(CHAINED);
  const telling = parts.filter((part) => part.split('\n').some((line) => FRAME.test(line)));
  const lines = withoutRepeats(telling.length > 0 ? telling : parts)
    .join('\n\n')
    .trimEnd()
    .split('\n');
  return (lines.length <= DETAIL_LINES ? lines : ['…', ...lines.slice(-DETAIL_LINES)]).join('\n');
}

/** Each of tracebacks that say the same once: Beam only adds the transform to the text, which is kept. */
function withoutRepeats(tracebacks: string[]): string[] {
  const told = new Map<string, { text: string; running: string | undefined }>();
  for (const traceback of tracebacks) {
    const running = traceback.match(RUNNING)?.[0];
    const text = traceback.replace(RUNNING, '').trimEnd();
    const said = text.slice(Math.max(text.indexOf(TRACEBACK), 0));
    const same = told.get(said);
    if (same) same.running ??= running;
    else told.set(said, { text, running });
  }
  return [...told.values()].map(({ text, running = '' }) => text + running);
}

const TRACEBACK = 'Traceback (most recent call last):';

/** Undefined when no frame is left: the message says as much. */
function withoutMachinery(text: string): string | undefined {
  const kept: string[] = [];
  let skipping = false;
  for (const line of text.trimEnd().split('\n')) {
    const frame = FRAME.exec(line);
    if (frame) skipping = MACHINERY.test(frame[1]!);
    else if (!/^ {4}/.test(line)) skipping = false;
    if (!skipping) kept.push(line);
  }
  if (kept.length < text.trimEnd().split('\n').length && !kept.some((line) => FRAME.test(line))) {
    return undefined;
  }
  return kept.join('\n') || undefined;
}
