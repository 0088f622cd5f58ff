// SPDX-License-Identifier: Apache-2.0
// What the steps in Python give, which python-steps.ts has the source of.

import type { Facts } from '../plan.ts';
import type { Step } from '../program.ts';
import { isPortableType } from '../types.ts';
import { type Element, grouped } from './group.ts';
import { spanKey } from './windows.ts';

type PythonStep = Extract<Step, { op: 'python' }>;

/** Whether elements are made texts in front of the step. */
export const becomesText = (how: PythonStep['how'], { type }: Facts): boolean =>
  (how !== 'identity' && how !== 'keep') || !isPortableType(type);

/** The input of a step that takes text is text of the kind `t123`. */
export function inPython(how: PythonStep['how'], input: Element[], facts: Facts): Element[] {
  const each = (fn: (text: string) => string[]) =>
    input.flatMap((element) => fn(element.value as string).map((value) => ({ ...element, value })));
  const lengthOf = (text: string) => text.length % 2;
  switch (how) {
    case 'identity':
    case 'keep':
      return input;
    case 'change':
      return each((text) => [`${text}!`]);
    case 'flatten':
      return each((text) => [`{'word': '${text}'}`, `{'length': ${text.length}}`]);
    case 'count':
      return grouped(input, facts, (text) => text).map(({ key, values, ...rest }) => ({
        ...rest,
        value: `${key}=${values.length}`,
      }));
    case 'coGroup':
      return grouped(input, facts, (text) => lengthOf(text as string)).map(
        ({ key, values, ...rest }) => {
          const texts = (values as string[]).sort();
          const lengths = texts.map((text) => text.length).sort((a, b) => a - b);
          return { ...rest, value: `${key}: ${texts.join('|')} ${lengths.join('|')}` };
        },
      );
    case 'side':
      return input.map((element) => {
        const together = input.filter(({ window }) => spanKey(window) === spanKey(element.window));
        return { ...element, value: `${element.value}/${together.length}` };
      });
  }
}
