# SPDX-License-Identifier: Apache-2.0
"""`python start.py MODULE ARGUMENTS`: runs a module of ours as `python -m` does, with a path of its own.

`python -m` puts the current folder first: a file `random.py` or `grpc.py` beside a program would then
run in place of the real one. Here this folder is first and the current folder last, so that a user's
modules can be imported and stand in front of nothing. `-P` alone would do neither, and Python 3.10 does
not know it.
"""

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


if __name__ == '__main__':
  _arrange()
  sys.argv = sys.argv[1:]
  runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
