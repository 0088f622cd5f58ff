// SPDX-License-Identifier: Apache-2.0
// Addresses lose their credentials in every spelling, and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { conceal, concealError } from '../../../src/base/index.ts';

const SECRET = 'S3cr3tVal';
const C = '[credential]';
const twice = (text: string) => encodeURIComponent(encodeURIComponent(text));

/** A text, and what is to become of it. */
const table: [text: string, shown: string][] = [
  [`https://user:${SECRET}@host/simple`, `https://${C}@host/simple`],
  [`https://${SECRET}@host/simple`, `https://${C}@host/simple`],
  [`https://user:p@${SECRET}@@host:8443/simple`, `https://${C}@host:8443/simple`],
  [`https://user:${SECRET}%40x%2Fy@host/a@b`, `https://${C}@host/a@b`],
  [`git+https://${SECRET}@host/x.git@main`, `git+https://${C}@host/x.git@main`],
  [`pkg @ https://user:${SECRET}@host/x.whl?a=1`, `pkg @ https://${C}@host/x.whl?a=1`],
  [
    `see 'https://u:${SECRET}@a/b' and https://v:${SECRET}@c.`,
    `see 'https://${C}@a/b' and https://${C}@c.`,
  ],
  [encodeURIComponent(`https://user:${SECRET}@host/simple`), `https%3A%2F%2F${C}%40host%2Fsimple`],
  [twice(`https://user:${SECRET}@host/s`), `https%253A%252F%252F${C}%2540host%252Fs`],
  [`https://host/x?token=${SECRET}`, `https://host/x?token=${C}`],
  [`/x.whl?v=1&sig=${SECRET}%2B%2F%3D&se=2030`, `/x.whl?v=1&sig=${C}&se=2030`],
  [
    `https://h/x?X-Amz-Signature=${SECRET}&api_key=${SECRET}#sha256=ab`,
    `https://h/x?X-Amz-Signature=${C}&api_key=${C}#sha256=ab`,
  ],
  [
    `https://h/x?access_token=${SECRET};subscription-key=${SECRET}`,
    `https://h/x?access_token=${C};subscription-key=${C}`,
  ],
  [
    encodeURIComponent(`https://h/x?token=${SECRET}&v=1`),
    `https%3A%2F%2Fh%2Fx%3Ftoken%3D${C}%26v%3D1`,
  ],
  [twice(`?a=b&TOKEN=${SECRET}&v=1`), `%253Fa%253Db%2526TOKEN%253D${C}%2526v%253D1`],
  [`https://h/x?password=${SECRET}%26b%3D${SECRET}&v=1`, `https://h/x?password=${C}&v=1`],
  [`https://h/x?app_key=${SECRET}&authkey=${SECRET}`, `https://h/x?app_key=${C}&authkey=${C}`],
  ['https://h/x?monkey=1&partition_key=day', 'https://h/x?monkey=1&partition_key=day'],
  // A quote, which encodeURIComponent leaves.
  [`https://user:it's-${SECRET}@host/x`, `https://${C}@host/x`],
  [`'https://user:'${SECRET}'@host/x'`, `'https://${C}@host/x'`],
  [`nopkg @ https://u:a'b')${SECRET}@h/x.whl`, `nopkg @ https://${C}@h/x.whl`],
  [`git clone 'https://u:it'"'"'s${SECRET}@h/x'`, `git clone 'https://${C}@h/x'`],
  [
    `'https://u:it\\'s"' and 'https://u:it\\'s${SECRET}@h'`,
    `'https://u:it\\'s"' and 'https://${C}@h'`,
  ],
  [
    `https://u:it&#39;s${SECRET}@h https://u:it&amp;#x27;${SECRET}@h`,
    `https://${C}@h https://${C}@h`,
  ],
  [`https://u:it\\u0027s${SECRET}@h`, `https://${C}@h`],
  [encodeURIComponent(`https://u:it's${SECRET}@h/x`), `https%3A%2F%2F${C}%40h%2Fx`],
  [`https://h/?token=it's-${SECRET}&v=1`, `https://h/?token=${C}&v=1`],
  [`f('https://h/?token=a'${SECRET}')`, `f('https://h/?token=${C}')`],
  [
    `['https://h/?token=${SECRET}','b'], ('?sig=${SECRET}')`,
    `['https://h/?token=${C}','b'], ('?sig=${C}')`,
  ],
  [
    `?token=a'"'"'${SECRET} ?token=a\\'${SECRET} ?token=a&#39;${SECRET};`,
    `?token=${C} ?token=${C} ?token=${C};`,
  ],
  [`https://h/?token='${SECRET}'&sig="${SECRET}"`, `https://h/?token=${C}'&sig=${C}"`],
  [`["https://h/?token=","https://h"]`, `["https://h/?token=","https://h"]`],
  [
    `['https://a.com','bob@a.com'] {'https://a.com':'bob@a.com'}`,
    `['https://a.com','bob@a.com'] {'https://a.com':'bob@a.com'}`,
  ],
  // JSON's escapes.
  [
    `"https:\\/\\/u:${SECRET}@h\\/x?token=a\\/${SECRET}\\u0026sig=${SECRET}\\u0026v=1"`,
    `"https:\\/\\/${C}@h\\/x?token=${C}\\u0026sig=${C}\\u0026v=1"`,
  ],
  // Lists and parts of parameters.
  [
    `?token[]=${SECRET}&auth[token]=${SECRET}&key%5B0%5D=${SECRET}`,
    `?token[]=${C}&auth[token]=${C}&key%5B0%5D=${C}`,
  ],
  [`?sort_key[]=a&partition[key]=b`, `?sort_key[]=a&partition[key]=b`],
  [
    `?authorization=Bearer ${SECRET}&authorization=Bearer%20${SECRET}`,
    `?authorization=${C}&authorization=${C}`,
  ],
  // Programs, not addresses.
  ['for (;;key=5) sorted(xs) #key=len', 'for (;;key=5) sorted(xs) #key=len'],
  ['a;key=lambda x: x', 'a;key=lambda x: x'],
  [
    `https://h/x;key=${SECRET} /x?a=1;key=${SECRET} https://h#key=${SECRET}`,
    `https://h/x;key=${C} /x?a=1;key=${C} https://h#key=${C}`,
  ],
  [
    `Server=x;Password=${SECRET};AccountKey=${SECRET}==;End=y`,
    `Server=x;Password=${C};AccountKey=${C};End=y`,
  ],
  ['https://****@host/simple', 'https://****@host/simple'],
  ['git+ssh://git@host/x.git', 'git+ssh://git@host/x.git'],
  ['https://host/a@b?page=2&keys=all', 'https://host/a@b?page=2&keys=all'],
  ['six @ https://host/six.whl', 'six @ https://host/six.whl'],
  ['mail to a@b.c: 100% done', 'mail to a@b.c: 100% done'],
];

