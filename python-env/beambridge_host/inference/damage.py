# SPDX-License-Identifier: Apache-2.0
"""What an import that failed means: a package that is not there, or one whose files are not all there.

An installer leaves a list of what it wrote. Where a file of it is missing or has another size, no other package is
the cure: the environment is to be built anew.
"""

from __future__ import annotations

import csv
import importlib.metadata
import os
import sys
import traceback
from typing import Optional

# src/services/python/whole.ts: what is in an environment that the TypeScript side built.
_MARKER = 'beambridge.json'

MISSING_HINT = 'Name the missing package with withExtraPackages([…]).'

# Where the package has not the name of its module.
_PACKAGES = {
    'PIL': 'pillow',
    'bs4': 'beautifulsoup4',
    'cv2': 'opencv-python-headless',
    'dateutil': 'python-dateutil',
    'dotenv': 'python-dotenv',
    'sklearn': 'scikit-learn',
    'skimage': 'scikit-image',
    'yaml': 'pyyaml',
}
# What the pinned extras hold, as src/external/python-failure.ts knows it, too.
_EXTRAS = {
    'joblib': 'sklearn',
    'keras': 'tensorflow',
    'onnx': 'onnx',
    'onnxruntime': 'onnx',
    'pandas': 'sklearn',
    'sklearn': 'sklearn',
    'tensorflow': 'tensorflow',
    'torch': 'torch',
    'tensorrt': 'tensorrt',
    'transformers': 'huggingface',
    'vllm': 'vllm',
    'xgboost': 'xgboost',
}


def import_hint(error: ImportError) -> str:
  """What to do about an import that failed."""
  try:
    damaged = _damaged(_packages_of(error))
  except Exception:  # pylint: disable=broad-except
    damaged = None  # A list of files that nobody can read says nothing.
  if damaged is None:
    module = (error.name or '').partition('.')[0]
    if not isinstance(error, ModuleNotFoundError) or not module:
      return MISSING_HINT
    package = _PACKAGES.get(module, module)
    if module in sys.modules:
      return (
          f'{module} is installed and has no {error.name}: another version has it. Name that one, '
          f"withExtraPackages(['{package}==…']).")
    if module in _EXTRAS:
      return (
          f"Give the handler extras: ['{_EXTRAS[module]}'], which holds {module}, as in custom({{ extras: […], … }}), "
          f"or the package to withExtraPackages(['{package}']).")
    return (
        f"Give the package that holds {module} to withExtraPackages(['{package}']), or to the packages of the handler "
        'or transform.')
  name, version, file = damaged
  found = f'{name} {version} is installed and damaged: {file} is not as it was installed.'
  if os.path.exists(os.path.join(sys.prefix, _MARKER)):
    return (
        f'{found} Remove the environment {sys.prefix}, or all with `npx beambridge env clean`: '
        'the next run builds it anew.')
  return f"{found} Run `{sys.executable} -m pip install --force-reinstall --no-deps '{name}=={version}'`."


def _packages_of(error: BaseException) -> set[str]:
  """Top-level names of the modules that took part in the failure."""
  names = set()
  cause: Optional[BaseException] = error
  while cause is not None:
    if isinstance(cause, ImportError) and cause.name:
      names.add(cause.name.partition('.')[0])
    for frame, _ in traceback.walk_tb(cause.__traceback__):
      names.add(frame.f_globals.get('__name__', '').partition('.')[0])
    cause = cause.__cause__ or cause.__context__
  return names


def _damaged(names: set[str]) -> Optional[tuple[str, str, str]]:
  """Of a distribution with one of these modules its name, its version and a file that is not as it was."""
  for distribution in importlib.metadata.distributions():
    # Not its `files`: since Python 3.12 those that are missing are left out there.
    rows = [row for row in csv.reader((distribution.read_text('RECORD') or '').splitlines()) if len(row) == 3]
    if not any(file.partition('/')[0] in names for file, _, _ in rows):
      continue
    for file, _, size in rows:
      # Programs lie elsewhere and byte code comes and goes; what has no size was made at the installation.
      if file.startswith('../') or file.endswith('.pyc') or not size:
        continue
      where = str(distribution.locate_file(file))
      if not os.path.isfile(where) or os.path.getsize(where) != int(size):
        return distribution.metadata['Name'], distribution.version, where
  return None
