# SPDX-License-Identifier: Apache-2.0
"""A handler in a file, whose text travels: processes that it starts import the same."""

import concurrent.futures
import logging
import multiprocessing
import os
import sys
import tempfile
import unittest
from unittest import mock

from apache_beam.ml.inference import base

from beambridge_host.handlers.custom import UserFile
from tests.contexts import entered

TEXT = '''"""Its own words, and some that are none of ASCII: é."""
from __future__ import annotations

def doubled(x: Unknown):
  return 2 * x

def where(x):
  return __file__, __name__
'''


class ProcessesTest(unittest.TestCase):

  def called(self, name: str, value: object, text: str = TEXT) -> object:
    function = getattr(UserFile('/nowhere/my handler.py', text).install(), name)
    # A pool of multiprocessing would wait for ever.
    with concurrent.futures.ProcessPoolExecutor(1, multiprocessing.get_context('spawn')) as pool:
      return pool.submit(function, value).result()

  def setUp(self) -> None:
    self.folder = entered(self, tempfile.TemporaryDirectory())
    entered(self, mock.patch.object(sys, 'path', list(sys.path)))
    self.environment = {'BEAMBRIDGE_HOST_FOLDER': self.folder}

  def test_processes_that_are_spawned_import_the_file(self) -> None:
    # What another test has installed stays in sys.modules.
    for place, environment in enumerate((self.environment, {'BEAMBRIDGE_HOST_FOLDER': ''})):
      text = f'{TEXT}# {place}\n'
      with self.subTest(environment=environment), mock.patch.dict(os.environ, environment):
        self.assertEqual(self.called('doubled', 21, text), 42)
        self.assertEqual(self.called('where', 0, text), ('/nowhere/my handler.py', UserFile('/nowhere/my handler.py', text).module_name))
        self.assertEqual(os.path.isdir(os.path.join(self.folder, 'files')), True)

  def test_a_folder_that_cannot_be_written_is_told(self) -> None:
    self.addCleanup(logging.disable, logging.root.manager.disable)
    logging.disable(logging.NOTSET)
    with mock.patch.dict(os.environ, self.environment), mock.patch('os.replace', side_effect=OSError('disk full')):
      with self.assertLogs(level='WARNING') as logs:
        self.assertEqual(UserFile('full.py', 'x = 1').install().x, 1)
    self.assertIn('full.py starts cannot import it, because it cannot be written: disk full', logs.output[0])

  def test_annotations_are_those_of_the_file(self) -> None:
    with mock.patch.dict(os.environ, self.environment):
      self.assertIs(UserFile('typed.py', 'class Row:\n  n: int\n').install().Row.__annotations__['n'], int)

  def test_the_folder_of_a_process_without_host_is_one(self) -> None:
    with mock.patch.dict(os.environ, {'BEAMBRIDGE_HOST_FOLDER': ''}):
      for number in range(2):
        UserFile('one.py', f'x = {number}').install()
    names = os.listdir(vars(base)['_beambridge_files_folder'])
    self.assertGreaterEqual(len([name for name in names if name.startswith('one_')]), 2)


if __name__ == '__main__':
  unittest.main()
