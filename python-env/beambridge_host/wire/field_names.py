# SPDX-License-Identifier: Apache-2.0
"""Names of fields in Python.

Headers of real files (`Beak Length (mm)`, `class`, `_id`, `order-id`) are no names that a named tuple can have. Rows
carry such fields under another name inside Python, and under their own in data frames, in dicts and outside.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import keyword
import re
from typing import Iterable

from apache_beam.portability.api import schema_pb2


def python_names(names: Iterable[str]) -> dict[str, str]:
  """For each name of a row's fields the one that Python has for it: itself where it can be."""
  declared = list(names)
  taken = {name for name in declared if _is_name(name)}
  renamed = {}
  for name in declared:
    base = name if name in taken else _near(name)
    unique, n = base, 2
    while unique != name and unique in taken:
      unique, n = f'{base}_{n}', n + 1
    taken.add(unique)
    renamed[name] = unique
  return renamed


def _is_name(name: str) -> bool:
  return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith('_')


def _near(name: str) -> str:
  plain = re.sub(r'\W+', '_', name).strip('_')
  if keyword.iskeyword(plain):
    return f'{plain}_'
  return plain if _is_name(plain) else f'field_{plain}' if plain else 'field'


def in_python(schema: schema_pb2.Schema) -> schema_pb2.Schema:
  """The schema with Python's names; the same one where they are its own."""
  own = schema_pb2.Schema()
  own.CopyFrom(schema)
  if not _rename(own):
    return schema
  return own


def _rename(schema: schema_pb2.Schema) -> bool:
  names = python_names(field.name for field in schema.fields)
  changed = False
  for field in schema.fields:
    changed = _rename_in(field.type) or names[field.name] != field.name or changed
    field.name = names[field.name]
  if changed:
    # Beam remembers what it made of a schema by its id.
    schema.id = ''
  return changed


def _rename_in(kind: schema_pb2.FieldType) -> bool:
  info = kind.WhichOneof('type_info')
  if info == 'row_type':
    return _rename(kind.row_type.schema)
  if info in ('array_type', 'iterable_type'):
    return _rename_in(getattr(kind, info).element_type)
  if info == 'map_type':
    return any([_rename_in(kind.map_type.key_type), _rename_in(kind.map_type.value_type)])
  return False
