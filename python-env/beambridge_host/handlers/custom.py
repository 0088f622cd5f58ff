# SPDX-License-Identifier: Apache-2.0
"""Model handlers of the user's own: a class or function in a file, whose text travels, or in a package."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import atexit
import hashlib
import importlib
import inspect
import linecache
import logging
import os
import shutil
import sys
import tempfile
import threading
import traceback
import types
from typing import Any, NamedTuple, Optional

from apache_beam.internal import pickler
from apache_beam.ml.inference import base

from beambridge_host.errors import bridge_error, one_line
from beambridge_host.inference.providers import provider


class UserFile(NamedTuple):
  """A Python file of the user's."""
  # As tracebacks show it.
  file: str
  text: str

  @property
  def module_name(self) -> str:
    """Two versions of a file may be in use at once, so its content is part of the name."""
    stem = ''.join(c if c.isalnum() else '_' for c in self.file.replace('\\', '/').rpartition('/')[2].removesuffix('.py'))
    return f'{stem}_{hashlib.sha256(self.text.encode()).hexdigest()[:12]}'

  def install(self) -> Any:
    """The file as a module that this process can import, so that what is in it can be pickled."""
    name = self.module_name
    # Threads of a worker unpickle a handler at once, and a module is in sys.modules before its code has run. The lock is in a
    # module that is nobody's copy; a thread may come back to it, where the file itself unpickles something.
    with vars(base).setdefault('_beambridge_files', threading.RLock()):
      self._install(name)
    return sys.modules[name]

  def _install(self, name: str) -> None:
    if name not in sys.modules:
      module = types.ModuleType(name)
      module.__file__ = self.file
      # For tracebacks: on another machine the file is not there.
      linecache.cache[self.file] = (len(self.text), None, self.text.splitlines(True), self.file)
      # As Python compiles it elsewhere: annotations of this file are its own.
      code = compile(self.text, self.file, 'exec', dont_inherit=True)
      sys.modules[name] = module
      try:
        exec(code, module.__dict__)
      except BaseException:
        del sys.modules[name]
        raise
      self._write(name)

  def _write(self, name: str) -> None:
    """Puts the file where processes that a handler starts find it.

    They are given this process's path: a spawned pool starts new ones for ever when they cannot import what it calls.
    """
    # Of the host whose worker this is; see worker/own_folder.py.
    own = os.environ.get('BEAMBRIDGE_HOST_FOLDER', '')
    folder = os.path.join(own, 'files') if os.path.isdir(own) else vars(base).get('_beambridge_files_folder')
    try:
      if folder is None:
        folder = vars(base)['_beambridge_files_folder'] = tempfile.mkdtemp(prefix='beambridge-files-')
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
      os.makedirs(folder, exist_ok=True)
      # Whole at once: another worker may import it now.
      with tempfile.NamedTemporaryFile('w', dir=folder, suffix='.new', encoding='utf-8', newline='', delete=False) as made:
        made.write(f'__file__ = {self.file!r}\nexec(compile({self.text!r}, __file__, "exec", dont_inherit=True))\n')
      os.replace(made.name, os.path.join(folder, f'{name}.py'))
    except OSError as error:
      logging.getLogger(__name__).warning(
          'Processes that %s starts cannot import it, because it cannot be written: %s', self.file, error)
      return
    if folder not in sys.path:
      sys.path.append(folder)


class StagedHandler(base._PostProcessingModelHandler):
  """A handler whose class is in a file. Takes the file along, so that workers can unpickle it."""

  def __init__(self, inner: Any, file: UserFile) -> None:
    super().__init__(inner, _same)
    self._file = file

  def __reduce__(self) -> tuple[Any, ...]:
    return _unpickle, (tuple(self._file), pickler.dumps(self._base))

  def __str__(self) -> str:
    return str(self._base)

  def get_postprocess_fns(self) -> Any:
    return self._base.get_postprocess_fns()

  def update_model_paths(self, model: Any, model_paths: Any = None) -> None:
    self._base.update_model_paths(model, model_paths)

  def set_environment_vars(self) -> None:
    self._base.set_environment_vars()

  def override_metrics(self, metrics_namespace: str = '') -> bool:
    return self._base.override_metrics(metrics_namespace)

  def should_garbage_collect_on_timeout(self) -> bool:
    return self._base.should_garbage_collect_on_timeout()


