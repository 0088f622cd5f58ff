# SPDX-License-Identifier: Apache-2.0
"""What a host keeps between runs: workers and answers of expansions."""

import os
import tempfile
import threading
import unittest
from types import SimpleNamespace
from typing import Any

from apache_beam.portability.api import beam_expansion_api_pb2

from beambridge_host.host.kept_expansions import KeptExpansions
from beambridge_host.host.kept_workers import Keep, KeptWorkers, read_keep
from beambridge_host.worker.keeping import fingerprint


class Stub:
  """A worker whose process is not needed."""

  def __init__(self) -> None:
    self.alive = True
    self.stopped = threading.Event()

  def stop(self) -> None:
    self.alive = False
    self.stopped.set()


class WithFile(unittest.TestCase):
  def setUp(self) -> None:
    folder = tempfile.TemporaryDirectory()
    self.addCleanup(folder.cleanup)
    self.path = os.path.join(folder.name, 'model')
    self.write('one')

  def write(self, text: str) -> None:
    with open(f'{self.path}.new', 'w', encoding='utf-8') as file:
      file.write(text)
    os.rename(f'{self.path}.new', self.path)


class KeptWorkersTest(WithFile):
  def setUp(self) -> None:
    super().setUp()
    self.kept = KeptWorkers()
    self.addCleanup(self.kept.close)

  def put(self, key: str = 'a', seconds: float = 60.0, files: Any = ()) -> Stub:
    worker = Stub()
    self.kept.put(worker, Keep(key, seconds), files)
    return worker

  def test_a_worker_serves_the_next_run_of_its_key_once(self) -> None:
    worker = self.put()
    self.assertIsNone(self.kept.take('b'))
    self.assertTrue(self.kept.has('a'))
    self.assertIs(self.kept.take('a'), worker)
    self.assertFalse(self.kept.has('a'))
    self.assertIsNone(self.kept.take('a'))
    self.assertFalse(worker.stopped.is_set())

  def test_one_whose_file_has_changed_ends(self) -> None:
    # As it comes out of JSON.
    files = [[self.path, list(fingerprint(self.path))]]
    worker = self.put(files=files)
    self.assertIs(self.kept.take('a'), worker)
    worker = self.put(files=files)
    self.write('two')
    self.assertIsNone(self.kept.take('a'))
    self.assertTrue(worker.stopped.is_set())
    worker = self.put(files=[[self.path, list(fingerprint(self.path))]])
    os.remove(self.path)
    self.assertIsNone(self.kept.take('a'))

  def test_one_that_has_ended_is_not_given(self) -> None:
    older = self.put()
    self.put().alive = False
    self.assertIs(self.kept.take('a'), older)

  def test_there_are_few_and_the_oldest_goes(self) -> None:
    workers = [self.put(str(number)) for number in range(6)]
    self.assertEqual([worker.stopped.is_set() for worker in workers], [True, True, False, False, False, False])

  def test_they_end_when_their_time_is_over(self) -> None:
    worker = self.put(seconds=0.05)
    self.assertTrue(worker.stopped.wait(30))
    self.assertIsNone(self.kept.take('a'))

  def test_they_end_with_the_host(self) -> None:
    before = self.put()
    self.kept.close()
    after = self.put()
    self.assertTrue(before.stopped.is_set() and after.stopped.is_set())

  def test_what_is_said_of_keeping_is_read(self) -> None:
    def read(**given: str) -> Any:
      return read_keep({f'beambridge-{name.replace("_", "-")}': value for name, value in given.items()})

    self.assertEqual(read(keep='k', keep_seconds='5'), Keep('k', 5.0))
    self.assertEqual(read(keep='k', keep_seconds='1e9').seconds, 3600.0)
    for given in ({}, {'keep': 'k'}, {'keep': 'k', 'keep_seconds': '0'}, {'keep': 'k', 'keep_seconds': 'x'},
                  {'keep': '', 'keep_seconds': '5'}, {'keep': 'k', 'keep_seconds': 'nan'}):
      self.assertIsNone(read(**given))


class KeptExpansionsTest(WithFile):
  def setUp(self) -> None:
    super().setUp()
    self.kept = KeptExpansions()
    self.asked = 0

  def get(self, name: str = 'x', error: str = '', seconds: float = 60.0) -> Any:
    request = beam_expansion_api_pb2.ExpansionRequest(namespace=name)

    def expand() -> Any:
      self.asked += 1
      return beam_expansion_api_pb2.ExpansionResponse(error=error), [self.path]

    return self.kept.get(request, seconds, expand)

  def test_the_same_request_has_the_same_answer(self) -> None:
    self.assertIs(self.get(), self.get())
    self.assertIsNot(self.get(), self.get('y'))
    self.assertEqual(self.asked, 2)

  def test_a_file_that_has_changed_is_looked_at_again(self) -> None:
    self.get()
    self.write('two')
    self.get()
    self.get()
    self.assertEqual(self.asked, 2)
    os.remove(self.path)
    self.get()
    self.get()
    self.assertEqual(self.asked, 4)

  def test_failures_are_not_kept(self) -> None:
    self.get(error='no')
    self.assertEqual(self.get().error, '')

  def test_they_are_kept_for_a_while(self) -> None:
    self.get(seconds=-1)
    self.get()
    self.assertEqual(self.asked, 2)

  def test_there_are_only_so_many(self) -> None:
    for number in range(100):
      self.get(str(number))
    self.assertLessEqual(len(self.kept._answers), 64)
    self.get('99')
    self.assertEqual(self.asked, 100)


if __name__ == '__main__':
  unittest.main()
