# SPDX-License-Identifier: Apache-2.0
"""The process of its own in which a model may be called."""

import functools
import operator
import os
import sys
import tempfile
import unittest
from typing import Any
from unittest import mock

from beambridge_host.inference.calls import Child
from tests.contexts import entered


def doubling() -> Any:
  """What a child calls."""
  return functools.partial(operator.mul, 2)


class ChildTest(unittest.TestCase):

  def test_runs_no_file_of_the_current_folder(self) -> None:
    folder = entered(self, tempfile.TemporaryDirectory())
    for name in ('os', 'struct', 'threading', 'time', 'traceback', 'pickle', 'random'):
      with open(os.path.join(folder, f'{name}.py'), 'w', encoding='utf-8') as file:
        file.write(f"open({os.path.join(folder, 'ran')!r}, 'w')\nraise SystemExit('this is not {name}')\n")
    self.addCleanup(os.chdir, os.getcwd())
    os.chdir(folder)
    environment = {name: value for name, value in os.environ.items() if name not in ('PYTHONPATH', 'PYTHONSAFEPATH')}
    # As start.py arranges it.
    with mock.patch.dict(os.environ, environment, clear=True), mock.patch.object(sys, 'path', [*(entry for entry in sys.path if entry), folder]):
      child = Child(doubling)
    self.addCleanup(child.close)
    self.assertEqual(child.call(21), 42)
    self.assertNotIn('ran', os.listdir(folder))


if __name__ == '__main__':
  unittest.main()
