// SPDX-License-Identifier: Apache-2.0
// Google Cloud Pub/Sub by Beam's PubsubIO of Java, under the names of the official TypeScript SDK.

import { BeamBridgeError, checkOptionNames, type OptionNames } from '../../base/index.ts';
import { BytesCoder } from '../../coders/index.ts';
import {
  type ExternalTransform,
  encodePayload,
  JAVA_OPTIONS,
  type JavaArtifact,
  type JavaOptions,
  JavaTransform,
  serviceOf,
} from '../../external/index.ts';
import { type PCollection, type PValue, type Root, withName } from '../../pipeline/index.ts';
import { withCoder } from '../../transforms/index.ts';

const URNS = 'beam:transform:org.apache.beam:pubsub';
const JAR: JavaArtifact = 'beam-sdks-java-io-google-cloud-platform-expansion-service';

/** Attributes of messages that Beam reads or sets. */
export interface PubSubAttributes {
  /** The attribute by which messages that come twice are told: its value is a message's own. @default none */
  idAttribute?: string | undefined;
  /** The attribute that has an element's timestamp: milliseconds since the epoch, or RFC 3339. @default the time of publishing */
  timestampAttribute?: string | undefined;
}

/** Where messages are read from: one of the two. */
export type PubSubSource = PubSubAttributes &
  (
    | { /** `projects/PROJECT/topics/TOPIC`. */ topic: string; subscription?: undefined }
    | { /** `projects/PROJECT/subscriptions/NAME`. */ subscription: string; topic?: undefined }
  );

type Service = Pick<JavaOptions, 'service' | 'beamVersion'>;

const ATTRIBUTES: OptionNames<PubSubAttributes> = { idAttribute: true, timestampAttribute: true };
const SOURCE = { ...ATTRIBUTES, topic: true, subscription: true };

/**
 * The data of Pub/Sub's messages, a stream. It goes by Java, which needs credentials of Google Cloud.
 *
 * @throws BeamBridgeError `INVALID_ARGUMENT`; when run as `javaTransform`
 * @example
 * ```ts
 * root.apply(readFromPubSub({ subscription: 'projects/shop/subscriptions/orders' }));
 * ```
 */
export function readFromPubSub(
  source: PubSubSource,
  options: Service = {},
): ExternalTransform<Root, PCollection<Uint8Array>> {
  checkOptionNames('readFromPubSub', source, SOURCE);
  checkOptionNames('readFromPubSub', options, JAVA_OPTIONS);
  const { topic, subscription } = source;
  if ((topic === undefined) === (subscription === undefined)) {
    throw new BeamBridgeError(
      'INVALID_ARGUMENT',
      'readFromPubSub: give a topic or a subscription',
      {
        hint: "One of them: { subscription: 'projects/PROJECT/subscriptions/NAME' }.",
      },
    );
  }
  const payload = encodePayload({
    topic,
    subscription,
    id_label: source.idAttribute,
    timestamp_attribute: source.timestampAttribute,
    with_attributes: false,
  });
  return new JavaTransform(
    `readFromPubSub(${topic ?? subscription})`,
    `${URNS}_read:v1`,
    payload,
    serviceOf(options, JAR),
    { ...options, output: new BytesCoder() },
  );
}

/**
 * Publishes each element as a message's data.
 *
 * @param topic - `projects/PROJECT/topics/TOPIC`
 * @throws BeamBridgeError as {@link readFromPubSub}
 * @example
 * ```ts
 * bytes.apply(writeToPubSub('projects/shop/topics/scores'));
 * ```
 */
export function writeToPubSub(
  topic: string,
  attributes: PubSubAttributes = {},
  options: Service = {},
): (data: PCollection<Uint8Array>) => PValue {
  checkOptionNames('writeToPubSub', attributes, ATTRIBUTES);
  checkOptionNames('writeToPubSub', options, JAVA_OPTIONS);
  const payload = encodePayload({
    topic,
    id_label: attributes.idAttribute,
    timestamp_attribute: attributes.timestampAttribute,
  });
  const write = new JavaTransform<PCollection<Uint8Array>, PValue>(
    'write',
    `${URNS}_write:v1`,
    payload,
    serviceOf(options, JAR),
    { ...options, outputs: {} },
  );
  return withName(`writeToPubSub(${topic})`, (data: PCollection<Uint8Array>) =>
    data.map(asMessage).apply(withCoder(new BytesCoder())).apply(write),
  );
}

/** A `google.pubsub.v1.PubsubMessage` with this data, as Java reads it: its first field, with its length before it. */
export function asMessage(data: Uint8Array): Uint8Array {
  const length: number[] = [];
  let rest = data.length;
  do {
    length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([0x0a, ...length]), data]);
}
