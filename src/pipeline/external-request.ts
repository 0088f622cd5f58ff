// SPDX-License-Identifier: Apache-2.0
// What the graph remembers of a cross-language transform until an expansion service is asked.
// The room src/external makes these and answers them.

import type { Coder } from '../coders/index.ts';
import type { DiscoverSchemaTransformResponse, pb } from '../proto/index.ts';

/** Where a cross-language transform is expanded and what it needs. */
export interface ExternalRequest {
  urn: string;
  payload: Uint8Array;
  service: ExpansionServiceChoice;
  /** Coders that the service is asked to use, by output tag: it may refuse more than one. */
  requestOutputCoders: ReadonlyMap<string, Coder<unknown>>;
  /**
   * Says what is asked, where that depends on what the service has; `discovered` asks for it.
   * @default `payload`, with the inputs by their own tags
   */
  prepare?(discovered: () => Promise<DiscoverSchemaTransformResponse>): Promise<PreparedRequest>;
  /** The answer, once there is one. */
  expansion?: ExternalExpansion;
  /**
   * Set where whatever asks for the same gets the same, and nothing of a run stays in the process that executes
   * it: the text in `payload` that is another one in each pipeline.
   */
  mark?: string;
}

/** What a service is asked. */
export interface PreparedRequest {
  payload: Uint8Array;
  /** What the service calls the inputs, by their tags here. */
  inputTags: ReadonlyMap<string, string>;
}

/** What an expansion service answered. Ids of its own in it start with `namespace`. */
export interface ExternalExpansion {
  namespace: string;
  components: pb.Components;
  transform: pb.PTransform;
  requirements: string[];
}

/** The managed Python host with these packages, a managed Java, a service that somebody else runs, or one to be started. */
export type ExpansionServiceChoice =
  | {
      kind: 'python';
      extras: readonly string[];
      packages: readonly string[];
      /**
       * Whether code runs that we do not know: it would find packages in a larger environment that it did not
       * ask for, and fail on the next machine.
       */
      isExact: boolean;
    }
  | {
      /** A managed service of Java with these jars. */
      kind: 'java';
      jars: readonly string[];
      allowlist?: string | undefined;
      javaOptions?: readonly string[] | undefined;
      worker?: boolean | undefined;
      extras?: readonly string[];
    }
  | {
      kind: 'started';
      /** Starts the service unless it was started already, and gives its `HOST:PORT`. */
      address(signal?: AbortSignal): Promise<string>;
      extras?: readonly string[];
    }
  | {
      kind: 'address';
      address: string;
      /** What Python's DirectRunner needs to run the expanded stages in the managed host. */
      extras?: readonly string[];
    };
