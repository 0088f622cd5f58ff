// SPDX-License-Identifier: Apache-2.0
// What a coder message says, apart from the ids under which it and its parts are kept: two that say
// the same read each other's bytes, and values that one has read can be written by the other.

import { fromBinary, pb, toBinary, urns } from '../proto/index.ts';
import { SCHEMA_VALUE_CODER_URN } from './row/row-coder.ts';

const ROWS: ReadonlySet<string> = new Set([urns.StandardCoders_Enum.ROW, SCHEMA_VALUE_CODER_URN]);

type Coders = Readonly<Record<string, pb.Coder>>;

/** How {@link coderContents} compares. */
export interface ContentOptions {
  /**
   * Whether schemas differ by their ids alone. An id leads an SDK to a class of its own, so that a
   * coder can take another's place only where the ids are equal too.
   * @default false
   */
  readonly schemaIds?: boolean;
}

/** Gives the content of a coder by its id: a text that is equal for coders which say the same. */
export function coderContents(
  coders: Coders,
  { schemaIds = false }: ContentOptions = {},
): (id: string) => string {
  const known = new Map<string, string>();
  const contentOf = (id: string): string => {
    let content = known.get(id);
    if (content === undefined) {
      // A coder that contains itself is refused when it is read.
      known.set(id, id);
      const coder = Object.hasOwn(coders, id) ? coders[id] : undefined;
      if (coder?.spec) {
        const { urn, payload } = coder.spec;
        const said = schemaIds || !ROWS.has(urn) ? payload : withoutIds(payload);
        const parts = coder.componentCoderIds.map(contentOf);
        content = JSON.stringify([urn, Buffer.from(said).toString('base64'), parts]);
      } else content = id;
      known.set(id, content);
    }
    return content;
  };
  return contentOf;
}

function withoutIds(payload: Uint8Array): Uint8Array {
  const schema = fromBinary(pb.SchemaSchema, payload);
  forgetIds(schema);
  return toBinary(pb.SchemaSchema, schema);
}

function forgetIds(schema: pb.Schema): void {
  schema.id = '';
  for (const { type } of schema.fields) forgetIdsIn(type);
}

function forgetIdsIn(type: pb.FieldType | undefined): void {
  const info = type?.typeInfo;
  switch (info?.case) {
    case 'arrayType':
    case 'iterableType':
      forgetIdsIn(info.value.elementType);
      return;
    case 'mapType':
      forgetIdsIn(info.value.keyType);
      forgetIdsIn(info.value.valueType);
      return;
    case 'rowType':
      if (info.value.schema) forgetIds(info.value.schema);
      return;
    case 'logicalType':
      forgetIdsIn(info.value.representation);
      forgetIdsIn(info.value.argumentType);
      return;
    default:
  }
}
