// SPDX-License-Identifier: Apache-2.0
// Which service of Java expands a transform: a managed one with jars of Beam's or of the program's own, or
// one that somebody else runs.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../base/index.ts';
import type { ExpansionServiceChoice } from '../pipeline/index.ts';
import { EXTERNAL_OPTIONS, type ExternalOptions, serviceChoice } from './external-transform.ts';
import type { ServiceProvider } from './started-service.ts';

/** The release of Beam whose jars are fetched where none are named. */
export const JAVA_BEAM_VERSION = '2.70.0';

/** What Java's harness measures its caches with. Beam brings it in its container image only. */
const JAMM = 'com.github.jbellis:jamm:0.4.0';

/** Beam's jars that hold an expansion service and all that its transforms need. */
export type JavaArtifact =
  | 'beam-sdks-java-io-expansion-service'
  | 'beam-sdks-java-io-google-cloud-platform-expansion-service'
  | 'beam-sdks-java-extensions-schemaio-expansion-service'
  | 'beam-sdks-java-extensions-sql-expansion-service';

/** A managed service of Java; made by {@link javaService}. */
export type JavaServiceChoice = Extract<ExpansionServiceChoice, { kind: 'java' }>;

/** Options of {@link javaService}. */
export interface JavaServiceSettings {
  /**
   * What Java loads its classes from, in this order: jars, folders with jars, class paths, and Maven
   * coordinates (`group:artifact:version`) of jars that hold all they need, which are fetched once, checked
   * against their checksums and kept in the cache.
   */
  jars: string | readonly string[];
  /**
   * Path of the file, in Beam's own form, that says which classes `javaTransform` may make and which of their
   * methods it may call. @default '*', all: the service listens for this program alone
   */
  allowlist?: string | undefined;
  /** Options of Java's own. @default ['-Xmx1g'] */
  javaOptions?: readonly string[] | undefined;
  /**
   * Whether Java's harness runs in the process of the service, where every runner on this machine can use it.
   * Without it, stages of Java are for Beam's container image with the jars staged, which `node` cannot run.
   * @default true
   */
  worker?: boolean | undefined;
}

const SETTINGS: OptionNames<JavaServiceSettings> = {
  jars: true,
  allowlist: true,
  javaOptions: true,
  worker: true,
};

/**
 * A service of Java with these jars, to be given to transforms as `service`. It is started when a pipeline
 * that needs it is run, listens on 127.0.0.1, is shared by all runs of the program, and ends with it.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`; when run: `JAVA_NOT_FOUND`, `JAVA_TOO_OLD` (11 or later is
 *   wanted), `ENGINE_NOT_FOUND` for jars, `ENGINE_MISMATCH` for one that is not what its checksum says,
 *   `ENGINE_START_FAILED`, `ENGINE_DIED`
 * @example
 * ```ts
 * const java = javaService({
 *   jars: ['lib/', 'org.postgresql:postgresql:42.7.4'],
 *   allowlist: 'allowed.yaml',
 * });
 * root.apply(javaTransform('org.example.beam.ReadOrders', { service: java, output: string }));
 * ```
 */
export function javaService(settings: JavaServiceSettings): JavaServiceChoice {
  checkOptionNames('javaService', settings, SETTINGS);
  const { jars, allowlist, javaOptions, worker } = settings;
  const named = [jars].flat();
  if (named.length === 0 || named.some((each) => typeof each !== 'string' || each === '')) {
    throw new BeamBridgeError('INVALID_ARGUMENT', 'javaService: there are no jars', {
      hint: "Name jars, folders with jars, or Maven coordinates: javaService({ jars: ['lib/'] }).",
    });
  }
  return { kind: 'java', jars: named, allowlist, javaOptions, worker };
}

/** What every transform of Java's can be told besides its arguments. */
export interface JavaOptions extends ExternalOptions {
  /**
   * The service that expands it: one made by {@link javaService}, or `HOST:PORT` of one that somebody else
   * runs. @default a managed one with Beam's own jar for it, or with those of `BEAMBRIDGE_JAVA_JARS`
   */
  service?: JavaServiceChoice | string | ServiceProvider | undefined;
  /** The release of Beam whose jar is fetched where no `service` is given. @default '2.70.0' */
  beamVersion?: string | undefined;
}

/** Names of {@link JavaOptions}. */
export const JAVA_OPTIONS: OptionNames<JavaOptions> = {
  ...EXTERNAL_OPTIONS,
  service: true,
  beamVersion: true,
};

/** Beam's jar for a transform of Java's, as Maven coordinates. */
function coordinates(artifact: JavaArtifact, version: string): string {
  return `org.apache.beam:${artifact}:${version}`;
}

/** The service that options ask for. */
export function serviceOf(
  { service, beamVersion = JAVA_BEAM_VERSION }: JavaOptions,
  artifact: JavaArtifact,
): ExpansionServiceChoice | ServiceProvider {
  if (typeof service === 'function') return service;
  if (service !== undefined) return serviceChoice(service);
  const { BEAMBRIDGE_JAVA_JARS: jars } = process.env;
  return javaService({ jars: jars ? jars : [coordinates(artifact, beamVersion), JAMM] });
}
