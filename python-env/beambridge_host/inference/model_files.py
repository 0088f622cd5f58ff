# SPDX-License-Identifier: Apache-2.0
"""What is in a file that could not be loaded as a model, told by its first bytes, and what to do about it.

An error of a framework's loader says what it stumbled over ("invalid load key, 'v'"), not what the file is.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib.metadata
import os
import re
import zipfile
import zlib
from typing import Any, Iterator, NamedTuple, Optional

from beambridge_host.wire import examples

# References of a pickle are in front of the arrays, which may be long.
_SCANNED = 1 << 20


class Kind(NamedTuple):
  """What a file is, in words, and which handlers read it."""
  words: str
  families: tuple[str, ...] = ()


_PICKLE = Kind('a pickle', ('sklearn', 'pytorch'))
_JOBLIB = Kind('written by joblib', ('sklearn',))
_PACKED_PICKLE = Kind('a compressed pickle, as joblib writes one', ('sklearn',))
_LFS = Kind('a pointer of Git LFS')
_PAGE = Kind('a web page')
_EMPTY = Kind('empty')


def model_paths(handler: Any) -> Iterator[tuple[str, str]]:
  """The family of a handler of Beam's for model files, and the path of each of its files."""
  for inner in examples.inner_handlers(handler):
    family = next((found[1] for cls in type(inner).__mro__
                   if (found := re.fullmatch(r'apache_beam\.ml\.inference\.(\w+)_inference', cls.__module__))), '')
    for name, value in vars(inner).items():
      if name.endswith(('_uri', '_path', '_model_state', '_custom_weights')) and isinstance(value, str) and value:
        yield family, value


def hint_for(handler: Any, error: BaseException) -> Optional[str]:
  """What is wrong with a handler's model file; None where its bytes do not say."""
  for family, path in model_paths(handler):
    hint = _hint(family, path, error, handler)
    if hint:
      return hint
  return None


def _hint(family: str, path: str, error: BaseException, handler: Any) -> Optional[str]:
  if os.path.isdir(path) and family in ('sklearn', 'xgboost', 'onnx', 'pytorch', 'tensorrt'):
    return f'{path} is a folder, where {family} wants a file.'
  found = kind_of(path)
  if found is _EMPTY:
    return 'The file is empty. Save the model again: whatever wrote it was perhaps interrupted.'
  if found is _LFS:
    return 'The file is a pointer of Git LFS, not the model itself: fetch that with `git lfs pull`.'
  if found is _PAGE:
    return (
        'The file is a web page, not a model: whoever downloaded it was given a page, perhaps to log in or about an error. '
        'Download it again.')
  if family == 'sklearn' and found in (_JOBLIB, _PACKED_PICKLE) and _file_type(handler) != 'JOBLIB':
    return f"The file is {found.words}: set modelFileType: 'JOBLIB'."
  if found in (_PICKLE, _JOBLIB, _PACKED_PICKLE) and _names_main(path, error):
    return (
        'The file refers to a function or class of the script that saved it (__main__), which is not here: move that into '
        'a module of a package, save the model again with it imported, and give the package to withExtraPackages([…]).')
  if family == 'sklearn' and found in (_PICKLE, _JOBLIB) and not _misses_package(error):
    saved, here = _saved_by(path), _installed('scikit-learn')
    if saved and here and saved != here:
      return (
          f"The model was saved by scikit-learn {saved}, and this is {here}: name that version, "
          f"packages: ['scikit-learn=={saved}'], or save the model again with {here}.")
  if found is not None and found.families and family and family not in found.families:
    readers = ' or '.join(f'{each}()' for each in found.families)
    return f'The file is {found.words}, which {family} does not read: use {readers}.'
  if found is not None and not found.families:
    return f'The file is {found.words}: it is no model, or unpack it first.'
  return None


def kind_of(path: str) -> Optional[Kind]:
  """What a file's first bytes say; None where they say nothing."""
  try:
    with open(path, 'rb') as file:
      head = file.read(_SCANNED)
  except OSError:
    return None
  if not head:
    return _EMPTY
  if head.startswith(b'version https://git-lfs.github.com/'):
    return _LFS
  if re.match(rb'(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|\?xml|error)', head[:200], re.IGNORECASE):
    return _PAGE
  if head.startswith(b'PK\x03\x04'):
    return _zip(path)
  if head.startswith(b'\x89HDF\r\n\x1a\n'):
    return Kind('HDF5, as Keras writes it', ('tensorflow',))
  if re.match(rb'.{8}\{"', head[:16], re.DOTALL) and int.from_bytes(head[:8], 'little') < 100 << 20:
    return Kind('safetensors', ('huggingface',))
  if re.match(rb'\x80[\x02-\x05]', head):
    return _JOBLIB if b'joblib.numpy_pickle' in head else _PICKLE
  if _unpacked(head)[:1] == b'\x80' or head.startswith((b'BZh', b'\xfd7zXZ', b'\x04"M\x18')):
    return _PACKED_PICKLE
  if re.match(rb'\x08[\x01-\x20](?:\x12|\x1a|\x22|\x2a|\x3a|\x42)', head):
    return Kind('an ONNX model', ('onnx',))
  if head.startswith((b'{L\x00', b'binf')) or head.lstrip().startswith(b'{"learner"'):
    return Kind('an XGBoost model', ('xgboost',))
  return None


def _zip(path: str) -> Kind:
  try:
    with zipfile.ZipFile(path) as file:
      names = file.namelist()
  except (zipfile.BadZipFile, OSError):
    return Kind('a zip file that is cut off')
  if any(name.endswith('/data.pkl') or name.endswith('/constants.pkl') for name in names):
    return Kind('written by torch.save', ('pytorch',))
  if 'model.weights.h5' in names:
    return Kind('a Keras model', ('tensorflow',))
  if names and all(name.endswith('.npy') for name in names):
    return Kind("arrays of NumPy's savez, and no model")
  return Kind('a zip file')


def _unpacked(head: bytes, most: int = 16) -> bytes:
  try:
    return zlib.decompressobj(wbits=47).decompress(head, most)
  except zlib.error:
    return b''


def _file_type(handler: Any) -> str:
  inner = next(examples.inner_handlers(handler))
  return getattr(getattr(inner, '_model_file_type', None), 'name', '')


def _saved_by(path: str) -> Optional[str]:
  """The version that scikit-learn leaves behind the arrays of each estimator."""
  with open(path, 'rb') as file:
    file.seek(max(0, os.path.getsize(path) - _SCANNED))
    versions = re.findall(rb'_sklearn_version.{1,12}?(\d+\.\d+(?:\.\d+)?)', file.read(), re.DOTALL)
  return versions[-1].decode() if versions else None


def _misses_package(error: BaseException) -> bool:
  """Whether a module is missing that is none of scikit-learn's, whose private ones have come and gone."""
  name = (error.name or '') if isinstance(error, ModuleNotFoundError) else ''
  return bool(name) and not name.startswith(('_', 'sklearn'))


def _installed(package: str) -> Optional[str]:
  try:
    return importlib.metadata.version(package)
  except importlib.metadata.PackageNotFoundError:
    return None


def _names_main(path: str, error: BaseException) -> bool:
  if not isinstance(error, AttributeError):
    return False
  with open(path, 'rb') as file:
    head = file.read(_SCANNED)
  return b'__main__' in head or b'__main__' in _unpacked(head, _SCANNED)
