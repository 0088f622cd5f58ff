// SPDX-License-Identifier: Apache-2.0
// By which words an engine says that it lacks something, as opposed to that something went wrong. What
// an engine cannot do is UNSUPPORTED wherever it is found out, and another runner may do it.

/** Texts of Beam's own engines, as of 2.77. */
const REFUSALS: readonly RegExp[] = [
  // Prism, of a pipeline and of what it comes to while it runs one.
  /\buses? of features unimplemented in prism\b/,
  /\bprism runner doesn't support the following required features\b/,
  /\bunimplemented runner transform\[/,
  /\bunsupported feature ".*" set with value\b/,
  /\benvironment \S+ with urn \S+ unimplemented\b/,
  /\bunsupported (?:StateKey|StateRequest|WindowCoder|OutputTime)\b/,
  // Java's.
  /\bUnknown or unsupported WindowFn\b/,
  /\bwere consumed but never produced\b/,
  /\bUnsupportedOperationException: .*\b(?:Flink|Spark|Samza) ?[Rr]unner\b/,
  /\bUnsupportedOperationException: .*\n\s+at org\.apache\.beam\.runners\./,
  /\bActiveBundle does not have a registered bundle (?:checkpoint|finalization) handler\b/,
];

export const REFUSAL_HINT =
  "docs/runners.md says what each runner can do; runner: 'node' runs all of it.";

/** Of Python's, which says it in a traceback, of a primitive that it does not know. */
const NO_PRIMITIVE = /^NotImplementedError: (beam:transform:\S+)$/m;

/** The URN of a primitive that an engine does not have, by its own words. */
export function missingPrimitive(text: string): string | undefined {
  return NO_PRIMITIVE.exec(text)?.[1];
}

/** Whether an engine says in `text` that it cannot do what a pipeline asks for. */
export function isRefusal(text: string): boolean {
  return REFUSALS.some((each) => each.test(text));
}
