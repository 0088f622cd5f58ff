// SPDX-License-Identifier: Apache-2.0
// Text of other programs without the credentials in its addresses. Indexes of packages, and packages by
// address, carry passwords and tokens, which tools quote in what they print, escaped perhaps.

const HIDDEN = '[credential]';

/** An escape may be escaped again, a few times. */
const P = '%(?:25){0,4}';
/** What ends an address in running text. */
const END = `\\s'"<>\`\\\\`;

/** What stands in front of the host: up to the last `@`, since passwords hold some, too. */
const USERS = [
  new RegExp(`(://)([^/?#${END}]+)(@)`, 'g'),
  new RegExp(`((?::|${P}3a)(?:${P}2f){2})((?:(?!${P}2f)[^/?#${END}])+)(@|${P}40)`, 'gi'),
];

/**
 * Names of parameters whose values are secrets: `token`, `X-Amz-Signature`, `api_key`, `sig`. A key is one unless
 * {@link NO_SECRET_KEY} has it. The Python side has the same rule, see python-env/beambridge_host/credentials.py.
 */
const NAME = `(?:[\\w.~-]|${P}(?:5f|2d|2e|7e))*(?:token|sig|signature|secret|password|passwd|passphrase|pwd|auth|credentials?|key)`;

/**
 * Keys that are known to be those of rows or of caches, word by word, and words that merely end so. `primary_key` is
 * none: services call the first of two secrets so.
 */
const NO_SECRET_KEY =
  /(?:^|[-_.~])(?:(?:partition|sort|row|range|foreign|cache|version|group|public)[-_.~]?|mon|tur|hoc|don|joc|whis|lac)key$/;

/** An escape of a separator is part of a value, unless the address as a whole is escaped. */
const PARAMETERS = [
  {
    head: new RegExp(`[?&;#](${NAME})=`, 'gi'),
    value: new RegExp(`[^&;#${END}]+`, 'y'),
  },
  {
    head: new RegExp(`${P}(?:3f|26|3b|23)(${NAME})(?:=|${P}3d)`, 'gi'),
    value: new RegExp(`(?:(?!${P}(?:26|3b|23))[^&;#${END}])+`, 'iy'),
  },
];

const ESCAPED = new RegExp(`${P}([2-7][0-9a-f])`, 'gi');

/** Users by name alone who are no secret: that of Git over SSH, and what a tool has hidden itself. */
const NO_SECRET = /^(?:git|\*+)$/i;

/** The text with passwords, tokens and signatures of addresses replaced. */
export function conceal(text: string): string {
  let shown = text;
  for (const pattern of USERS) {
    shown = shown.replace(pattern, (all, before: string, user: string, at: string) =>
      NO_SECRET.test(user) ? all : before + HIDDEN + at,
    );
  }
  for (const { head, value } of PARAMETERS) {
    shown = withoutValues(shown, head, value);
  }
  return shown;
}

function withoutValues(text: string, head: RegExp, value: RegExp): string {
  let shown = '';
  let end = 0;
  for (const {
    0: { length },
    1: name = '',
    index,
  } of text.matchAll(head)) {
    value.lastIndex = index + length;
    if (index < end || !isSecret(name) || !value.test(text)) continue;
    shown += text.slice(end, index + length) + HIDDEN;
    end = value.lastIndex;
  }
  return shown + text.slice(end);
}

function isSecret(name: string): boolean {
  const words = name
    .replace(ESCAPED, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase();
  return !NO_SECRET_KEY.test(words);
}
