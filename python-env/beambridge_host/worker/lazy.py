# SPDX-License-Identifier: Apache-2.0
"""Packages that others import and few use: loaded when they are first used.

scikit-learn imports scipy.stats for a function or two, and Beam imports httplib2 and requests for
Google's services: a third of the time that a host with scikit-learn takes to start. `import x` of such
a package gives a module whose code runs with the first look at one of its attributes, so everything
works as before, later. The standard library's LazyLoader does the same, but two threads that look at
once can see half a module (mended in Python 3.12).

`from x import name` is such a look. What scikit-learn takes in this way when it is imported, and calls
much later or never, it is given as an object that stands for the real one, while the host imports it
ahead (`taking`). Whoever looks at another time, or in another thread, gets the thing itself.
"""

import contextlib
import importlib
import importlib.abc
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from typing import Any, Iterator, Optional, Sequence

LAZY = frozenset({'scipy.stats', 'scipy.interpolate', 'httplib2', 'requests'})

# By package, the names that scikit-learn takes from it and only ever calls or asks for attributes.
TAKEN = {'scipy.stats': frozenset({'rankdata', 'gmean'}), 'scipy.interpolate': frozenset({'BSpline'})}

_thread = threading.local()

# What the import system asks of a module that it has already.
_KNOWN = frozenset({'__spec__', '__name__', '__class__', '__dict__', '__loader__', '__package__'})


@contextlib.contextmanager
def taking() -> Iterator[None]:
  """While this thread imports what only takes the names of `TAKEN` and does not use them."""
  before = getattr(_thread, 'is_taking', False)
  _thread.is_taking = True
  try:
    yield
  finally:
    _thread.is_taking = before


class _LazyModule(types.ModuleType):

  def __getattribute__(self, name: str) -> Any:
    if name not in _KNOWN:
      spec = object.__getattribute__(self, '__spec__')
      names = TAKEN.get(spec.name)
      if names and not spec.loader.is_running and getattr(_thread, 'is_taking', False):
        if name in names:
          return _LazyName(spec.name, name)
        # `from x import y` looks whether x has submodules.
        if name == '__path__':
          return types.ModuleType.__getattribute__(self, name)
      spec.loader.load(self)
    return types.ModuleType.__getattribute__(self, name)


class _LazyName:
  """Stands for something in a package until it is used."""

  def __init__(self, package: str, name: str) -> None:
    self._package = package
    self._name = name

  def __call__(self, *args: Any, **kwargs: Any) -> Any:
    return taken(self._package, self._name)(*args, **kwargs)

  def __getattr__(self, name: str) -> Any:
    if name.startswith('__') or name in ('_package', '_name'):
      raise AttributeError(name)
    return getattr(taken(self._package, self._name), name)

  def __reduce__(self) -> tuple[Any, ...]:
    return taken, (self._package, self._name)


def taken(package: str, name: str) -> Any:
  """What a package really has under a name."""
  return getattr(importlib.import_module(package), name)


class _LazyLoader(importlib.abc.Loader):
  """Puts off what another loader does."""

  def __init__(self, loader: Any) -> None:
    self._loader = loader
    self._lock = threading.Lock()
    # The thread that runs the module's code comes back to the module, and sees what is there.
    self._runner: Optional[int] = None

  @property
  def is_running(self) -> bool:
    """Whether it is this thread that runs the module's code."""
    return self._runner == threading.get_ident()

  def create_module(self, spec: ModuleSpec) -> Optional[types.ModuleType]:
    return self._loader.create_module(spec)

  def exec_module(self, module: types.ModuleType) -> None:
    module.__class__ = _LazyModule

  def load(self, module: types.ModuleType) -> None:
    """Runs the module's code, unless that was done: then it is an ordinary module."""
    if self.is_running:
      return
    with self._lock:
      if module.__class__ is not _LazyModule:
        return
      self._runner = threading.get_ident()
      was_taking, _thread.is_taking = getattr(_thread, 'is_taking', False), False
      try:
        self._loader.exec_module(module)
      finally:
        self._runner = None
        _thread.is_taking = was_taking
      module.__class__ = types.ModuleType

  def __getattr__(self, name: str) -> Any:
    return getattr(self._loader, name)


class _Finder(importlib.abc.MetaPathFinder):

  def find_spec(
      self, fullname: str, path: Optional[Sequence[str]], target: Optional[types.ModuleType] = None
  ) -> Optional[ModuleSpec]:
    if fullname not in LAZY:
      return None
    for finder in sys.meta_path:
      spec = None if finder is self else finder.find_spec(fullname, path, target)
      if spec is not None:
        if spec.loader is not None:
          spec.loader = _LazyLoader(spec.loader)
        return spec
    return None


def install() -> None:
  """Makes imports of `LAZY` lazy in this process."""
  if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
    sys.meta_path.insert(0, _Finder())
