// SPDX-License-Identifier: Apache-2.0
// The patterns that local files are found by, for keys of objects, of which a store lists those with a prefix.

/** What means something in a pattern, unless a backslash is in front of it. */
const SYNTAX = /(?<!\\)[*?[{]/;

export function isPattern(text: string): boolean {
  return SYNTAX.test(text);
}

/** What all keys that match begin with. */
export function literalPrefix(pattern: string): string {
  const at = pattern.search(SYNTAX);
  return unescaped(at < 0 ? pattern : pattern.slice(0, at));
}

/** The key that is meant by a pattern in which all syntax is escaped. */
export function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, '$1');
}

/** Whether keys match: `*` and `?` within a name, `**` over any number of them, `[…]`, `{a,b}`; hidden names only by a dot. */
export function keyMatcher(pattern: string): (key: string) => boolean {
  const whole = new RegExp(`^${expression(pattern)}$`, 's');
  const takesHidden = /(?:^|[/{,])\\?\./.test(pattern);
  return (key) => whole.test(key) && (takesHidden || !/(?:^|\/)\./.test(key));
}

function expression(pattern: string): string {
  let text = '';
  for (let at = 0; at < pattern.length; ) {
    const rest = pattern.slice(at);
    const [token, made] = tokenOf(rest, at === 0 || pattern[at - 1] === '/');
    text += made;
    at += token.length;
  }
  return text;
}

/** The first thing of a pattern, and what it is as an expression. */
function tokenOf(rest: string, isAtName: boolean): readonly [token: string, made: string] {
  if (isAtName && rest.startsWith('**/')) return ['**/', '(?:[^/]+/)*'];
  if (isAtName && rest === '**') return ['**', '.+'];
  const stars = /^\*+/.exec(rest);
  if (stars) return [stars[0], '[^/]*'];
  if (rest[0] === '?') return ['?', '[^/]'];
  if (rest[0] === '\\' && rest.length > 1) return [rest.slice(0, 2), literal(rest[1]!)];
  const set = /^\[(!|\^)?(\]?[^\]]*)\]/.exec(rest);
  if (set?.[2]) {
    const inside = set[2].replace(/[\\[\]^&~]/g, '\\$&');
    return [set[0], `(?!/)[${set[1] ? '^' : ''}${inside}]`];
  }
  const end = rest[0] === '{' ? closing(rest) : -1;
  const choices = end > 0 ? choicesOf(rest.slice(1, end)) : [];
  if (choices.length > 1)
    return [rest.slice(0, end + 1), `(?:${choices.map((one) => expression(one)).join('|')})`];
  return [rest[0]!, literal(rest[0]!)];
}

/** Where the brace that a text begins with is closed. */
function closing(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '{') depth += 1;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  return -1;
}

/** The parts of a text between its own commas. */
function choicesOf(text: string): string[] {
  const choices = [''];
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const letter = text[at]!;
    if (letter === '{') depth += 1;
    if (letter === '}') depth -= 1;
    if (letter === ',' && depth === 0) choices.push('');
    else choices[choices.length - 1] += letter === '\\' ? letter + (text[++at] ?? '') : letter;
  }
  return choices;
}

function literal(letter: string): string {
  return letter.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
}
