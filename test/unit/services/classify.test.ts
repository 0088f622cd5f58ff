// SPDX-License-Identifier: Apache-2.0

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../../src/base/index.ts';
import {
  classifyFailure,
  isConnectivityLine,
  nameOf,
} from '../../../src/services/python/classify.ts';

// What the tools printed when they were tried, shortened.
const cases: [
  what: string,
  code: ErrorCode,
  message: RegExp,
  packages: string[],
  output: string,
][] = [
  [
    'pip, name resolution fails',
    'ENVIRONMENT_OFFLINE',
    /no package registry can be reached/,
    ['six'],
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno -2] Name or service not known')'\nERROR: No matching distribution found for six",
  ],
  [
    'pip, a private certificate authority',
    'ENVIRONMENT_BUILD_FAILED',
    /the certificate of the package registry is not trusted/,
    ['six'],
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)'))': /simple/six/\nCould not fetch URL https://packages.example/simple/six/: There was a problem confirming the ssl certificate: HTTPSConnectionPool(host='packages.example', port=443): Max retries exceeded with url: /simple/six/ (Caused by SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable to get local issuer certificate (_ssl.c:1006)'))) - skipping\nERROR: Could not find a version that satisfies the requirement six (from versions: none)\nERROR: No matching distribution found for six",
  ],
  [
    'uv, a private certificate authority',
    'ENVIRONMENT_BUILD_FAILED',
    /the certificate of the package registry is not trusted/,
    ['six'],
    'error: Failed to fetch: https://packages.example/simple/six/\n  cause: error sending request for url (https://packages.example/simple/six/)\n  cause: client error (Connect)\n  cause: invalid peer certificate: UnknownIssuer',
  ],
  [
    'pip, no such package',
    'PACKAGE_NOT_INSTALLABLE',
    /the Python package Left.Pad==3 cannot/,
    ['tqdm', 'Left.Pad==3'],
    'ERROR: Could not find a version that satisfies the requirement left-pad==3 (from versions: none)\nERROR: No matching distribution found for left-pad==3',
  ],
  [
    'pip, a wheel for another machine',
    'PACKAGE_NOT_INSTALLABLE',
    /\/x\/a-1-cp27-none-any\.whl cannot/,
    ['/x/a-1-cp27-none-any.whl'],
    'ERROR: a-1-cp27-none-any.whl is not a supported wheel on this platform.',
  ],
  [
    'pip, a source package that does not build',
    'PACKAGE_NOT_INSTALLABLE',
    /the Python package datatable cannot/,
    [],
    'error: command gcc failed\nERROR: Failed building wheel for datatable\n',
  ],
  [
    'uv, no such package',
    'PACKAGE_NOT_INSTALLABLE',
    /the Python package left-pad-nope==3 cannot/,
    ['left-pad-nope==3'],
    'error: No solution found when resolving dependencies\n  cause: Because left-pad-nope was not found in the package registry and you require left-pad-nope==3, we can conclude that your requirements are unsatisfiable.',
  ],
  [
    'uv, a version against a pin',
    'PACKAGE_NOT_INSTALLABLE',
    /the Python package numpy==1\.26\.4 cannot/,
    ['numpy==1.26.4'],
    'error: No solution found when resolving dependencies\n  cause: Because you require numpy==1.26.4 and numpy==2.4.6, we can conclude that your requirements are unsatisfiable.',
  ],
  [
    'uv, connection refused',
    'ENVIRONMENT_OFFLINE',
    /no package registry/,
    [],
    'error: Request failed after 1 retry in 1.0s\n  cause: client error (Connect)\n  cause: tcp connect error\n  cause: Connection refused (os error 111)',
  ],
  [
    'venv without ensurepip',
    'ENVIRONMENT_BUILD_FAILED',
    /python3-venv/,
    [],
    'The virtual environment was not created successfully because ensurepip is not available.',
  ],
  [
    'a full disk',
    'ENVIRONMENT_BUILD_FAILED',
    /the disk is full/,
    ['six'],
    'ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device',
  ],
  [
    'a changed package',
    'ENVIRONMENT_BUILD_FAILED',
    /its hash differs/,
    [],
    'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.',
  ],
  [
    'anything else',
    'ENVIRONMENT_BUILD_FAILED',
    /failed while it did this[\s\S]*Segmentation fault/,
    [],
    'Segmentation fault',
  ],
];

for (const [what, code, message, packages, output] of cases) {
  test(`${what} is ${code}`, () => {
    const error = classifyFailure({ doing: 'did this', output, packages, offline: false });
    assert.equal(error.code, code);
    assert.match(error.message, message);
    assert.ok(error.hint);
  });
}

test('only the last lines of a long output are shown', () => {
  const output = Array.from({ length: 100 }, (_, i) => `line ${i}`).join('\n');
  const { detail } = classifyFailure({ doing: 'did this', output, packages: [], offline: false });
  assert.equal(detail?.split('\n').length, 15);
  assert.match(detail ?? '', /line 99$/);
});

test('ordinary progress is not taken for a lost connection', () => {
  for (const line of [
    'Collecting requests',
    'Downloading six-1.17.0-py2.py3-none-any.whl (11 kB)',
  ]) {
    assert.equal(isConnectivityLine(line), false);
  }
});

test('names of distributions compare in their canonical spelling', () => {
  assert.equal(nameOf('Scikit_Learn>=1.2'), 'scikit-learn');
  assert.equal(nameOf('a.b[extra] == 1'), 'a-b');
});

test('credentials in addresses of packages and indexes are shown nowhere', () => {
  const spec = 'left-pad @ https://user:S3cr3tVal@host/left-pad.whl?token=S3cr3tVal';
  const error = classifyFailure({
    doing: 'installed extra packages',
    output: `Looking in indexes: https://S3cr3tVal@host/simple\nERROR: No matching distribution found for left-pad @ https://user:S3cr3tVal@host/left-pad.whl?token=S3cr3tVal`,
    packages: [spec],
    offline: false,
  });
  assert.match(error.shortMessage, /left-pad/);
  assert.doesNotMatch(error.message, /S3cr3tVal/);
});
