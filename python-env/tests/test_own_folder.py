# SPDX-License-Identifier: Apache-2.0
"""What a host keeps on disk is in one folder, which is gone when the host is."""

import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from beambridge_host.worker import own_folder
from tests.contexts import entered

HOLDS = '''
import sys
from beambridge_host.worker import own_folder
folder = own_folder.OwnFolder()
print(folder.path, flush=True)
sys.stdin.read()
folder.remove()
'''

BEAM = '''
import os, tempfile
from beambridge_host.worker import own_folder
folder = own_folder.OwnFolder()
own_folder.use_for_beam()
import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import environments
from apache_beam.utils.multi_process_shared import MultiProcessShared

beam.Pipeline()
environments.python_sdk_dependencies(PipelineOptions(flags=[], sdk_location='container'))
MultiProcessShared(list, tag='shared').acquire()
others = tempfile.mkdtemp(prefix='of-a-user-')
inside = os.listdir(folder.path)
folder.remove()
print(len(inside), sorted(name[:10] for name in os.listdir(tempfile.gettempdir())))
'''


class OwnFolderTest(unittest.TestCase):

  def setUp(self):
    self.parent = entered(self, tempfile.TemporaryDirectory())
    self.env = {**os.environ, 'TMPDIR': self.parent}

  def start(self):
    child = subprocess.Popen(
        [sys.executable, '-c', HOLDS], env=self.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    self.addCleanup(child.stdout.close)
    self.addCleanup(child.stdin.close)
    return child, child.stdout.readline().strip()

  def sweep(self):
    with mock.patch.object(tempfile, 'tempdir', self.parent):
      own_folder.sweep()

  def test_what_a_killed_host_left_is_removed_and_nothing_else(self):
    killed, left = self.start()
    living, kept = self.start()
    killed.kill()
    killed.wait()
    being_made = tempfile.mkdtemp(prefix=own_folder._PREFIX, dir=self.parent)
    elsewhere = entered(self, tempfile.TemporaryDirectory())
    os.symlink(elsewhere, os.path.join(self.parent, f'{own_folder._PREFIX}link'))
    self.sweep()
    self.assertFalse(os.path.exists(left))
    for path in (kept, being_made, elsewhere):
      self.assertTrue(os.path.isdir(path), path)
    living.stdin.close()
    self.assertEqual(living.wait(), 0)
    self.assertFalse(os.path.exists(kept))

  def test_beams_own_files_are_in_it_and_those_of_users_are_not(self):
    done = subprocess.run(
        [sys.executable, '-c', BEAM], env=self.env, check=True, capture_output=True, text=True, timeout=60)
    count, others = done.stdout.split(' ', 1)
    # The lock, the folders of a pipeline and of its packages, the address of what is shared and its lock.
    self.assertGreaterEqual(int(count), 4)
    self.assertEqual(others.strip(), "['of-a-user-']")


if __name__ == '__main__':
  unittest.main()
