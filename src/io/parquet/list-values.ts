// SPDX-License-Identifier: Apache-2.0
// Lists as the arrays that are declared for them.

import { TYPED_ARRAY_KINDS, type TypedArrayKind } from '../../coders/index.ts';
import type { SchemaType } from '../../schema/index.ts';
import { Misfit } from '../records/misfit.ts';
import type { Matched } from './columns.ts';
import { DamagedColumn } from './damaged-column.ts';
import { annotationOf, type FileNode } from './file-schema.ts';
import type { SchemaElement } from './package.ts';
import { NONE } from './values.ts';

export type ListType = SchemaType & { kind: 'array' | 'iterable' };

/** Lists that become typed arrays. */
export interface TypedLists {
  readonly kind: TypedArrayKind;
  /** Whether elements that lie as this kind are values of it, whichever they are. */
  readonly lies: boolean;
  /** What a raw element is. */
  readonly element: Pick<Matched, 'read' | 'plain'>;
}

/** Whether what comes as null is a list without elements: of a leaf that is repeated, also as all of a list. */
export function isNullEmpty({ element, children, leaf }: FileNode): boolean {
  const isRepeated = (one: SchemaElement) => one.repetition_type === 'REPEATED';
  if (leaf !== undefined) return isRepeated(element);
  const [only] = children;
  const isList = annotationOf(element) === 'LIST' && children.length === 1;
  return isList && only?.leaf !== undefined && isRepeated(only.element);
}

/** What is known of lists by their elements. */
export function listOf(
  type: ListType,
  element: Matched,
): Pick<Matched, 'read' | 'plain' | 'takesNumbers' | 'lists'> {
  const { read, plain = NONE, takesNumbers } = element;
  const isTyped = type.kind === 'array' && type.typed === true;
  const kind = isTyped ? (type.element.kind as TypedArrayKind) : undefined;
  const Typed = kind && TYPED_ARRAY_KINDS[kind];
  return {
    plain: undefined,
    takesNumbers,
    lists: kind && {
      kind,
      element,
      lies: plain.most === (kind === 'int32' ? 2 ** 31 - 1 : Infinity),
    },
    read: (raw) => {
      if (!Array.isArray(raw) && !ArrayBuffer.isView(raw)) throw new DamagedColumn();
      const { length } = raw as ArrayLike<unknown>;
      const values = (Typed ? new Typed(length) : new Array(length)) as unknown[];
      let at = 0;
      try {
        for (; at < length; at++) {
          const value = (raw as ArrayLike<unknown>)[at];
          const isPlain = typeof value === 'number' && value >= plain.least && value <= plain.most;
          values[at] = isPlain ? value : read(value);
        }
      } catch (error) {
        throw error instanceof Misfit ? error.within(`[${at}]`) : error;
      }
      return values;
    },
  };
}
