# SPDX-License-Identifier: Apache-2.0
"""Modules whose code runs when they are first used."""

import importlib.util
import pickle
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path
from unittest import mock

from beambridge_host.worker import lazy
from tests.contexts import entered

SLOW = '''
import time
from lazy_sample_counter import runs
runs.append(1)
early = 1
time.sleep(0.2)
from lazy_sample import part
late = early + part.value
class Twice:
  unit = 2
  def __init__(self, value):
    self.value = value * self.unit
def __getattr__(name):
  if name == 'made':
    return 'by the module'
  raise AttributeError(name)
'''


class LazyTest(unittest.TestCase):

  def setUp(self):
    folder = entered(self, tempfile.TemporaryDirectory())
    (Path(folder) / 'lazy_sample_counter.py').write_text('runs = []\n')
    package = Path(folder) / 'lazy_sample'
    package.mkdir()
    (package / '__init__.py').write_text(SLOW)
    (package / 'part.py').write_text('from lazy_sample import early\nvalue = early + 1\n')
    (Path(folder) / 'lazy_broken.py').write_text('raise ImportError("no such luck")\n')
    entered(self, mock.patch.object(sys, 'path', [folder, *sys.path]))
    entered(self, mock.patch.object(sys, 'meta_path', list(sys.meta_path)))
    entered(self, mock.patch.object(lazy, 'LAZY', frozenset({'lazy_sample', 'lazy_broken'})))
    entered(self, mock.patch.object(lazy, 'TAKEN', {'lazy_sample': frozenset({'Twice', 'late'})}))
    (Path(folder) / 'lazy_taker.py').write_text('from lazy_sample import Twice\n')
    (Path(folder) / 'lazy_other.py').write_text('from lazy_sample import Twice\n')
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

  def test_a_name_that_is_taken_and_used_later(self):
    with lazy.taking():
      import lazy_taker  # pylint: disable=import-outside-toplevel
    import lazy_sample_counter  # pylint: disable=import-outside-toplevel
    copied = pickle.dumps(lazy_taker.Twice)
    self.assertFalse(hasattr(lazy_taker.Twice, '__wrapped__'))
    self.assertEqual(lazy_sample_counter.runs, [])
    self.assertEqual(lazy_taker.Twice(4).value, 8)
    self.assertEqual(lazy_sample_counter.runs, [1])
    self.assertEqual(lazy_taker.Twice.unit, 2)
    self.assertIs(pickle.loads(copied), sys.modules['lazy_sample'].Twice)
    self.assertIs(type(lazy_taker.Twice(1)), sys.modules['lazy_sample'].Twice)

  def test_all_others_get_the_thing_itself(self):
    with lazy.taking():
      import lazy_taker  # pylint: disable=import-outside-toplevel
      # Another thread, meanwhile.
      seen = []
      other = threading.Thread(target=lambda: seen.append(importlib.import_module('lazy_other').Twice))
      other.start()
      other.join()
    self.assertIsInstance(seen[0], type)
    self.assertNotIsInstance(lazy_taker.Twice, type)
    self.assertIsInstance(sys.modules['lazy_sample'].Twice, type)

  def test_what_is_loaded_meanwhile_sees_no_stand_ins(self):
    with lazy.taking():
      import lazy_sample  # pylint: disable=import-outside-toplevel
      self.assertEqual(lazy_sample.early, 1)
      self.assertIsInstance(lazy_sample.Twice, type)

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


FITS = '''
import sys
from beambridge_host.worker import lazy
lazy.install()
import numpy
with lazy.taking():
  import sklearn.linear_model, sklearn.metrics, sklearn.pipeline, sklearn.preprocessing
late = sorted(lazy.LAZY & {name for name, module in sys.modules.items() if type(module) is lazy._LazyModule})
x = numpy.linspace(0, 1, 40).reshape(-1, 1)
steps = sklearn.preprocessing.SplineTransformer(n_knots=4), sklearn.linear_model.LogisticRegression()
model = sklearn.pipeline.make_pipeline(*steps).fit(x, x[:, 0] > 0.5)
score = sklearn.metrics.label_ranking_average_precision_score([[1, 0, 0]], [[0.2, 0.5, 0.1]])
print(late, model.score(x, x[:, 0] > 0.5), score)
'''


class ScikitLearnTest(unittest.TestCase):

  @unittest.skipUnless(importlib.util.find_spec('sklearn'), 'needs scikit-learn')
  def test_models_need_none_of_it_to_load_and_work_with_it(self):
    done = subprocess.run([sys.executable, '-c', FITS], check=True, capture_output=True, text=True)
    self.assertEqual(done.stdout.strip(), "['scipy.interpolate', 'scipy.stats'] 1.0 0.5")


if __name__ == '__main__':
  unittest.main()