for (const [text, shown] of table) {
  test(`conceals ${text}`, () => {
    assert.equal(conceal(text), shown);
    assert.ok(!conceal(text).includes(SECRET));
  });
}

/** The same are in python-env/tests/test_credentials.py. */
const secrets = [
  'key',
  'api_key',
  'apiKey',
  'authkey',
  'primary_key',
  'primary-key',
  'primaryKey',
  'PRIMARYKEY',
  'secondary_key',
  'conversion_key',
  'conversionKey',
  'arrow_key',
  'common_key',
  'commonkey',
  'tomorrowkey',
  'growkey',
  'resort_key',
  'hash_key',
  'partition_key_api_key',
  'api%5Fkey',
  'x.api%2Dkey',
  'access_token',
  'passphrase',
  'subscriptionKey',
  'authorization',
  'jwt',
  'pass',
  'db_pass',
  'token[]',
  'auth[token]',
  'key%5B0%5D',
  'key[a]',
];
const others = [
  'partition_key',
  'PartitionKey',
  'partitionKey',
  'PARTITION_KEY',
  'partitionkey',
  'my-partition-key',
  'tablePartitionKey',
  'RowKey',
  'row%5Fkey',
  'sort.key',
  'range_key',
  'group_key',
  'public_key',
  'version_key',
  'cache-key',
  'foreignKey',
  'monkey',
  'turkey',
  'hockey',
  'donkey',
  'partition[key]',
  'sort_key[]',
  'bypass',
  'compass',
  'keys',
  'tokens',
  'v',
];

