// SPDX-License-Identifier: Apache-2.0
// What pip, venv and uv mean by what they print when an environment cannot be built.

import { BeamBridgeError, conceal, type ErrorDetails } from '../../base/index.ts';

/** Lines that say that a registry could not be reached. Both tools repeat them while they retry. */
const CONNECTIVITY =
  /NewConnectionError|ConnectTimeoutError|NameResolutionError|Name or service not known|Temporary failure in name resolution|nodename nor servname|Network is unreachable|No route to host|Connection refused|ProxyError|dns error|tcp connect error|client error \(Connect\)|error sending request|operation timed out|Read timed out|network connectivity is disabled|connection attempts failed|max retries exceeded/i;

/** Registries that are reached, and not believed. */
const CERTIFICATE =
  /invalid peer certificate|UnknownIssuer|CERTIFICATE_VERIFY_FAILED|certificate verify failed|SSLCertVerificationError|self[- ]signed certificate|unable to get local issuer/i;

/** True for a line by which a tool says that it cannot reach a registry. */
export function isConnectivityLine(line: string): boolean {
  return CONNECTIVITY.test(line);
}

const NO_SPACE = /No space left on device|ENOSPC|os error 28|Disk quota exceeded|os error 122/i;
const NO_PERMISSION = /Permission denied|Read-only file system|os error 13|os error 30/i;
const NO_VENV = /ensurepip is not available|No module named (venv|ensurepip)/;
const HASH_MISMATCH = /DO NOT MATCH THE HASHES|Hash mismatch/i;

/** Each captures the name of a package that could not be installed. */
const NOT_INSTALLABLE = [
  /No matching distribution found for ([^\s;,]+)/,
  /Could not find a version that satisfies the requirement ([^\s;,]+)/,
  /Because ([\w.-]+) was not found in the package registry/,
  /there (?:is|are) no versions? of ([\w.-]+)/i,
  /Because only .* versions? of ([\w.-]+)/i,
  /Failed (?:to build|building wheel for|to download and build) [`'"]?([\w.=-]+)/i,
  /Invalid requirement: ['"]?([^'"\n:]+)/,
  /(?:Failed to parse|Couldn't parse requirement)[: ]+[`'"]?([^`'"\n]+)/i,
  /Cannot install ([\w.=-]+)/,
  /Expected .*, found .*\n\s*([^\s]+)/,
];
const UNSATISFIABLE =
  /No solution found|ResolutionImpossible|conflicting dependencies|is not a supported wheel|Requires-Python/i;

/** The step of a build that failed. */
export interface FailedStep {
  /** What was being done, as in "while it {doing}". */
  doing: string;
  /** What the tool printed. */
  output: string;
  /** The user's packages, when those were being installed. */
  packages: readonly string[];
  /** True when it was ended because registries did not answer. */
  offline: boolean;
}

/** The error of a build step, by what its tool printed. */
export function classifyFailure({ doing, output, packages, offline }: FailedStep): BeamBridgeError {
  const detail = conceal(lastLines(output));
  const make = (
    code: 'ENVIRONMENT_OFFLINE' | 'PACKAGE_NOT_INSTALLABLE' | 'ENVIRONMENT_BUILD_FAILED',
    message: string,
    hint: string,
  ): BeamBridgeError => {
    const details: ErrorDetails = { hint, detail };
    return new BeamBridgeError(code, conceal(message), details);
  };
  if (NO_SPACE.test(output)) {
    return make(
      'ENVIRONMENT_BUILD_FAILED',
      'the disk is full: the Python environment could not be built',
      'Free some space, or set BEAMBRIDGE_HOME to a folder on another disk.',
    );
  }
  if (CERTIFICATE.test(output)) {
    return make(
      'ENVIRONMENT_BUILD_FAILED',
      'the Python packages could not be fetched: the certificate of the package registry is not trusted',
      'Behind a proxy of a company, let Python trust its certificate: add it to the system, or name its file in SSL_CERT_FILE for uv and in PIP_CERT for pip, which looks into REQUESTS_CA_BUNDLE before that where it is set.',
    );
  }
  if (offline || isConnectivityLine(output)) {
    return make(
      'ENVIRONMENT_OFFLINE',
      'the Python packages could not be fetched: no package registry can be reached',
      'Connect to a network (or set the proxy or index of pip or uv) and run again, or name a Python that has everything in BEAMBRIDGE_PYTHON.',
    );
  }
  if (NO_VENV.test(output)) {
    return make(
      'ENVIRONMENT_BUILD_FAILED',
      'this Python cannot make virtual environments',
      'Install its venv module (on Debian and Ubuntu: `apt install python3-venv`), or install uv.',
    );
  }
  if (HASH_MISMATCH.test(output)) {
    return make(
      'ENVIRONMENT_BUILD_FAILED',
      'a package that was fetched is not the one that is pinned: its hash differs',
      'The index or proxy in use serves changed files: use another one.',
    );
  }
  const name = packageIn(output, packages);
  if (name !== undefined) {
    return make(
      'PACKAGE_NOT_INSTALLABLE',
      `the Python package ${name} cannot be installed`,
      'Check its name and version, and that it offers a wheel for this Python and machine.',
    );
  }
  if (NO_PERMISSION.test(output)) {
    return make(
      'ENVIRONMENT_BUILD_FAILED',
      `permission was denied while it ${doing}`,
      'Set BEAMBRIDGE_HOME to a folder that can be written.',
    );
  }
  return make(
    'ENVIRONMENT_BUILD_FAILED',
    `the Python environment could not be built: it failed while it ${doing}`,
    'The last lines of the installer are below.',
  );
}

function packageIn(output: string, packages: readonly string[]): string | undefined {
  for (const pattern of NOT_INSTALLABLE) {
    const found = pattern.exec(output)?.[1];
    if (found) return userSpelling(found, packages) ?? found;
  }
  // Anything else that fails while user packages are installed is the fault of one of them.
  if (UNSATISFIABLE.test(output) || packages.length > 0) {
    const mentioned = packages.filter((spec) => output.includes(nameOf(spec)));
    const guilty = mentioned.length > 0 ? mentioned : packages;
    return guilty.length > 0 ? guilty.join(', ') : undefined;
  }
  return undefined;
}

/** A tool may print `foo` where the user wrote `foo==1.2`: show the user's own words. */
function userSpelling(found: string, packages: readonly string[]): string | undefined {
  return packages.find((spec) => nameOf(spec) === nameOf(found));
}

/** The distribution's name in a requirement, spelled the canonical way. */
export function nameOf(spec: string): string {
  const name = /^[A-Za-z0-9][\w.-]*/.exec(spec)?.[0] ?? spec;
  return name.toLowerCase().replace(/[-_.]+/g, '-');
}

function lastLines(output: string): string {
  return output.split('\n').slice(-15).join('\n');
}
