# SPDX-License-Identifier: Apache-2.0
"""Modules whose code runs when they are first used."""

import importlib
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from beambridge_host import lazy

SLOW = '''
import time
from lazy_sample_counter import runs
runs.append(1)
early = 1
time.sleep(0.2)
from lazy_sample import part
late = early + part.value
def __getattr__(name):
  if name == 'made':
    return 'by the module'
  raise AttributeError(name)
'''


class LazyTest(unittest.TestCase):

  def setUp(self):
    folder = self.enterContext(tempfile.TemporaryDirectory())
    (Path(folder) / 'lazy_sample_counter.py').write_text('runs = []\n')
    package = Path(folder) / 'lazy_sample'
    package.mkdir()
    (package / '__init__.py').write_text(SLOW)
    (package / 'part.py').write_text('from lazy_sample import early\nvalue = early + 1\n')
    (Path(folder) / 'lazy_broken.py').write_text('raise ImportError("no such luck")\n')
    self.enterContext(mock.patch.object(sys, 'path', [folder, *sys.path]))
    self.enterContext(mock.patch.object(sys, 'meta_path', list(sys.meta_path)))
    self.enterContext(mock.patch.object(lazy, 'LAZY', frozenset({'lazy_sample', 'lazy_broken'})))
    self.addCleanup(lambda: [sys.modules.pop(name) for name in list(sys.modules) if name.startswith('lazy_')])
    lazy.install()
    importlib.invalidate_caches()

  def test_runs_with_the_first_look_at_an_attribute_and_once(self):
    import lazy_sample  # pylint: disable=import-outside-toplevel
    import lazy_sample_counter  # pylint: disable=import-outside-toplevel
    self.assertEqual(lazy_sample_counter.runs, [])
    self.assertEqual(lazy_sample.late, 3)
    self.assertEqual(lazy_sample.made, 'by the module')
    self.assertEqual(lazy_sample_counter.runs, [1])
    self.assertEqual(type(lazy_sample).__name__, 'module')
    self.assertEqual(importlib.import_module('lazy_sample.part').value, 2)

  def test_no_thread_sees_half_of_it(self):
    import lazy_sample  # pylint: disable=import-outside-toplevel
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(lazy_sample.late)) for _ in range(4)]
    for thread in threads:
      thread.start()
    for thread in threads:
      thread.join()
    self.assertEqual(seen, [3] * 4)

  def test_what_fails_fails_where_it_is_used(self):
    import lazy_broken  # pylint: disable=import-outside-toplevel
    for _ in range(2):
      with self.assertRaisesRegex(ImportError, 'no such luck'):
        lazy_broken.anything  # pylint: disable=pointless-statement

  def test_what_is_not_there_is_not_there(self):
    with mock.patch.object(lazy, 'LAZY', frozenset({'lazy_missing'})):
      with self.assertRaises(ModuleNotFoundError):
        importlib.import_module('lazy_missing')


if __name__ == '__main__':
  unittest.main()
