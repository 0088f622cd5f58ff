// SPDX-License-Identifier: Apache-2.0
// How a choice of JavaScript values (bigint, typed array, enumeration, tensor) travels in a schema.
//
// Beam's schemas know int64 only. A field option says which values this program wants for it:
// other SDKs keep options that they do not know (Python's row types carry them), and their bytes
// stay those of plain int64. The option stands at the nearest field and names the place inside the
// field's type by a path: `` is the field itself, `e` its elements, `k` and `v` a map's keys and
// values, dots in between. python-env/beambridge_host/wire/tensors.py reads the tensors among them.

import { create, pb } from '../../proto/index.ts';
import { isTensorElement, type TensorElement } from '../tensor.ts';

export const VALUE_FORMS_OPTION = 'beambridge:option:value_forms:v1';

/** What stands at one place: a name, the values of an enumeration, or a tensor's elements and shape. */
export type ValueForm =
  | 'bigint'
  | 'typed'
  | { enumeration: readonly string[] }
  | { tensor: TensorElement; shape: readonly (number | null)[] };
export type ValueForms = Map<string, ValueForm>;

export const NO_FORMS: ValueForms = new Map();

/** The path of a part of the type at `path`. */
export function partPath(path: string, part: 'e' | 'k' | 'v'): string {
  return path === '' ? part : `${path}.${part}`;
}

export function valueFormsToOption(forms: ValueForms): pb.Option {
  const text = JSON.stringify(Object.fromEntries(forms));
  return create(pb.OptionSchema, {
    name: VALUE_FORMS_OPTION,
    type: { typeInfo: { case: 'atomicType', value: pb.AtomicType.STRING } },
    value: {
      fieldValue: {
        case: 'atomicValue',
        value: { value: { case: 'string', value: text } },
      },
    },
  });
}

export function valueFormsFromOptions(options: readonly pb.Option[]): ValueForms {
  const option = options.find(({ name }) => name === VALUE_FORMS_OPTION);
  const value = option?.value?.fieldValue;
  if (value?.case !== 'atomicValue' || value.value.value.case !== 'string') return NO_FORMS;
  return parseForms(value.value.value.value);
}

/** What cannot be understood is left out: a later version may know more forms. */
function parseForms(text: string): ValueForms {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return NO_FORMS;
  }
  const forms: ValueForms = new Map();
  for (const [path, form] of Object.entries(parsed ?? {})) {
    if (form === 'bigint' || form === 'typed') forms.set(path, form);
    else if (isEnumeration(form)) forms.set(path, { enumeration: form.enumeration });
    else if (isTensorForm(form)) forms.set(path, { tensor: form.tensor, shape: form.shape });
  }
  return forms;
}

function isEnumeration(form: unknown): form is { enumeration: string[] } {
  const values = (form as { enumeration?: unknown } | null)?.enumeration;
  return Array.isArray(values) && values.every((value) => typeof value === 'string');
}

function isTensorForm(
  form: unknown,
): form is { tensor: TensorElement; shape: readonly (number | null)[] } {
  const { tensor, shape } = (form ?? {}) as { tensor?: unknown; shape?: unknown };
  return (
    typeof tensor === 'string' &&
    isTensorElement(tensor) &&
    Array.isArray(shape) &&
    shape.every((size) => size === null || (Number.isInteger(size) && size >= 0))
  );
}
