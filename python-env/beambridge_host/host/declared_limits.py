# SPDX-License-Identifier: Apache-2.0
"""What a program declares beyond Beam's types: fewer bits than Python's numbers have, the values of an enumeration, and
times without microseconds.

A bare `int32` travels as Beam's varint, whose type is `int`, an enumeration as any text, and both kinds of instants are
Python's Timestamp. The coder that is asked for says which of them is meant, see src/external/expansion-request.ts. Rows
say it in their schemas, and of an enumeration in a row TypeScript reads no other value.
"""

import json
from typing import Any

from apache_beam.portability import common_urns
from apache_beam.portability.api import schema_pb2

_BITS = {b'int32': 32, b'int16': 16, b'byte': 8, b'float32': 32}
_ENUMERATION = b'enumeration:'
_INSTANTS = {'beam:logical_type:millis_instant:v1': 1000, 'beam:logical_type:micros_instant:v1': 1}


def limited(plan: Any, coder_id: str, components: Any) -> Any:
  """A declared type as plain data, see `declared.plan`, with the limits that its coder tells."""
  coder = components.coders[coder_id]
  parts = coder.component_coder_ids
  kind = plan[0]
  if kind in ('int', 'float'):
    return (kind, _BITS.get(coder.spec.payload, plan[1]))
  if kind == 'str' and coder.spec.payload.startswith(_ENUMERATION):
    return ('enumeration', json.loads(coder.spec.payload.removeprefix(_ENUMERATION)))
  if kind == 'row' and coder.spec.urn == common_urns.coders.ROW.urn:
    return _row(plan, schema_pb2.Schema.FromString(coder.spec.payload))
  if kind in ('nullable', 'list') and len(parts) == 1:
    return (kind, limited(plan[1], parts[0], components))
  if kind == 'tuple' and len(parts) == len(plan[1]):
    return (kind, [limited(part, id_, components) for part, id_ in zip(plan[1], parts)])
  return plan


def _row(plan: Any, schema: Any) -> Any:
  types = {field.name: field.type for field in schema.fields}
  return ('row', [(name, _field(part, types[name]) if name in types else part) for name, part in plan[1]])


def _field(plan: Any, type_: Any) -> Any:
  if plan[0] == 'nullable':
    return ('nullable', _field(plan[1], type_))
  info = type_.WhichOneof('type_info')
  if info == 'logical_type':
    return ('instant', _INSTANTS[type_.logical_type.urn]) if type_.logical_type.urn in _INSTANTS else plan
  if info == 'row_type' and plan[0] == 'row':
    return _row(plan, type_.row_type.schema)
  if info == 'map_type' and plan[0] == 'dict':
    return ('dict', _field(plan[1], type_.map_type.key_type), _field(plan[2], type_.map_type.value_type))
  if info in ('array_type', 'iterable_type') and plan[0] == 'list':
    return ('list', _field(plan[1], getattr(type_, info).element_type))
  return plan
