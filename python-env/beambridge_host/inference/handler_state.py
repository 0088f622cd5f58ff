# SPDX-License-Identifier: Apache-2.0
"""What a handler has in it, and whether loading a model has changed that.

A model may be shared by handlers that loading leaves as they were. One that keeps something of it on itself (labels, a client, a
buffer) is right with what it has loaded itself, and with nothing else: so whatever cannot be looked into counts as changed.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import functools
import hashlib
import io
import itertools
import logging
import marshal
import math
import operator
import pathlib
import pickle
import random
import re
import struct
import sys
import threading
import types
import uuid
import zoneinfo
from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np
from apache_beam.metrics.metric import Metrics
from apache_beam.ml.inference import base
from apache_beam.utils.python_callable import PythonCallableWithSource

from beambridge_host.wire import examples

# Values in which nothing can change: what is written of them tells all.
_PLAIN = frozenset({
    type(None), bool, int, float, complex, str, bytes, range, decimal.Decimal, datetime.date, datetime.datetime, datetime.time,
    datetime.timedelta, datetime.timezone, re.Pattern, uuid.UUID, type(...)
})
_PLAIN_FAMILIES = (
    enum.Enum, pathlib.PurePath, np.number, np.bool_, np.character, np.datetime64, np.timedelta64, np.dtype, zoneinfo.ZoneInfo, slice,
    types.GenericAlias, types.UnionType)
# The same of libraries that may not be there.
_PLAIN_NAMES = frozenset({'torch.device', 'torch.dtype', 'tensorflow.python.framework.dtypes.DType'})
# What is the same as long as it is the very object: nothing of a model is kept in it, or it is the process's.
_FIXED = (
    type, types.CodeType, types.MethodDescriptorType, types.WrapperDescriptorType, PythonCallableWithSource, logging.Logger, np.ufunc,
    Metrics.DelegatingCounter, Metrics.DelegatingDistribution, Metrics.DelegatingGauge)
# What loading may set besides plain values, for all alike.
_TOLD = (types.ModuleType, type, logging.Logger)
# What is called, and may be bound to something that changes.
_CALLED = (
    types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial, functools._lru_cache_wrapper, staticmethod,
    classmethod, property, operator.itemgetter, operator.attrgetter, operator.methodcaller)
# What importing has put into a module.
_OF_IMPORT = frozenset({'__builtins__', '__loader__', '__spec__'})
# Random numbers, of which loading may choose the next.
_RANDOM = (random.Random, np.random.Generator, np.random.RandomState)
# Those that the whole process goes on with.
_SHARED_RANDOM = (random._inst, np.random.mtrand._rand)
_TENSORS = ('torch.Tensor', 'torch.nn.parameter.Parameter')
# In a container of these alone nothing has a place of its own.
_SIMPLE = frozenset({type(None), bool, int, float, str, bytes})
# Classes whose objects have in them what their attributes do not tell.
_CLOSED = (threading.local, BaseException)


class Unreadable(Exception):
  """Raised of a value of which nobody can say what is in it."""


class _More(Exception):
  """Raised where there is more in a value than there was."""


class _Look(NamedTuple):
  """What was seen in a value."""
  digest: bytes
  # How many values inside it were come to.
  steps: int


class Changes:
  """What loading has made of a handler, and of those inside it."""

  def __init__(
      self, told: Sequence[Mapping[str, Any]], others: Sequence[str], unknown: Sequence[str], of_text: bool) -> None:
    # Attributes that are plain values now, by handler: to be set on another handler that was given the same.
    self.told = told
    # Names of those that only the handler that loaded the model can have.
    self.others = others
    # Of those that cannot be looked into, so that they may be changed or not.
    self.unknown = unknown
    # Whether each transform has run the text of their classes for itself, so that loading may have changed any of its globals.
    self.of_text = of_text

  @property
  def names(self) -> frozenset[str]:
    """Those of the plain ones."""
    return frozenset(name for values in self.told for name in values)

  def __bool__(self) -> bool:
    return bool(self.others or self.unknown or any(self.told))


class State:
  """What a handler has at a moment."""

  def __init__(self, handler: Any) -> None:
    self._handler = handler
    # What is known by its place in memory, so that nothing else comes to be there.
    self._kept: list[Any] = []
    self._looks = [{name: self._look(value, each) for name, value in _own(each)} for each in chain(handler)]

  def changes(self, known: Sequence[str] = ()) -> Changes:
    """What is another now.

    What loading itself has put there, which may be all of a model, is not looked into.

    Args:
      known: names that loading has set before, perhaps to what they are now.
    """
    told: list[dict[str, Any]] = []
    others: list[str] = []
    unknown: list[str] = []
    kept = {id(value) for value in (*chain(self._handler), *self._kept)}
    for before, each in zip(self._looks, chain(self._handler)):
      now = attributes(each)
      set_plain: dict[str, Any] = {}
      others.extend(name for name in before if name not in now)
      for name, value in _own(each):
        look = None
        if name in before and name not in known and (is_plain(value) or id(value) in kept):
          look = self._look(value, each, before[name])
          if look is not None and look == before[name]:
            continue
        if is_plain(value) or isinstance(value, _TOLD):
          set_plain[name] = value
        elif look is None and name in before and before[name] is None and id(value) in kept:
          unknown.append(name)
        else:
          others.append(name)
      told.append(set_plain)
    return Changes(told, others, unknown, _is_of_text(self._handler))

  def _look(self, value: Any, handler: Any, before: Optional[_Look] = None) -> Optional[_Look]:
    looking = _Looking(handler, self._kept, before.steps if before else math.inf)
    try:
      looking.at(value)
    except _More:
      return _Look(b'', 0)
    except Exception:  # pylint: disable=broad-except
      self._kept.append(value)
      return None
    return looking.look()


def _own(handler: Any) -> Iterator[tuple[str, Any]]:
  """The attributes of a handler but the one that it is around."""
  inside = vars(handler).get(_inside_of(handler)) if hasattr(handler, '__dict__') else None
  return ((name, value) for name, value in attributes(handler).items() if inside is None or value is not inside)


def _is_of_text(handler: Any) -> bool:
  """Whether a class of a handler is in no module: its text was run for each transform, with classes and globals of its own."""
  return not all(_is_of_module(cls) for each in chain(handler) for cls in type(each).__mro__)


def _is_of_module(cls: type) -> bool:
  """Whether all transforms have the same class. Ours is, though a worker may have it without its module."""
  module = str(cls.__module__)
  if module.partition('.')[0] == 'beambridge_host':
    return True
  found: Any = sys.modules.get(module)
  for name in cls.__qualname__.split('.'):
    found = getattr(found, '__dict__', {}).get(name)
  return found is cls


def attributes(value: Any) -> dict[str, Any]:
  """What an object has, in its dict and in its slots."""
  found = {
      name: getattr(value, name)
      for cls in type(value).__mro__ for name in _slots(cls) if hasattr(value, name)
  }
  found.update(getattr(value, '__dict__', {}))
  return found


def _bound_to(value: Any) -> Iterator[Any]:
  """What a function is made of, but globals that are the process's."""
  if isinstance(value, types.MethodType):
    yield from (value.__func__, value.__self__)
  elif isinstance(value, types.BuiltinFunctionType):
    yield value.__self__
  elif isinstance(value, functools.partial):
    yield from (value.func, value.args, value.keywords)
  elif isinstance(value, (functools._lru_cache_wrapper, staticmethod, classmethod)):
    yield value.__wrapped__
  elif isinstance(value, property):
    yield from (value.fget, value.fset, value.fdel)
  elif isinstance(value, types.FunctionType):
    yield from (value.__code__, value.__defaults__, value.__kwdefaults__, vars(value))
    yield from (cell.cell_contents for cell in value.__closure__ or () if cell != types.CellType())
    yield from _own_globals(value)
  else:
    yield from _given_to(value)