for (const name of [...secrets, ...others]) {
  test(`a parameter ${name} is ${secrets.includes(name) ? 'a secret' : 'none'}`, () => {
    const shown = secrets.includes(name) ? C : SECRET;
    assert.equal(conceal(`https://h/x?a=b&${name}=${SECRET}`), `https://h/x?a=b&${name}=${shown}`);
    assert.equal(
      conceal(twice(`#${name}=${SECRET};x`)),
      twice(`#${name}=S;x`).replace(/S(?=%25)/, shown),
    );
  });
}

test('a secret in the value of a parameter that is none', () => {
  assert.equal(conceal(`?sort_key=a?token=${SECRET}`), `?sort_key=a?token=${C}`);
  assert.equal(conceal(`?token=a?sort_key=${SECRET}&v=1`), `?token=${C}&v=1`);
});

test('a long text takes no time that grows faster than it does', () => {
  const long = `https://${'a:'.repeat(100_000)} ${'?token'.repeat(50_000)} ${'?monkey='.repeat(50_000)} ?${'key%5F'.repeat(50_000)} ${'%25'.repeat(100_000)} ${'://'.repeat(50_000)} ://${"'\\\\".repeat(50_000)} ${'\\\\'.repeat(100_000)} https://${'&#39;'.repeat(50_000)} ?${'token['.repeat(30_000)} ${';key='.repeat(3000)}`;
  assert.equal(conceal(long).length, long.length);
  const quotes = `?token=${"a'".repeat(100_000)}a ://${"a'".repeat(100_000)}@h`;
  assert.equal(conceal(quotes), `?token=${C} ://${C}@h`);
});

test('addresses of JDBC, in the forms that drivers have', () => {
  for (const [text, shown] of [
    [
      `jdbc:postgresql://db/shop?user=u&password=${SECRET}`,
      `jdbc:postgresql://db/shop?user=u&password=${C}`,
    ],
    [
      `jdbc:sqlserver://h:1433;user=u;password=${SECRET};x=1`,
      `jdbc:sqlserver://h:1433;user=u;password=${C};x=1`,
    ],
    [`jdbc:sqlserver://h;password={a;${SECRET} b};x=1`, `jdbc:sqlserver://h;password=${C};x=1`],
    [`jdbc:oracle:thin:scott/${SECRET}@//h:1521/x`, `jdbc:oracle:thin:${C}@//h:1521/x`],
    [`jdbc:mysql://u:${SECRET}@h/db`, `jdbc:mysql://${C}@h/db`],
    [
      `jdbc:mysql://(host=h,user=u,password=${SECRET})/db`,
      `jdbc:mysql://(host=h,user=u,password=${C})/db`,
    ],
    ['jdbc:h2:mem:x;MODE=MySQL', 'jdbc:h2:mem:x;MODE=MySQL'],
  ] as const) {
    assert.equal(conceal(`no driver for ${text} here`), `no driver for ${shown} here`);
  }
});

test('an error of a call, with what Node prints of it', () => {
  const details = `cannot open jdbc:x://h?password=${SECRET}`;
  const error = concealError(Object.assign(new Error(`2 UNKNOWN: ${details}`), { details }));
  assert.ok(!inspect(error).includes(SECRET));
  assert.equal(error.details, `cannot open jdbc:x://h?password=${C}`);
});
