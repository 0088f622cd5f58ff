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
 * it is known to be that of a table, such as a partition's.
 */
const NAME = `(?:[\\w.~-]*(?:token|sig|signature|secret|password|passwd|pwd|auth|credentials?)|(?![\\w.~-]*(?:partition|sort|row|primary|foreign|cache|version|mon)[-_.]?key[=%])[\\w.~-]*key)`;

/** An escape of a separator is part of a value, unless the address as a whole is escaped. */
const PARAMETERS = [
  new RegExp(`([?&;#])(${NAME})(=)([^&;#${END}]+)`, 'gi'),
  new RegExp(
    `(${P}(?:3f|26|3b|23))(${NAME})(=|${P}3d)((?:(?!${P}(?:26|3b|23))[^&;#${END}])+)`,
    'gi',
  ),
];

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
  for (const pattern of PARAMETERS) {
    shown = shown.replace(pattern, (_, before: string, name: string, is: string) => {
      return before + name + is + HIDDEN;
    });
  }
  return shown;
}
