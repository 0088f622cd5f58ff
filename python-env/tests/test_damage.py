# SPDX-License-Identifier: Apache-2.0
"""An import that fails because files are missing is told from one of a package that is not there."""

import importlib
import os
import pathlib
import sys
import tempfile
import unittest
from unittest import mock

from beambridge_host.inference import damage
from tests.contexts import entered

RECORD = '''damaged_demo/__init__.py,sha256=x,{init}
damaged_demo/part.py,sha256=x,{part}
damaged_demo/__pycache__/part.cpython-311.pyc,,
../../../bin/demo,sha256=x,1
damaged_demo-1.2.dist-info/METADATA,,
'''


class DamageTest(unittest.TestCase):

  def setUp(self):
    self.site = pathlib.Path(entered(self, tempfile.TemporaryDirectory()))
    package = self.site / 'damaged_demo'
    package.mkdir()
    init, part = 'from damaged_demo import part\n', 'VALUE = 1\n'
    (package / '__init__.py').write_text(init)
    (package / 'part.py').write_text(part)
    info = self.site / 'damaged_demo-1.2.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: damaged-demo\nVersion: 1.2\n')
    (info / 'RECORD').write_text(RECORD.format(init=len(init), part=len(part)))
    sys.path.insert(0, str(self.site))
    importlib.invalidate_caches()
    self.addCleanup(sys.path.remove, str(self.site))
    self.addCleanup(lambda: [sys.modules.pop(name) for name in list(sys.modules) if name.startswith('damaged_demo')])

  def hint(self, name='damaged_demo'):
    with self.assertRaises(ImportError) as caught:
      importlib.import_module(name)
    return damage.import_hint(caught.exception)

  def managed(self):
    (self.site / 'beambridge.json').write_text('{}')
    return mock.patch.object(sys, 'prefix', str(self.site))

  def test_a_file_that_is_missing_means_a_new_environment(self):
    os.remove(self.site / 'damaged_demo' / 'part.py')
    with self.managed():
      hint = self.hint()
    self.assertIn('damaged-demo 1.2 is installed and damaged', hint)
    self.assertIn('env clean', hint)
    self.assertNotIn('withExtraPackages', hint)

  def test_so_does_one_that_was_cut_off(self):
    (self.site / 'damaged_demo' / 'part.py').write_text('')
    (self.site / 'damaged_demo' / '__init__.py').write_text('from damaged_demo.part import VALUE#')
    with self.managed():
      self.assertIn('env clean', self.hint())

  def test_and_a_package_whose_folder_is_gone(self):
    for file in (self.site / 'damaged_demo').iterdir():
      file.unlink()
    (self.site / 'damaged_demo').rmdir()
    with self.managed():
      self.assertIn('env clean', self.hint())

  def test_in_a_python_of_the_users_pip_installs_it_again(self):
    os.remove(self.site / 'damaged_demo' / 'part.py')
    with mock.patch.object(sys, 'prefix', str(self.site)):
      hint = self.hint()
    self.assertIn("pip install --force-reinstall --no-deps 'damaged-demo==1.2'", hint)

  def test_a_package_that_is_not_there_is_to_be_named(self):
    self.assertIn("withExtraPackages(['no_such_module_at_all'])", self.hint('no_such_module_at_all'))
    missing = ModuleNotFoundError("No module named 'sklearn'", name='sklearn')
    with mock.patch.dict(sys.modules):
      sys.modules.pop('sklearn', None)
      self.assertIn("extras: ['sklearn']", damage.import_hint(missing))
      self.assertIn("withExtraPackages(['scikit-learn'])", damage.import_hint(missing))

  def test_what_a_whole_package_does_not_have_is_no_damage(self):
    hint = self.hint('damaged_demo.no_such_part')
    self.assertIn('damaged_demo is installed and has no damaged_demo.no_such_part', hint)


if __name__ == '__main__':
  unittest.main()
