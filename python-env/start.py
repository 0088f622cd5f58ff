# SPDX-License-Identifier: Apache-2.0
"""`python start.py MODULE ARGUMENTS`: runs a module of ours as `python -m` does, with a path of its own.

`python -m` puts the current folder first: a file `random.py` or `grpc.py` beside a program would then
run in place of the real one. Here this folder is first and the current folder last, so that a user's
modules can be imported and stand in front of nothing. `-P` alone would do neither, and Python 3.10 does
not know it.

Python compiles our modules once, and not in each process: what it makes of them it cannot leave beside them, in a
folder that may be somebody else's, so it lies in the folder that `BEAMBRIDGE_BYTECODE` names.
"""

import contextlib
import importlib.machinery
import importlib.util
import marshal
import os
import runpy
import sys

# What src/services/host/host.ts sets PYTHONSAFEPATH to, unless a user has set it.
_OURS = 'beambridge'


def _arrange() -> None:
  here = os.path.dirname(os.path.abspath(__file__))
  sys.path[:] = [here, *(entry for entry in sys.path if entry and entry != here)]
  # What a user's code starts is the user's affair. Processes of Python's own multiprocessing follow this
  # one's flags, not the variable.
  if os.environ.get('PYTHONSAFEPATH') == _OURS:
    del os.environ['PYTHONSAFEPATH']
  if os.environ.get('PYTHONSAFEPATH'):
    return
  try:
    current = os.getcwd()
  except OSError:
    return  # It was removed.
  if current not in sys.path:
    sys.path.append(current)


class _Loader(importlib.machinery.SourceFileLoader):
  """Looks for the code of a module of ours where it was left for the same text."""

  folder = ''

  def get_code(self, fullname):
    path = self.get_filename(fullname)
    source = self.get_data(path)
    text = f'{path}\0'.encode('utf-8', 'surrogateescape') + source
    head = importlib.util.MAGIC_NUMBER + len(text).to_bytes(8, 'little') + importlib.util.source_hash(text)
    kept = os.path.join(self.folder, f'{fullname}.{sys.implementation.cache_tag}')
    with contextlib.suppress(OSError, ValueError, EOFError, TypeError):
      data = self.get_data(kept)
      if data.startswith(head):
        return marshal.loads(data[len(head):])
    code = self.source_to_code(source, path)
    made = f'{kept}.{os.getpid()}'
    # Without room, or in somebody else's folder, it is compiled again each time.
    with contextlib.suppress(OSError):
      with open(made, 'xb') as file:
        file.write(head + marshal.dumps(code))
      os.replace(made, kept)
    return code


class _Finder:
  """Finds our modules where Python does."""

  @staticmethod
  def find_spec(fullname, path=None, target=None):
    if fullname.partition('.')[0] != 'beambridge_host':
      return None
    spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
    if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
      spec.loader = _Loader(spec.loader.name, spec.loader.path)
    return spec


def _keep_bytecode(folder):
  """Code that anybody else can write is not for us to run."""
  with contextlib.suppress(OSError):
    os.makedirs(folder, 0o700, exist_ok=True)
    found = os.stat(folder)
    if found.st_uid == os.getuid() and not found.st_mode & 0o022:
      _Loader.folder = folder
      sys.meta_path.insert(0, _Finder)


if __name__ == '__main__':
  _arrange()
  if os.environ.get('BEAMBRIDGE_BYTECODE'):
    _keep_bytecode(os.environ['BEAMBRIDGE_BYTECODE'])
  sys.argv = sys.argv[1:]
  runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
