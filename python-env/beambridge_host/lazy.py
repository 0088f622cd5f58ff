# SPDX-License-Identifier: Apache-2.0
"""Packages that others import and few use: loaded when they are first used.

scikit-learn imports scipy.stats for a function or two, and Beam imports httplib2 for Google's
services: 0.7 s of the 2.4 s that a host with scikit-learn takes to start. `import x` of such a
package gives a module whose code runs with the first look at one of its attributes, so everything
works as before, later. The standard library's LazyLoader does the same, but two threads that look at
once can see half a module (mended in Python 3.12).
"""

import importlib.abc
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from typing import Any, Optional, Sequence

LAZY = frozenset({'scipy.stats', 'httplib2'})

# What the import system asks of a module that it has already.
_KNOWN = frozenset({'__spec__', '__name__', '__class__', '__dict__', '__loader__', '__package__'})


class _LazyModule(types.ModuleType):

  def __getattribute__(self, name: str) -> Any:
    if name not in _KNOWN:
      object.__getattribute__(self, '__spec__').loader.load(self)
    return types.ModuleType.__getattribute__(self, name)


class _LazyLoader(importlib.abc.Loader):
  """Puts off what another loader does."""

  def __init__(self, loader: Any) -> None:
    self._loader = loader
    self._lock = threading.Lock()
    # The thread that runs the module's code comes back to the module, and sees what is there.
    self._runner: Optional[int] = None

  def create_module(self, spec: ModuleSpec) -> Optional[types.ModuleType]:
    return self._loader.create_module(spec)

  def exec_module(self, module: types.ModuleType) -> None:
    module.__class__ = _LazyModule

  def load(self, module: types.ModuleType) -> None:
    """Runs the module's code, unless that was done: then it is an ordinary module."""
    if self._runner == threading.get_ident():
      return
    with self._lock:
      if module.__class__ is not _LazyModule:
        return
      self._runner = threading.get_ident()
      try:
        self._loader.exec_module(module)
      finally:
        self._runner = None
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