def _own_globals(function: types.FunctionType) -> Iterator[Any]:
  """The globals that a function names, where it has its own: one that is pickled by value takes them along."""
  module = sys.modules.get(function.__module__ or '')
  if module is not None and vars(module) is function.__globals__:
    return
  codes = [function.__code__]
  for code in codes:
    yield from (function.__globals__[name] for name in code.co_names if name in function.__globals__)
    codes.extend(each for each in code.co_consts if isinstance(each, types.CodeType))


def _given_to(caller: Any) -> Iterator[Any]:
  """What `operator.itemgetter` and its like were made with, which only their pickles tell."""
  made, given = type(caller).__reduce__(caller)[:2]
  yield from given
  if isinstance(made, functools.partial):
    yield from made.args
    yield from itertools.chain.from_iterable(made.keywords.items())


def _slots(cls: type) -> Iterator[str]:
  slots = vars(cls).get('__slots__', ())
  for name in (slots,) if isinstance(slots, str) else slots:
    if name in ('__dict__', '__weakref__'):
      continue
    # As Python mangles it.
    yield f'_{cls.__name__.lstrip("_")}{name}' if name.startswith('__') and not name.endswith('__') else name


def is_plain(value: Any) -> bool:
  """Whether nothing in a value can change. What is nested too deeply to be looked through may be anything."""
  try:
    return _is_plain(value)
  except RecursionError:
    return False


