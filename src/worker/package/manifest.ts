// SPDX-License-Identifier: Apache-2.0
// The package that a program belongs to, and what in its package.json would fail where workers are: found
// before anything is packed, since there it would be npm's words on another machine.

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { BeamBridgeError, packagePath, packageVersion } from '../../base/index.ts';

type Dependencies = Readonly<Record<string, string>>;

/** What counts here of a package.json. */
export interface Manifest {
  readonly name: string;
  readonly dependencies?: Dependencies;
  readonly optionalDependencies?: Dependencies;
  readonly peerDependencies?: Dependencies;
  readonly devDependencies?: Dependencies;
  readonly bundleDependencies?: readonly string[] | boolean;
  readonly bundledDependencies?: readonly string[] | boolean;
}

/** A folder with a package.json that names a package. */
export interface PackageFolder {
  readonly folder: string;
  readonly manifest: Manifest;
}

/** An error of a program that cannot travel as a package. */
export function notPacked(message: string, hint: string, detail?: string): BeamBridgeError {
  return new BeamBridgeError('PROGRAM_NOT_PACKED', message, { hint, detail });
}

/**
 * The package of a module.
 *
 * @throws BeamBridgeError `PROGRAM_NOT_PACKED`
 */
export function packageOfModule(path: string): PackageFolder {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const manifest = read(file);
      // A folder of build results often has one that only says what its modules are.
      if (typeof manifest.name === 'string') return { folder, manifest: manifest as Manifest };
    }
    if (folder === dirname(folder)) break;
  }
  throw notPacked(
    `${path} belongs to no package: no package.json above it has a name`,
    'Make one with `npm init`, and name what the program imports in its dependencies.',
  );
}

function read(file: string): Partial<Manifest> {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Partial<Manifest>;
  } catch (cause) {
    throw new BeamBridgeError('PROGRAM_NOT_PACKED', `${file} cannot be read`, {
      cause,
      hint: 'It must be JSON, as npm reads it.',
    });
  }
}

/**
 * Refuses a package that would not be whole where it is installed.
 *
 * @param entry - the module, as a path below the package's folder
 * @throws BeamBridgeError `PROGRAM_NOT_PACKED`
 */
export function checkPackage(
  { folder, manifest }: PackageFolder,
  entry: string,
  files: readonly string[],
): void {
  if (!files.includes(entry)) {
    throw notPacked(
      `${entry} is not among the ${files.length} files that npm packs of ${manifest.name}`,
      'Name it, or its folder, in "files" of package.json, or take it out of .npmignore.',
      files.slice(0, 20).join('\n'),
    );
  }
  checkOwn(manifest);
  const bundled = manifest.bundleDependencies ?? manifest.bundledDependencies ?? [];
  for (const [name, spec] of Object.entries({
    ...manifest.dependencies,
    ...manifest.optionalDependencies,
  })) {
    if (bundled === true || (Array.isArray(bundled) && bundled.includes(name))) continue;
    if (!isElsewhere(spec, folder, files)) continue;
    throw notPacked(
      `${manifest.name} depends on ${name} by ${JSON.stringify(spec)}, which workers do not have`,
      'Depend on a release, on a tarball that is among the "files" of the package (`npm pack` makes one), or name it in "bundleDependencies".',
    );
  }
}

/** This package must be there, too, and not for development only. */
function checkOwn(manifest: Manifest): void {
  const own = ownName();
  const { name, devDependencies = {}, bundleDependencies = [] } = manifest;
  const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifest;
  if (name === own) return;
  const all = { ...dependencies, ...optionalDependencies, ...peerDependencies };
  if (Object.hasOwn(all, own)) return;
  if (Array.isArray(bundleDependencies) && bundleDependencies.includes(own)) return;
  throw notPacked(
    `${name} does not name ${own} in its dependencies, which workers install`,
    Object.hasOwn(devDependencies, own)
      ? 'Move it there from devDependencies, which workers leave out.'
      : `npm install ${own}@${packageVersion()}`,
  );
}

function ownName(): string {
  return (JSON.parse(readFileSync(packagePath('package.json'), 'utf8')) as Manifest).name;
}

/** Whether a dependency is a path of this machine that does not travel along. */
function isElsewhere(spec: string, folder: string, files: readonly string[]): boolean {
  if (/^(?:link|workspace|portal):/.test(spec)) return true;
  if (!/^(?:file:|\.{0,2}\/|~\/)/.test(spec)) return false;
  const path = resolve(folder, spec.replace(/^file:/, ''));
  const inside = relative(folder, path).split(sep).join('/');
  return !files.some((file) => file === inside || file.startsWith(`${inside}/`));
}

/**
 * Refuses a lock file with another version of this package than the one that runs here.
 *
 * @throws BeamBridgeError `WORKER_MISMATCH`
 */
export function checkLock(lock: string, file: string): void {
  const own = ownName();
  let locked: unknown;
  try {
    const { packages } = JSON.parse(lock) as {
      packages?: Record<string, { version?: unknown }>;
    };
    locked = packages?.[`node_modules/${own}`]?.version;
  } catch {
    throw notPacked(`${file} is no JSON`, 'Write it again: `npm install --package-lock-only`.');
  }
  if (typeof locked !== 'string' || locked === packageVersion()) return;
  throw new BeamBridgeError(
    'WORKER_MISMATCH',
    `${file} has ${own} ${locked}, which workers would install, and this program runs ${packageVersion()}`,
    { hint: `npm install ${own}@${packageVersion()}, or \`npm ci\` for the other.` },
  );
}
