// SPDX-License-Identifier: Apache-2.0
// Options of a benchmark: --name=value behind its name.

export function option(name: string, fallback: string): string {
  const prefix = `--${name}=`;
  return process.argv.find((arg) => arg.startsWith(prefix))?.slice(prefix.length) ?? fallback;
}
