# SPDX-License-Identifier: Apache-2.0
"""What start.py makes of our modules and finds again, for a small package of our name."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import unittest

from tests.driver import PACKAGE_FOLDER


class BytecodeTest(unittest.TestCase):
  def setUp(self) -> None:
    folder = tempfile.TemporaryDirectory()
    self.addCleanup(folder.cleanup)
    self.folder = os.path.join(folder.name, 'installed')
    self.kept = os.path.join(folder.name, 'kept', 'bytecode')
    os.makedirs(os.path.join(self.folder, 'beambridge_host'))
    shutil.copy(os.path.join(PACKAGE_FOLDER, 'start.py'), self.folder)
    self.write('__init__', '')
    self.write('said', 'WORD = "one"')
    self.write('main', 'from beambridge_host import said\nimport inspect\nprint(said.WORD, inspect.getsource(said), said.__file__)')

  def write(self, name: str, text: str) -> None:
    with open(os.path.join(self.folder, 'beambridge_host', f'{name}.py'), 'w', encoding='utf-8') as file:
      file.write(text)

  def start(self, **more: str) -> str:
    done = subprocess.run(
        [sys.executable, os.path.join(self.folder, 'start.py'), 'beambridge_host.main'],
        env={**os.environ, 'BEAMBRIDGE_BYTECODE': self.kept, 'PYTHONDONTWRITEBYTECODE': '1', **more},
        capture_output=True, text=True, timeout=60, check=False)
    self.assertEqual(done.returncode, 0, done.stderr)
    return done.stdout.split()[0]

  def file(self) -> str:
    name, = [name for name in os.listdir(self.kept) if name.startswith('beambridge_host.said.')]
    return os.path.join(self.kept, name)

  def test_it_is_left_for_the_next_start_outside_of_the_package(self) -> None:
    self.assertEqual(self.start(), 'one')
    self.assertEqual(stat.S_IMODE(os.stat(self.kept).st_mode), 0o700)
    made = os.stat(self.file())
    self.assertEqual(self.start(), 'one')
    self.assertEqual(os.stat(self.file()).st_ino, made.st_ino)
    self.assertEqual(os.listdir(os.path.join(self.folder, 'beambridge_host')).count('__pycache__'), 0)

  def test_it_is_run_in_place_of_the_same_text(self) -> None:
    self.start()
    with open(self.file(), 'r+b') as file:
      data = file.read()
      file.seek(0)
      file.write(data.replace(b'one', b'1+2'))
    self.assertEqual(self.start(), '1+2')

  def test_another_text_is_compiled_whatever_its_size_and_time(self) -> None:
    self.start()
    path = os.path.join(self.folder, 'beambridge_host', 'said.py')
    before = os.stat(path)
    self.write('said', 'WORD = "two"')
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    self.assertEqual(self.start(), 'two')

  def test_a_damaged_file_is_made_anew(self) -> None:
    self.start()
    for size in (0, 5, 40):
      os.truncate(self.file(), size)
      self.assertEqual(self.start(), 'one')
    self.assertGreater(os.path.getsize(self.file()), 40)

  def test_a_folder_that_others_can_write_to_is_not_used(self) -> None:
    self.start()
    os.chmod(self.kept, 0o777)
    self.write('said', 'WORD = "two"')
    made = os.stat(self.file())
    self.assertEqual(self.start(), 'two')
    self.assertEqual(os.stat(self.file()).st_ino, made.st_ino)

  def test_where_it_cannot_be_left_it_is_done_without(self) -> None:
    with open(os.path.join(os.path.dirname(self.folder), 'file'), 'w', encoding='utf-8'):
      pass
    for kept in (os.path.join(os.path.dirname(self.folder), 'file', 'below'), ''):
      self.assertEqual(self.start(BEAMBRIDGE_BYTECODE=kept), 'one')


if __name__ == '__main__':
  unittest.main()
