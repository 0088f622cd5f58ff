// SPDX-License-Identifier: Apache-2.0
// Text of other programs without the credentials in its addresses. Indexes of packages, and packages by
// address, carry passwords and tokens, which tools quote in what they print, escaped perhaps.

const HIDDEN = '[credential]';

/** An escape may be escaped again, a few times. */
const P = '%(?:25){0,4}';
/** What ends an address in running text. A quote may do so, and `encodeURIComponent` leaves it in a password. */
const END = `\\s'"<>\`\\\\`;

/** A quote that ends nothing, for a shell, JSON or Python has escaped it: as it is in a password. */
const ESCAPED_QUOTE = `'"'"'|\\\\+(?:'|u0027)`;
/** A quote in front of a host, where an `@` is to come: it ends no text that another follows. */
const QUOTE_OF_USER = `${ESCAPED_QUOTE}|'(?![,:;)\\]}]+['"])|(?<=&|&amp;)#(?:0*39|x0*27);`;
/** A quote in a value, which goes on after it. */
const QUOTE_OF_VALUE = `${ESCAPED_QUOTE}|'(?=[.!~*'(-]*\\)*[\\w%])|&(?:amp;){0,4}(?:#0*39|#x0*27|apos);`;
/** A value that holds separators, as drivers of JDBC quote it. */
const BRACED = `\\{[^{}\\n]{0,256}\\}`;
/** JSON may escape a slash. */
const SLASH = '\\\\*/';
const ESCAPED_SLASH = '\\\\+/';

/** What stands in front of the host: up to the last `@`, since passwords hold some, too. */
const USERS = [
  new RegExp(`(:${SLASH}${SLASH})((?:[^/?#${END}]|${QUOTE_OF_USER})+)(@)`, 'gi'),
  new RegExp(
    `((?::|${P}3a)(?:${P}2f){2})((?:(?!${P}2f)[^/?#${END}]|${QUOTE_OF_USER})+)(@|${P}40)`,
    'gi',
  ),
];

/**
 * Names of parameters whose values are secrets: `token`, `X-Amz-Signature`, `api_key`, `sig`. A key is one unless
 * {@link NO_SECRET_NAME} has it. The Python side has the same rule, see python-env/beambridge_host/credentials.py.
 */
const NAME = `(?:[\\w.~[\\]-]|${P}(?:5f|2d|2e|7e|5b|5d))*(?:token|sig|signature|secret|password|passwd|passphrase|pass|pwd|auth|authorization|jwt|credentials?|key)(?:\\[\\w*\\]|\\]|${P}5b\\w*${P}5d|${P}5d){0,4}`;

/**
 * Keys that are known to be those of rows or of caches, word by word, and words that merely end so. `primary_key` is
 * none: services call the first of two secrets so.
 */
const NO_SECRET_NAME =
  /(?:^|[-_.~[])(?:(?:(?:partition|sort|row|range|foreign|cache|version|group|public)[-_.~[]?|mon|tur|hoc|don|joc|whis|lac)key|(?:by|com|sur|tres|under|over)pass)$/;

/** Values may be quoted, and that of `authorization` has a word in front. */
const BEGIN = `(?:["'](?=[\\w%]))?(?:(?:bearer|basic|token) )?`;

/** An escape of a separator is part of a value, unless the address as a whole is escaped. */
const PARAMETERS = [
  {
    head: new RegExp(`(?:[?&;#]|\\\\u0026)(${NAME})=`, 'gi'),
    value: new RegExp(
      `${BEGIN}(?:${BRACED}|[^&;#${END}]|${QUOTE_OF_VALUE}|${ESCAPED_SLASH})+`,
      'iy',
    ),
  },
  {
    head: new RegExp(`${P}(?:3f|26|3b|23)(${NAME})(?:=|${P}3d)`, 'gi'),
    value: new RegExp(
      `${BEGIN}(?:(?!${P}(?:26|3b|23))[^&;#${END}]|${QUOTE_OF_VALUE}|${ESCAPED_SLASH})+`,
      'iy',
    ),
  },
];

const ESCAPED = new RegExp(`${P}([2-7][0-9a-f])`, 'gi');

/** Addresses of JDBC. Drivers have forms of their own: `scott/tiger@host`, and properties in parentheses. */
const JDBC = /\bjdbc:[^\s'"<>`]{1,2048}/gi;
const JDBC_USER = /^(jdbc:oracle:\w+:)[^/@]+\/.*(?=@)/i;
const JDBC_PROPERTY = /([(,][\w.-]{0,64}(?:password|passwd|pwd|secret|token)=)[^,)]+/gi;

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
  return shown.replace(JDBC, (address) =>
    address
      .replace(JDBC_USER, (_, before: string) => before + HIDDEN)
      .replace(JDBC_PROPERTY, (_, before: string) => before + HIDDEN),
  );
}

/** The same error with what a call was told concealed, since Node prints the cause of an error, too. */
export function concealError<T>(error: T): T {
  if (!(error instanceof Error)) return error;
  const told = error as Error & { details?: unknown };
  if (typeof told.details === 'string') told.details = conceal(told.details);
  if (told.stack !== undefined) told.stack = conceal(told.stack);
  told.message = conceal(told.message);
  return error;
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
    if (index < end || !isSecret(name, text, index) || !value.test(text)) continue;
    shown += text.slice(end, index + length) + HIDDEN;
    end = value.lastIndex;
  }
  return shown + text.slice(end);
}

/** Whether the parameter at a place of a text is one that is hidden. */
function isSecret(name: string, text: string, at: number): boolean {
  const words = name
    .replace(ESCAPED, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replace(/(?:\[\d*\]|\])+$/, '')
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase();
  if (words === 'key' && /[;#]/.test(text[at]!)) return isInAddress(text, at);
  return !NO_SECRET_NAME.test(words);
}

/** Addresses are shorter than this, those with something to hide. */
const LONGEST = 2048;

/** Whether an address is in front of a place: in programs `;key=` and `#key=` are none's parameters. */
function isInAddress(text: string, at: number): boolean {
  let start = at;
  while (start > 0 && at - start < LONGEST && !/[\s'"<>`]/.test(text[start - 1]!)) start--;
  return /:(?:\\*\/){2}|\?/.test(text.slice(start, at));
}
