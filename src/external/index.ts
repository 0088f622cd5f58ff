// SPDX-License-Identifier: Apache-2.0
// Cross-language transforms: what they are configured with, how they are expanded, and how the
// answer becomes part of a pipeline. May import `pipeline`, `services` and what those may import.

export type { SchemaTransformDescription } from './discovery.ts';
// For runners.
export { chooseEnvironments } from './environments.ts';
export { type ExpandedPipeline, type ExpandOptions, expandPipeline } from './expand-pipeline.ts';
export type { ServiceAddress } from './expansion-client.ts';
// For users.
export {
  type ExternalOptions,
  ExternalTransform,
  type OutputType,
  rawExternalTransform,
} from './external-transform.ts';
export { isJavaFailure, javaError, saidByJavaHarness } from './java-failure.ts';
export {
  JAVA_BEAM_VERSION,
  JAVA_OPTIONS,
  type JavaArtifact,
  type JavaOptions,
  type JavaServiceChoice,
  type JavaServiceSettings,
  javaService,
  serviceOf,
} from './java-options.ts';
export { javaAddress } from './java-service.ts';
export {
  type JavaArguments,
  JavaTransform,
  type JavaTransformOptions,
  javaTransform,
} from './java-transform.ts';
export { type Kept, keptAs } from './kept.ts';
export { withAnotherHost } from './lost-host.ts';
export {
  encodePayload,
  type PythonCallable,
  pythonCallable,
  TypedValue,
  typed,
} from './payload.ts';
export { isMarked, type PythonFailure, parsePythonFailure, pythonError } from './python-failure.ts';
export {
  type PythonTransformOptions,
  pythonService,
  pythonTransform,
  pythonTransformIn,
} from './python-transform.ts';
export {
  discoverSchemaTransforms,
  type SchemaTransformConfig,
  type SchemaTransformOptions,
  schemaTransform,
  schemaTransformIn,
} from './schema-transform.ts';
export { type SqlInput, type SqlOptions, sqlTransform } from './sql-transform.ts';
export type { ServiceProvider, StartableService } from './started-service.ts';