def _is_plain(value: Any) -> bool:
  if isinstance(value, (tuple, frozenset)):
    return type(value) in (tuple, frozenset) and all(map(_is_plain, value))
  kind = type(value)
  return kind in _PLAIN or isinstance(value, _PLAIN_FAMILIES) or kind.__module__ == 'typing' or _name_of(kind) in _PLAIN_NAMES


def _text_of(value: Any) -> str:
  """What tells a plain value from others of its class."""
  return repr(_told_by(value))


def _told_by(value: Any) -> Any:
  """Something whose `repr` tells it: one for all, since that of a text in a text is twice as long at each level."""
  if isinstance(value, (tuple, frozenset)) and not set(map(type, value)) <= _SIMPLE:
    return [(id(type(each)), _told_by(each)) for each in value]
  if isinstance(value, enum.Enum):
    # Its `repr` is its class's.
    return 'member', id(value)
  if isinstance(value, re.Pattern):
    # Its `repr` is cut.
    return value.pattern, value.flags
  if isinstance(value, np.dtype):
    return value, value.metadata
  return value


def _name_of(cls: type) -> str:
  return f'{cls.__module__}.{cls.__qualname__}'


class _Looking:
  """One look into a value. It runs nobody's code, which might close what it looks at."""

  def __init__(self, handler: Any, kept: list[Any], most: float) -> None:
    self._hash = hashlib.blake2b()
    # In the order in which they were come to; the handler is the first.
    self._seen: dict[int, int] = {id(handler): 0}
    self._kept = kept
    self._steps = 0
    self._most = most

  def look(self) -> _Look:
    return _Look(self._hash.digest(), self._steps)

  def at(self, value: Any) -> None:
    """Takes in what a value is."""
    self._steps += 1
    if self._steps > self._most:
      raise _More
    kind = type(value)
    if kind is bytes:
      self._bytes(kind, memoryview(value))
    elif is_plain(value):
      self._said(kind, value if kind is str else _text_of(value))
    elif isinstance(value, _FIXED) or _is_of_numpy(value) or _is_of_process(value):
      self._place(value)
    elif id(value) in self._seen:
      self._said(kind, f'again {self._seen[id(value)]}')
    else:
      self._seen[id(value)] = len(self._seen)
      self._place(value)
      self._inside(value, kind)

  def _inside(self, value: Any, kind: type) -> None:
    if kind in (dict, list, set, frozenset, tuple) and self._simple(value, kind):
      return
    if isinstance(value, _CALLED):
      for part in _bound_to(value):
        self.at(part)
    elif isinstance(value, dict):
      self._said(kind, len(value))
      if isinstance(value, collections.defaultdict):
        self.at(value.default_factory)
      for name, inner in value.items() if kind is collections.OrderedDict else dict.items(value):
        self.at(name)
        self.at(inner)
    elif isinstance(value, (list, tuple)):
      self._said(kind, len(value))
      for inner in list.__iter__(value) if isinstance(value, list) else tuple.__iter__(value):
        self.at(inner)
    elif isinstance(value, (set, frozenset)):
      # Its order stays as long as it does.
      self._said(kind, len(value))
      for inner in set.__iter__(value) if isinstance(value, set) else frozenset.__iter__(value):
        self.at(inner)
    elif type(value) is collections.deque:
      self._said(kind, len(value))
      for inner in value:
        self.at(inner)
    elif isinstance(value, (bytearray, array.array)):
      self._bytes(kind, memoryview(value))
    elif kind is np.ndarray:
      self._array(value)
    elif isinstance(value, _RANDOM):
      self._bytes(kind, memoryview(pickle.dumps(_state_of(value))))
    elif _name_of(kind) in _TENSORS:
      self._tensor(value)
    elif isinstance(value, types.ModuleType):
      for name, inner in vars(value).items():
        if name not in _OF_IMPORT:
          self.at(name)
          self.at(inner)
    elif kind is not types.SimpleNamespace and not _is_open(kind):
      raise Unreadable(_name_of(kind))
    # A class of a text may say that it is one of Python's own.
    is_bare = kind.__module__ in ('builtins', 'operator', 'functools') and _is_of_module(kind)
    if not is_bare and kind is not np.ndarray and kind is not types.ModuleType:
      for name, inner in sorted(attributes(value).items(), key=lambda item: str(item[0])):
        self.at(name)
        self.at(inner)

  def _simple(self, value: Any, kind: type) -> bool:
    """Takes in a container of simple values at once, as one by one takes long where there are many."""
    values = [*value, *value.values()] if kind is dict else list(value)
    if not set(map(type, values)) <= _SIMPLE:
      return False
    # In a form that tells nothing of which of them are one and the same.
    self._bytes(kind, memoryview(marshal.dumps(values, 2)))
    return True

  def _tensor(self, value: Any) -> None:
    self._said(type(value), (tuple(value.shape), value.stride(), value.requires_grad, value.data_ptr()))
    content = io.BytesIO()
    sys.modules['torch'].save(value.detach(), content)
    self._bytes(type(value), content.getbuffer())

  def _array(self, value: np.ndarray[Any, Any]) -> None:
    self._said(np.ndarray, (value.dtype.str, value.shape, value.strides))
    if value.dtype.hasobject:
      for inner in value.flat:
        self.at(inner)
    else:
      # Times have no buffer of their own.
      self._bytes(np.ndarray, memoryview(np.ascontiguousarray(value).reshape(-1).view(np.uint8)) if value.size else memoryview(b''))

  def _bytes(self, kind: type, value: memoryview) -> None:
    self._said(kind, value.nbytes)
    self._hash.update(value)

  def _place(self, value: Any) -> None:
    self._kept.append(value)
    self._hash.update(struct.pack('<q', id(value)))

  def _said(self, kind: type, said: Any) -> None:
    text = f'{id(kind)} {said}\0'.encode('utf-8', 'surrogatepass')
    self._hash.update(struct.pack('<q', len(text)))
    self._hash.update(text)


