# SPDX-License-Identifier: Apache-2.0
"""Which processes may serve another run. Each is a program of its own, since it watches itself from then on."""

import os
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

from beambridge_host.worker.keeping import fingerprint, is_settled
from tests.driver import PACKAGE_FOLDER

PROGRAM = textwrap.dedent(
    '''
    import logging, os, pickle, subprocess, sys
    from beambridge_host.worker import keeping
    from beambridge_host.worker.keeping import KEEPER

    keeping._SETTLED_S = -1
    folder = sys.argv[1]
    os.chdir(folder)
    sys.path.append(folder)

    def write(name, value):
      with open(name, 'wb') as file:
        pickle.dump(value, file)
      return os.path.abspath(name)

    def read(path):
      with open(path, 'rb') as file:
        return pickle.load(file)

    def load(path, also=lambda: None):
      with KEEPER.loading([path]):
        model = read(path)
        also()
      KEEPER.loaded(None, model)
      return model

    path = write('model', {'weights': [1, 2]})
    other = write('other', 3)
    KEEPER.begin()
    ''')


class KeepingTest(unittest.TestCase):
  def setUp(self) -> None:
    folder = tempfile.TemporaryDirectory()
    self.addCleanup(folder.cleanup)
    self.folder = folder.name

  def why(self, body: str, before: str = '') -> str:
    """Why a process that has done this is not kept."""
    begun = PROGRAM.replace('KEEPER.begin()', f'{before}\nKEEPER.begin()')
    program = f"{begun}{textwrap.dedent(body)}\nprint('kept' if KEEPER.leave() is not None else KEEPER.why)"
    done = subprocess.run(
        [sys.executable, '-c', program, self.folder],
        env={**os.environ, 'PYTHONPATH': PACKAGE_FOLDER, 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True, text=True, timeout=60, check=False)
    self.assertEqual(done.returncode, 0, done.stderr)
    return done.stdout.strip()

  def test_one_that_has_its_model_as_it_was_loaded_is_kept(self) -> None:
    self.assertEqual(self.why('load(path)'), 'kept')

  def test_modules_of_the_environment_may_be_imported_meanwhile(self) -> None:
    self.assertEqual(self.why('load(path, lambda: __import__("colorsys"))'), 'kept')

  def test_one_without_a_model_is_not(self) -> None:
    self.assertEqual(self.why(''), 'it has no model')

  def test_a_model_that_has_learnt_is_not(self) -> None:
    self.assertEqual(self.why("load(path)['weights'].append(3)"), 'its model has changed')

  def test_a_model_that_cannot_be_compared_is_not(self) -> None:
    self.assertEqual(
        self.why('''
            load(path)
            KEEPER.loaded(None, lambda: 1)
            '''), 'the model cannot be compared')

  def test_a_model_of_several_files_is_not(self) -> None:
    self.assertIn('other was read with the model', self.why('load(path, lambda: read(other))'))

  def test_code_beside_the_program_is_not(self) -> None:
    with open(os.path.join(self.folder, 'of_a_user.py'), 'w', encoding='utf-8') as file:
      file.write('x = 1')
    # While a model is loaded it would be a file that is read.
    self.assertIn('the module of_a_user is none', self.why('''
        load(path)
        import of_a_user
        '''))

  def test_code_below_the_prefix_of_a_python_is_not_for_that_of_the_environment(self) -> None:
    with open(os.path.join(self.folder, 'of_a_user.py'), 'w', encoding='utf-8') as file:
      file.write('x = 1')
    prefix = 'sys.prefix = sys.base_prefix = os.path.realpath(folder)'
    self.assertIn('the module of_a_user is none', self.why('load(path)\nimport of_a_user', prefix))
    self.assertIn('other was read with the model', self.why('load(path, lambda: read(other))', prefix))

  def test_processes_that_start_without_an_event_are_not(self) -> None:
    self.assertEqual(self.why('''
        load(path)
        import multiprocessing.util
        multiprocessing.util.spawnv_passfds(b'/bin/sleep', [b'sleep', b'5'], [])
        '''), 'it has started processes')

  def test_code_without_a_file_is_not(self) -> None:
    self.assertIn('the module made is none', self.why('''
        load(path)
        import types
        sys.modules['made'] = types.ModuleType('made')
        '''))

  def test_a_model_that_has_just_been_written_is_not(self) -> None:
    self.assertIn('is no file that has been there for a while', self.why('''
        keeping._SETTLED_S = 60
        load(path)
        '''))

  def test_a_model_that_is_written_while_it_is_loaded_is_not(self) -> None:
    self.assertIn('is no file that', self.why("load(path, lambda: write('model', 4))"))

  def test_processes_variables_folders_and_connections_are_not(self) -> None:
    for act, event in (
        ("subprocess.run(['true'])", 'subprocess.Popen'),
        ("os.environ['A'] = 'b'", 'os.putenv'),
        ("os.chdir('/')", 'os.chdir'),
        ("__import__('socket').socket().connect_ex(('127.0.0.1', 1))", 'socket.connect')):
      self.assertEqual(self.why(f'load(path)\n{act}'), event)

  def test_one_that_has_warned_is_not(self) -> None:
    self.assertEqual(self.why("load(path)\nlogging.getLogger('x').warning('careful')"), 'it has warned')

  def test_without_an_order_to_be_kept_nothing_is_watched(self) -> None:
    program = PROGRAM.replace('KEEPER.begin()', '') + 'load(path, lambda: read(other))\nprint(KEEPER.why)'
    done = subprocess.run(
        [sys.executable, '-c', program, self.folder],
        env={**os.environ, 'PYTHONPATH': PACKAGE_FOLDER}, capture_output=True, text=True, timeout=60, check=True)
    self.assertEqual(done.stdout.strip(), '')


class FingerprintTest(unittest.TestCase):
  def setUp(self) -> None:
    folder = tempfile.TemporaryDirectory()
    self.addCleanup(folder.cleanup)
    self.path = os.path.join(folder.name, 'model')
    self.write(b'one')

  def write(self, data: bytes) -> None:
    with open(self.path, 'wb') as file:
      file.write(data)

  def test_a_file_that_is_left_alone_keeps_its_own(self) -> None:
    self.assertEqual(fingerprint(self.path), fingerprint(self.path))

  def test_the_same_size_and_time_do_not_hide_a_change(self) -> None:
    before = fingerprint(self.path)
    found = os.stat(self.path)
    # Beyond a tick of the file system's clock.
    while fingerprint(self.path)[3:] == before[3:]:
      self.write(b'two')
    os.utime(self.path, ns=(found.st_atime_ns, found.st_mtime_ns))
    after = fingerprint(self.path)
    self.assertEqual(after[:4], before[:4])
    self.assertNotEqual(after, before)

  def test_another_file_in_its_place_is_another(self) -> None:
    before = fingerprint(self.path)
    with open(f'{self.path}.new', 'wb') as file:
      file.write(b'one')
    os.rename(f'{self.path}.new', self.path)
    self.assertNotEqual(fingerprint(self.path), before)

  def test_what_is_no_file_has_none(self) -> None:
    os.mkfifo(f'{self.path}.fifo')
    for path in (f'{self.path}.missing', f'{self.path}.fifo', os.path.dirname(self.path), 'a\0b'):
      self.assertIsNone(fingerprint(path))

  def test_a_file_is_settled_after_a_while(self) -> None:
    found = fingerprint(self.path)
    self.assertFalse(is_settled(found))
    past = time.time_ns() - int(3e9)
    self.assertTrue(is_settled((*found[:3], past, past)))


if __name__ == '__main__':
  unittest.main()
