# SPDX-License-Identifier: Apache-2.0
"""The process of its own in which a model may be called."""

import functools
import operator
import os
import signal
import sys
import tempfile
import threading
import unittest
from typing import Any
from unittest import mock

from beambridge_host.errors import fields_of
from beambridge_host.inference import calls
from beambridge_host.inference.calls import Child, ChildDied
from beambridge_host.inference.dead_letters import failure_of
from beambridge_host.inference.models import load_error
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

  def test_says_how_it_ended(self) -> None:
    for act, said, hint in (
        (functools.partial(os.abort), 'the process of the model was ended by SIGABRT', 'A library crashed'),
        (functools.partial(killed, signal.SIGKILL), 'the process of the model was killed by SIGKILL, most likely because memory ran out', 'memory'),
        (functools.partial(os._exit, 3), 'the process of the model ended with exit code 3', 'last words')):
      with self.subTest(said), self.assertRaises(ChildDied) as told:
        Child(functools.partial(_act, act))
      self.assertEqual(str(told.exception), said)
      fields = fields_of(load_error(told.exception, 'Here'))
      self.assertEqual(fields['code'], 'MODEL_PROCESS_DIED')
      self.assertEqual(fields['message'], f'the model could not be loaded: {said}')
      self.assertIn(hint, fields['hint'])
      with self.subTest(f'{said}, in a call'), self.assertRaises(ChildDied) as told:
        child = Child(_calling)
        self.addCleanup(child.close)
        child.call(act)
      self.assertEqual(str(told.exception), said)
      self.assertEqual(failure_of(told.exception)[1:3], ('MODEL_PROCESS_DIED', said))
      self.assertEqual(child.call(functools.partial(int, '7')), 7)

  def test_a_process_that_hangs_up_and_lives_on_is_ended(self) -> None:
    with mock.patch.object(calls, '_DYING_S', 0.1), self.assertRaisesRegex(ChildDied, 'hung up'):
      Child(functools.partial(_act, _hang_up))


def killed(number: int) -> None:
  """What the kernel does where memory runs out."""
  os.kill(os.getpid(), number)
  threading.Event().wait()


def _act(act: Any) -> Any:
  return act()


def _calling() -> Any:
  return _act


def _hang_up() -> None:
  # Whichever number the child has given its pipe.
  os.closerange(3, 64)
  threading.Event().wait()


if __name__ == '__main__':
  unittest.main()