def _is_of_numpy(value: Any) -> bool:
  """Whether it is a function of numpy's own kind, whose class has no name by which it could be pickled as a global of ours."""
  return type(value) is type(np.mean) and not isinstance(value, types.FunctionType)


def _is_of_process(value: Any) -> bool:
  """Whether all handlers of a process have the same one."""
  if isinstance(value, types.ModuleType):
    return sys.modules.get(value.__name__) is value
  return any(value is each for each in _SHARED_RANDOM)


def _state_of(numbers: Any) -> Any:
  """What the next random numbers follow from."""
  if isinstance(numbers, random.SystemRandom):
    return None
  if isinstance(numbers, random.Random):
    return random.Random.getstate(numbers)
  return numbers.bit_generator.state if isinstance(numbers, np.random.Generator) else numbers.get_state(legacy=False)


def _is_open(cls: type) -> bool:
  """Whether all that an object of a class has are its attributes: the class is Python's, as are those that it is made from."""
  if issubclass(cls, _CLOSED):
    return False
  for each in cls.__mro__[:-1]:
    if not each.__flags__ & _MADE_BY_PYTHON or '__module__' not in vars(each):
      return False
    words = sum(1 for _ in _slots(each)) + ('__dict__' in vars(each)) + ('__weakref__' in vars(each))
    # What is beyond is something that is written in C.
    if each.__basicsize__ - each.__base__.__basicsize__ > words * struct.calcsize('P'):
      return False
  return cls.__itemsize__ == 0


# Py_TPFLAGS_HEAPTYPE.
_MADE_BY_PYTHON = 1 << 9


def chain(handler: Any) -> list[Any]:
  """A handler, and those that it has around one another inside it."""
  found = [handler]
  while (name := _inside_of(found[-1])) is not None:
    found.append(vars(found[-1])[name])
  return found


def _inside_of(handler: Any) -> Optional[str]:
  """Under which name Beam's wrappers keep what is inside them."""
  if not isinstance(handler, examples.WRAPPERS):
    return None
  return next((name for name in ('_unkeyed', '_base') if vars(handler).get(name) is not None), None)


def loads_later(handler: Any) -> bool:
  """Whether a handler loads its models at its first calls: Beam's with a model per key."""
  return any(isinstance(each, base.KeyedModelHandler) and not each._single_model for each in chain(handler))


def tell(handler: Any, told: Sequence[Mapping[str, Any]]) -> None:
  """Sets on a handler what loading has set on another one that was given the same."""
  for each, values in zip(chain(handler), told):
    for name, value in values.items():
      object.__setattr__(each, name, value)