def _same(value: Any) -> Any:
  return value


def _unpickle(file: tuple[str, str], pickled: bytes) -> StagedHandler:
  staged = UserFile(*file)
  staged.install()
  return StagedHandler(pickler.loads(pickled), staged)


@provider(options=('source', 'file', 'name', 'module', 'arguments'))
def custom(
    *,
    source: str = '',
    file: str = '',
    name: str = '',
    module: str = '',
    arguments: Optional[dict[str, Any]] = None,
    **options: Any) -> Any:
  """The handler that a class or function gives for `arguments`."""
  keywords = dict(arguments or {}, **options)
  if module:
    return _make(_imported(module), module, keywords)
  staged = UserFile(file, source)
  handler = _make(_member(_installed(staged), name, file), f'{name or "the handler"} of {file}', keywords)
  return StagedHandler(handler, staged)


def _make(make: Any, what: str, arguments: dict[str, Any]) -> Any:
  try:
    inspect.signature(make).bind(**arguments)
  except TypeError as error:
    raise bridge_error(
        'INVALID_ARGUMENT', f'{what} does not take these arguments: {error}',
        hint='Give in `kwargs` what its constructor takes, by the same names.') from None
  except ValueError:
    pass  # Without a signature.
  handler = make(**arguments)
  if not isinstance(handler, base.ModelHandler):
    raise bridge_error(
        'INVALID_ARGUMENT', f'{what} gives a {type(handler).__name__}, which is no ModelHandler',
        hint='Derive the class from apache_beam.ml.inference.base.ModelHandler, or return such a handler.')
  return handler


def _imported(dotted: str) -> Any:
  name, _, member = dotted.rpartition('.')
  try:
    imported = importlib.import_module(name)
  except Exception as error:
    raise bridge_error(
        'UNKNOWN_PYTHON_CALLABLE', f'{name} cannot be imported: {_told(error)}',
        hint='Name its package in `packages`: a folder with a pyproject.toml, a wheel, or a name on PyPI.') from error
  if not hasattr(imported, member):
    raise bridge_error(
        'UNKNOWN_PYTHON_CALLABLE', f'{name} has no {member}', hint=f'It has {_names(imported)}.')
  return getattr(imported, member)


def _installed(staged: UserFile) -> Any:
  try:
    return staged.install()
  except SyntaxError as error:
    line = f': {error.text.strip()}' if error.text else ''
    raise bridge_error(
        'PYTHON_EXCEPTION', f'{staged.file}, line {error.lineno}: {error.msg}{line}',
        hint='The file is no valid Python.') from None
  except ImportError as error:
    raise bridge_error(
        'PYTHON_EXCEPTION', f'{staged.file}{_line_in(error, staged.file)}: {one_line(error)}',
        hint='Name what it imports in `packages`. Only this file travels: make a package of several.') from error
  except Exception as error:
    raise bridge_error(
        'PYTHON_EXCEPTION', f'{staged.file}{_line_in(error, staged.file)}: {one_line(error)}',
        hint='The file raises when it is imported.') from error


def _line_in(error: BaseException, file: str) -> str:
  lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
  return f', line {lines[-1]}' if lines else ''


def _told(error: BaseException) -> str:
  if isinstance(error, SyntaxError):
    return f'{error.filename}, line {error.lineno}: {error.msg}'
  return one_line(error)


def _handlers(module: Any) -> list[str]:
  """Names of the handlers' classes that a module itself defines."""
  return [
      name for name, value in vars(module).items()
      if isinstance(value, type) and issubclass(value, base.ModelHandler) and value.__module__ == module.__name__
  ]


def _names(module: Any) -> str:
  return ', '.join(_handlers(module)) or 'no ModelHandler'


def _member(module: Any, name: str, file: str) -> Any:
  if name:
    if callable(getattr(module, name, None)):
      return getattr(module, name)
    raise bridge_error(
        'UNKNOWN_PYTHON_CALLABLE', f'{file} has no class or function {name}', hint=f'It has {_names(module)}.')
  classes = _handlers(module)
  if len(classes) == 1:
    return getattr(module, classes[0])
  raise bridge_error(
      'UNKNOWN_PYTHON_CALLABLE',
      f'{file} defines {len(classes)} classes of model handlers' + (f': {", ".join(classes)}' if classes else ''),
      hint='Name one with className, or a function that returns a handler with function.')
