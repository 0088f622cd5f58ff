// SPDX-License-Identifier: Apache-2.0
// The names of an output's folders and temporary folders, which are the same in all stores.

/** A prefix may end with a separator: then all of the files' names comes from the template. */
export function folderOf(prefix: string, separator: string): string {
  return prefix.slice(0, prefix.lastIndexOf(separator)) || separator;
}

export function baseOf(prefix: string, separator: string): string {
  return prefix.slice(prefix.lastIndexOf(separator) + 1);
}

/**
 * How the names of an output's temporary folders begin; hidden, so that no pattern takes what is in them for output.
 *
 * @param mark - `Pipeline.runMark`
 */
export function temporaryName(prefix: string, separator: string, mark?: string): string {
  return `.beam-temp-${baseOf(prefix, separator)}-${mark === undefined ? '' : `${mark}-`}`;
}
