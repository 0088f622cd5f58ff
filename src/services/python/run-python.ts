// SPDX-License-Identifier: Apache-2.0
// Python as a tool: a probe, a check, an installer. `python -c` and `python -m` put the current folder
// in front of everything that they import, so that a file `json.py` beside a user's program would run
// in place of Python's own.

import { type RunToolOptions, runTool, type ToolResult } from '../process/run-tool.ts';

const WITHOUT_CURRENT_FOLDER = 'import sys; sys.path[:] = [p for p in sys.path if p]\n';

/** Runs a program text; nothing in the current folder can be imported by it. */
export function runPythonCode(
  python: string,
  code: string,
  args: readonly string[],
  options: RunToolOptions,
): Promise<ToolResult> {
  return runTool(python, ['-c', `${WITHOUT_CURRENT_FOLDER}${code}`, ...args], options);
}

/** Arguments that run a module of Python's own, isolated from the current folder and from variables. */
export function moduleArguments(module: string): string[] {
  return ['-I', '-m', module];
}
