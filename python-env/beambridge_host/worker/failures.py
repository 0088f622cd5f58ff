# SPDX-License-Identifier: Apache-2.0
"""What helps against an exception of Python's, told from the exception itself and never from what its text says.

Beam carries failures as the text of a traceback. The line with a hint is put below that while the exception is still
an object: its class and the modules of its frames are facts, and its text may quote data.
"""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import importlib.util
import pickle
import re
import sys
import traceback
from typing import Any, Iterator, Optional

from beambridge_host.credentials import hidden
from beambridge_host.errors import BridgeError, bridge_error, one_line


class _Storage:
  """A file system of Beam's that needs a package."""

  def __init__(self, scheme: str, frames: str, module: str, package: str) -> None:
    self.scheme, self.frames, self.module, self.package = scheme, frames, module, package

  def hint(self) -> str:
    extra = f'apache-beam[{_EXTRAS[self.scheme]}]'
    same = '' if self.package == extra else f", which is the extra {extra}"
    return (
        f"{self.scheme}:// needs the package {self.package}{same}: give withExtraPackages(['{self.package}']) to a "
        f"RunInference, packages: ['{self.package}'] to a pythonTransform.")


_EXTRAS = {'s3': 'aws', 'gs': 'gcp', 'azfs': 'azure', 'hdfs': 'hadoop'}
_STORAGES = (
    _Storage('s3', 'apache_beam.io.aws.', 'boto3', 'boto3'),
    _Storage('gs', 'apache_beam.io.gcp.', 'google.cloud.storage', 'apache-beam[gcp]'),
    _Storage('azfs', 'apache_beam.io.azure.', 'azure.storage.blob', 'apache-beam[azure]'),
    _Storage('hdfs', 'apache_beam.io.hadoopfilesystem', 'hdfs', 'apache-beam[hadoop]'),
)


def told() -> str:
  """The traceback of the exception that is being handled, with a line that says what helps where that is known."""
  error = sys.exc_info()[1]
  text = hidden(traceback.format_exc())
  if error is None or any(isinstance(each, BridgeError) for each in chain(error)):
    return text
  hint = hint_of(error)
  if not hint:
    return text
  # Beam appends it to the text of what a user's function raised; the text itself is read for it.
  message = re.sub(r" \[while running '[^']*'\]$", '', one_line(error))
  marked = str(bridge_error('PYTHON_EXCEPTION', message, hint=hint)).rstrip('\n').rpartition('\n')[2]
  return f'{text}\n{marked}\n'


def chain(error: BaseException) -> Iterator[BaseException]:
  """An exception and what it came from, the latest first."""
  waiting, seen = [error], set()
  while waiting:
    each = waiting.pop()
    if id(each) in seen:
      continue
    seen.add(id(each))
    yield each
    # Beam's file systems collect what went wrong with each path.
    details = getattr(each, 'exception_details', None)
    inner = list(details.values()) if isinstance(details, dict) else []
    inner.append(each.__cause__ if each.__cause__ or each.__suppress_context__ else each.__context__)
    waiting.extend(one for one in inner if isinstance(one, BaseException))


def hint_of(error: BaseException) -> Optional[str]:
  """What helps; None where nothing is known to."""
  storage = missing_storage(error)
  if storage:
    return storage
  root = list(chain(error))[-1]
  if isinstance(root, FileNotFoundError):
    return 'Relative paths start from the folder in which the program runs, on the machine where Python runs.'
  if isinstance(root, PermissionError):
    return 'Whoever runs Python may not read or write that: check the owner and the mode, or take another folder.'
  if isinstance(root, MemoryError):
    return 'Memory ran out where Python runs: take fewer pythonWorkers, smaller elements, or a machine with more.'
  if isinstance(root, NameError) and not isinstance(root, UnboundLocalError):
    return 'The name is not known where the function runs: import or define it inside of the function.'
  if isinstance(root, pickle.PicklingError):
    return 'What a function holds is pickled: make what cannot be inside of it, or in the setup of a DoFn.'
  return None


def missing_storage(error: BaseException) -> Optional[str]:
  """What is to be installed for a file system that cannot be used; None if that is not why."""
  for storage in _STORAGES:
    if not _is_there(storage.module) and any(_is_about(storage, each) for each in chain(error)):
      return storage.hint()
  return None


def is_of_storage(error: BaseException) -> bool:
  """Whether an exception came out of one of Beam's file systems."""
  return any(name.startswith('apache_beam.io.') for each in chain(error) for name, _ in _last_frames(each))


def _is_about(storage: _Storage, error: BaseException) -> bool:
  for name, variables in _frames(error):
    if name.startswith(storage.frames):
      return True
    path = variables.get('path') if name == 'apache_beam.io.filesystems' else None
    # There Beam knows no file system for the path.
    if isinstance(path, str) and path.startswith(f'{storage.scheme}://'):
      return True
  return False


def _frames(error: BaseException) -> Iterator[tuple[str, dict[str, Any]]]:
  for frame, _ in traceback.walk_tb(error.__traceback__):
    yield frame.f_globals.get('__name__', ''), frame.f_locals


def _last_frames(error: BaseException) -> list[tuple[str, dict[str, Any]]]:
  """The innermost, from where it was raised up to a few calls of libraries below Beam's."""
  return list(_frames(error))[-8:]


def _is_there(module: str) -> bool:
  try:
    return importlib.util.find_spec(module) is not None
  except (ImportError, ValueError):
    return False
