# SPDX-License-Identifier: Apache-2.0
"""Short calls of models have one thread, long ones all, and whoever says how many decides."""

import importlib.util
import os
import subprocess
import sys
import threading
import time
import unittest
from unittest import mock

from beambridge_host.worker import threads

# In a process of its own: OpenBLAS listens to the first thread that tells it a number.
CALLS = '''
import sys, threading, time
import numpy, threadpoolctl
from beambridge_host.worker import threads

numpy.dot(numpy.ones((2, 2)), numpy.ones((2, 2)))

def counts():
  return sorted({each['num_threads'] for each in threadpoolctl.threadpool_info() if each['user_api'] == 'blas'})

everything = counts()
seen = []
for _ in range(2):
  with threads.CALLS.call():
    seen.append(counts() == [1])
  seen.append(counts() == everything)

inside, go = threading.Barrier(3, timeout=10), threading.Event()
def fails():
  try:
    with threads.CALLS.call():
      inside.wait()
      go.wait(10)
      raise ValueError('on purpose')
  except ValueError:
    seen.append('failed')
both = [threading.Thread(target=fails) for _ in range(2)]
for each in both:
  each.start()
inside.wait()
seen.append(counts() == [1])
threads._LONG_S = 60
go.set()
for each in both:
  each.join()
seen.append(counts() == everything)

threads._LONG_S = 0.001
with threads.CALLS.call():
  seen.append(counts() == [1])
  time.sleep(0.01)
with threads.CALLS.call():
  seen.append(counts() == everything)
print(seen)
'''

TOLD = '''
import numpy, threadpoolctl
from beambridge_host.worker import threads
numpy.dot(numpy.ones((2, 2)), numpy.ones((2, 2)))
with threads.CALLS.call():
  print([each['num_threads'] for each in threadpoolctl.threadpool_info() if each['user_api'] == 'blas'])
'''


def run(program, **variables):
  env = {name: value for name, value in os.environ.items() if name not in threads._VARIABLES}
  done = subprocess.run(
      [sys.executable, '-c', program], env={**env, **variables}, check=True, capture_output=True, text=True, timeout=60)
  return done.stdout.strip()


@unittest.skipUnless(importlib.util.find_spec('threadpoolctl'), 'needs scikit-learn')
@unittest.skipUnless((os.cpu_count() or 1) > 1, 'needs two cores')
class BlasTest(unittest.TestCase):

  def test_one_thread_while_calls_are_short_and_all_after_a_long_one(self):
    self.assertEqual(run(CALLS), "[True, True, True, True, True, 'failed', 'failed', True, True, True]")

  def test_who_says_how_many_decides(self):
    self.assertEqual(run(TOLD, OPENBLAS_NUM_THREADS='2'), '[2]')


class DisobedientTest(unittest.TestCase):

  def test_a_library_that_refuses_is_given_up_and_nobody_waits(self):
    library = mock.Mock(**{'get_num_threads.return_value': 2, 'set_num_threads.side_effect': OSError('no')})
    libraries = threads._Libraries([library])
    self.assertFalse(libraries.one_thread())
    libraries.all_threads()
    self.assertEqual(library.set_num_threads.call_count, 2)


class WithoutTheLibraryTest(unittest.TestCase):

  def test_nothing_happens(self):
    with mock.patch.dict(sys.modules):
      sys.modules.pop('threadpoolctl', None)
      before = threading.active_count()
      with threads.CallThreads().call():
        time.sleep(0.001)
      self.assertEqual(threading.active_count(), before)


if __name__ == '__main__':
  unittest.main()
