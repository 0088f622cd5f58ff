# SPDX-License-Identifier: Apache-2.0
"""What helps against a failure is told from the exception and from a file's bytes."""

import bz2
import gzip
import json
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
import zipfile
import zlib
from typing import Any, Callable
from unittest import mock

import joblib
import numpy
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference import base
from apache_beam.ml.inference.sklearn_inference import ModelFileType, SklearnModelHandlerNumpy
from apache_beam.options.pipeline_options import PipelineOptions
from sklearn.linear_model import LinearRegression

from beambridge_host.errors import bridge_error, fields_of
from beambridge_host.inference.model_files import hint_for
from beambridge_host.inference.models import load_error, told_by_file
from beambridge_host.worker import failures

_OF_A_SCRIPT = '''
import joblib, pickle, sys
class Model:
  def predict(self, rows): return rows
pickle.dump(Model(), open(sys.argv[1], 'wb'))
joblib.dump(Model(), sys.argv[2], compress=3)
'''


def _hint(act: Callable[[], Any]) -> str:
  try:
    act()
  except Exception as error:  # pylint: disable=broad-except
    return failures.hint_of(error) or ''
  raise AssertionError('nothing was raised')


class ModelFilesTest(unittest.TestCase):

  def setUp(self) -> None:
    folder = tempfile.TemporaryDirectory()
    self.addCleanup(folder.cleanup)
    self.folder = folder.name

  def file(self, name: str, content: bytes) -> str:
    path = os.path.join(self.folder, name)
    with open(path, 'wb') as file:
      file.write(content)
    return path

  def told(self, path: str, kind: str = 'PICKLE', handler: Any = None) -> dict[str, str]:
    handler = handler or SklearnModelHandlerNumpy(path, ModelFileType[kind])
    try:
      handler.load_model()
    except Exception as error:  # pylint: disable=broad-except
      told_by_file(error, handler)
      return fields_of(load_error(error, 'Here'))
    raise AssertionError(f'{path} could be loaded')

  def test_a_file_that_is_something_else_has_a_hint_of_its_own(self) -> None:
    with zipfile.ZipFile(os.path.join(self.folder, 'torch'), 'w') as file:
      file.writestr('archive/data.pkl', b'x')
    with zipfile.ZipFile(os.path.join(self.folder, 'keras'), 'w') as file:
      file.writestr('model.weights.h5', b'x')
    with zipfile.ZipFile(os.path.join(self.folder, 'zip'), 'w') as file:
      file.writestr('readme', b'x')
    numpy.savez(os.path.join(self.folder, 'arrays.npz'), a=numpy.zeros(3))
    header = json.dumps({'w': {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}}).encode()
    contents = {
        'empty': (b'', 'empty'),
        'lfs': (b'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n', 'git lfs pull'),
        'page': (b'<!DOCTYPE html><html></html>', 'a web page'),
        'page2': (b'\xef\xbb\xbf\n <HTML><body>log in', 'a web page'),
        'error': (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', 'a web page'),
        'torch': (None, 'pytorch()'),
        'keras': (None, 'tensorflow()'),
        'zip': (None, 'a zip file'),
        'arrays.npz': (None, 'no model'),
        'h5': (b'\x89HDF\r\n\x1a\n' + bytes(100), 'tensorflow()'),
        'onnx': (b'\x08\x09\x12\x08skl2onnx', 'onnx()'),
        'safetensors': (len(header).to_bytes(8, 'little') + header + bytes(4), 'huggingface()'),
        'xgboost': (b'{L\x00\x00\x00\x00\x00\x00\x00\x07version', 'xgboost()'),
    }
    hints = set()
    for name, (content, wanted) in contents.items():
      with self.subTest(name):
        path = os.path.join(self.folder, name) if content is None else self.file(name, content)
        told = self.told(path)
        self.assertEqual(told['code'], 'MODEL_INVALID')
        self.assertIn(wanted, told['hint'])
        self.assertNotIn('damaged', told['hint'])
        hints.add(told['hint'])
    self.assertGreaterEqual(len(hints), 10)

  def test_joblib_has_to_be_declared(self) -> None:
    model = LinearRegression().fit(numpy.arange(60.0).reshape(20, 3), numpy.arange(20.0))
    for compress in (0, 3, ('gzip', 3), ('bz2', 3), ('xz', 3)):
      path = os.path.join(self.folder, 'model.joblib')
      joblib.dump(model, path, compress=compress)
      self.assertIn("set modelFileType: 'JOBLIB'", self.told(path)['hint'], compress)
      SklearnModelHandlerNumpy(path, ModelFileType.JOBLIB).load_model()
    packed = {'zlib': zlib.compress, 'gzip': gzip.compress, 'bz2': bz2.compress}
    for name, compress in packed.items():
      self.assertIn("'JOBLIB'", self.told(self.file(name, compress(pickle.dumps(model))))['hint'])

  def test_a_model_of_another_scikit_learn_names_both_versions(self) -> None:
    for protocol in (2, 5):
      text = pickle.dumps({'coef': b'x' * 2_000_000, '_sklearn_version': '1.5.2'}, protocol)
      handler = SklearnModelHandlerNumpy(self.file('old', text))
      hint = hint_for(handler, ModuleNotFoundError("No module named '_loss'", name='_loss'))
      self.assertIn('saved by scikit-learn 1.5.2', hint)
      self.assertIn("packages: ['scikit-learn==1.5.2']", hint)
      other = hint_for(handler, ModuleNotFoundError("No module named 'lightgbm'", name='lightgbm'))
      self.assertNotIn('1.5.2', other or '')

  def test_a_pickle_of_what_only_a_script_has(self) -> None:
    paths = [os.path.join(self.folder, name) for name in ('pickle', 'joblib')]
    subprocess.run([sys.executable, '-c', _OF_A_SCRIPT, *paths], check=True)
    for path, kind in zip(paths, ('PICKLE', 'JOBLIB')):
      told = self.told(path, kind)
      self.assertIn('__main__', told['hint'])
      self.assertIn('Model', told['message'])

  def test_a_file_of_another_framework_and_a_folder(self) -> None:
    # Its package is not in every environment.
    kind = type('Handler', (base.ModelHandler,), {
        '__module__': 'apache_beam.ml.inference.xgboost_inference',
        'load_model': lambda self: pickle.loads(b'no'), '__init__': lambda self, path: setattr(self, '_model_state', path),
        'run_inference': lambda *_: []})
    told = self.told('', handler=kind(self.file('pickle', pickle.dumps({'a': 1}))))
    self.assertIn('xgboost does not read: use sklearn() or pytorch()', told['hint'])
    self.assertIn('folder', self.told(self.folder)['hint'])
    self.assertIn('damaged', self.told(self.file('other', b'no model'))['hint'])

  def test_a_model_in_a_bucket_names_the_package(self) -> None:
    FileSystems.set_options(PipelineOptions(flags=[]))
    with mock.patch.object(failures, '_is_there', lambda module: False):
      for path, package in (('s3://b/k', "withExtraPackages(['boto3'])"), ('gs://b/k', 'apache-beam[gcp]'),
                            ('azfs://a/b/k', 'apache-beam[azure]'), ('hdfs://h/k', 'apache-beam[hadoop]')):
        told = self.told(path)
        self.assertEqual(told['code'], 'PYTHON_EXCEPTION')
        self.assertIn(package, told['hint'])
        self.assertIn(path, told['message'])
    self.assertEqual(self.told('s3://b/k')['code'], 'PYTHON_EXCEPTION')
    with mock.patch.object(failures, '_is_there', lambda module: True):
      told = self.told('s3://b/k')
    self.assertEqual(told['code'], 'MODEL_NOT_FOUND')
    self.assertIn('credentials', told['hint'])


class ToldTest(unittest.TestCase):

  def test_hints_by_what_was_raised(self) -> None:
    self.assertIn('Relative paths', _hint(lambda: open('/no/such/file', 'rb')))
    self.assertIn('import or define', _hint(lambda: eval('no_such_name')))
    self.assertIn("packages: ['boto3']", _hint(lambda: FileSystems.match(['s3://b/*'])))
    self.assertEqual(_hint(lambda: int('x')), '')

  def test_the_text_of_an_exception_says_nothing(self) -> None:
    for text in ('Missing boto3 requirement', "FileNotFoundError: [Errno 2] 's3://b/k'", "NameError: name 'x'",
                 '  File "apache_beam/io/aws/s3io.py", line 3, in get\n    x'):
      self.assertEqual(_hint(lambda text=text: exec('raise ValueError(text)', {'text': text})), '')

  def test_the_line_is_below_the_traceback_once(self) -> None:
    try:
      try:
        open('/no/such/file', 'rb')
      except OSError as error:
        raise RuntimeError(f"{error} [while running 'Step']") from error
    except RuntimeError:
      text = failures.told()
    marked = [line for line in text.split('\n') if line.startswith('BEAMBRIDGE_ERROR ')]
    self.assertEqual(len(marked), 1)
    told = json.loads(marked[0].partition('{')[1] + marked[0].partition('{')[2])
    self.assertEqual(told['code'], 'PYTHON_EXCEPTION')
    self.assertNotIn('while running', told['message'])
    self.assertIn('Relative paths', told['hint'])

  def test_an_error_of_ours_says_it_already(self) -> None:
    try:
      try:
        open('/no/such/file', 'rb')
      except OSError as error:
        raise bridge_error('MODEL_NOT_FOUND', 'no', hint='ours') from error
    except Exception:  # pylint: disable=broad-except
      self.assertEqual(failures.told().count('BEAMBRIDGE_ERROR '), 1)


if __name__ == '__main__':
  unittest.main()
