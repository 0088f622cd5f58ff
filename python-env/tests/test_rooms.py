# SPDX-License-Identifier: Apache-2.0
"""The rooms of beambridge_host as a rule: a room imports only what its row allows."""

import ast
import pathlib
import unittest

PACKAGE = pathlib.Path(__file__).parent.parent / 'beambridge_host'

# What a room may import besides itself and `errors`, which every room may.
ROOMS = {
    'worker': set(),
    'wire': {'worker'},
    'host': {'worker'},
    'inference': {'wire', 'worker'},
    'handlers': {'inference', 'wire', 'worker'},
}


def rooms_of(imported: str, names: 'list[str]') -> 'set[str]':
  """The rooms that `from imported import names` reaches."""
  parts = imported.split('.')
  if parts[0] != 'beambridge_host':
    return set()
  return {parts[1]} if len(parts) > 1 else set(names)


def imports(file: pathlib.Path) -> 'set[str]':
  found = set()
  for node in ast.walk(ast.parse(file.read_text())):
    if isinstance(node, ast.ImportFrom) and node.module:
      found |= rooms_of(node.module, [alias.name for alias in node.names])
    elif isinstance(node, ast.Import):
      for alias in node.names:
        found |= rooms_of(alias.name, [])
  return found


class RoomsTest(unittest.TestCase):

  def test_every_file_is_in_a_room(self) -> None:
    here = {file.name for file in PACKAGE.glob('*.py')}
    self.assertEqual(here, {'__init__.py', '__main__.py', 'credentials.py', 'errors.py'})
    folders = {folder.name for folder in PACKAGE.iterdir() if folder.is_dir() and folder.name != '__pycache__'}
    self.assertEqual(folders, set(ROOMS))

  def test_a_room_imports_only_what_its_row_allows(self) -> None:
    for room, allowed in ROOMS.items():
      for file in (PACKAGE / room).glob('*.py'):
        with self.subTest(file=f'{room}/{file.name}'):
          self.assertLessEqual(imports(file) - {room, 'credentials', 'errors'}, allowed)


if __name__ == '__main__':
  unittest.main()
