// SPDX-License-Identifier: Apache-2.0
// What is said of a column that the declared type does not fit, and what would.

import { BeamBridgeError } from '../../base/index.ts';
import { type SchemaType, typeName } from '../../schema/index.ts';
import { annotationOf, type FileNode, leafOf, told } from './file-schema.ts';

/** The error of a column of another type. */
export function mismatch(type: SchemaType, part: FileNode, path: string): BeamBridgeError {
  const name = type.kind === 'row' ? 'a row' : typeName(type);
  return new BeamBridgeError(
    'HEADER_MISMATCH',
    `its column ${path} is ${told(part)}, and declared ${name}`,
    { hint: hintOf(part) },
  );
}

const OTHER = 'Declare it what it is, and convert it in a map.';

/** What a part can be declared as. */
function hintOf(part: FileNode): string {
  if (part.element.repetition_type === 'REPEATED') return 'Declare it array(…).';
  if (part.leaf === undefined) {
    const annotation = annotationOf(part.element);
    if (annotation === 'LIST') return 'Declare it array(…).';
    if (annotation === 'MAP') return 'Declare it map(key, value).';
    return annotation === undefined ? 'Declare it row({ … }).' : 'Leave it out: it cannot be read.';
  }
  const leaf = leafOf(part.element);
  switch (leaf.kind) {
    case 'timestamp':
    case 'int96':
    case 'date':
      return 'Declare it microsInstant or millisInstant.';
    case 'decimal':
      return 'Declare it decimal.';
    case 'int':
      return leaf.isLong ? 'Declare it bigint64 or int64.' : 'Declare it int64 or int32.';
    case 'uuid':
    case 'string':
    case 'bytes':
      return leaf.kind === 'bytes'
        ? 'The file does not say that these bytes are texts: declare it bytes, and decode it in a map.'
        : 'Declare it string.';
    case 'boolean':
      return 'Declare it boolean.';
    case 'other':
      return 'Leave it out: it cannot be read.';
    default:
      return leaf.kind === 'float64' ? 'Declare it float64.' : `Declare it float32. ${OTHER}`;
  }
}
