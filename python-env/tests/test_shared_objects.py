# SPDX-License-Identifier: Apache-2.0
import os
import stat
import subprocess
import sys
import tempfile
import unittest
from multiprocessing.connection import Client

PACKAGE_FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# A process of a host that shares an object, by a server in a thread of it and in a process of its own.
_SHARES = """
import sys
from beambridge_host.worker import own_folder

def make():
  return {'answer': 42}

if __name__ == '__main__':
  folder = own_folder.OwnFolder()
  own_folder.use_for_beam()
  from apache_beam.utils.multi_process_shared import MultiProcessShared
  for tag, more in (('thread', {}), ('process', {'spawn_process': True})):
    shared = MultiProcessShared(make, tag=tag, always_proxy=True, **more)
    assert shared.acquire().get('answer') == 42
  print(folder.path, flush=True)
  sys.stdin.read()
  folder.remove()
"""


def _sockets_of(group: int) -> list[str]:
  inodes = set()
  for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
      if os.getpgid(int(pid)) != group:
        continue
      inodes |= {os.readlink(f'/proc/{pid}/fd/{fd}') for fd in os.listdir(f'/proc/{pid}/fd')}
    except OSError:
      continue
  with open('/proc/net/tcp', encoding='utf-8') as table:
    lines = [line.split() for line in table][1:]
  return [line[1] for line in lines if line[3] == '0A' and f'socket:[{line[9]}]' in inodes]


@unittest.skipUnless(sys.platform == 'linux', 'looks into /proc')
class SharedObjectsTest(unittest.TestCase):

  def test_are_served_in_the_hosts_folder_behind_a_key_of_its_own(self) -> None:
    with tempfile.TemporaryDirectory() as scratch:
      program = os.path.join(scratch, 'shares.py')
      with open(program, 'w', encoding='utf-8') as out:
        out.write(_SHARES)
      process = subprocess.Popen(
          [sys.executable, program],
          env={**os.environ, 'PYTHONPATH': PACKAGE_FOLDER, 'TMPDIR': scratch},
          stdin=subprocess.PIPE,
          stdout=subprocess.PIPE,
          text=True,
          start_new_session=True)
      folder = process.stdout.readline().strip()
      self.assertTrue(folder)
      self.assertEqual(stat.S_IMODE(os.stat(folder).st_mode), 0o700)
      self.assertEqual(_sockets_of(process.pid), [])
      for tag in ('thread', 'process'):
        with open(os.path.join(folder, f'{tag}.address'), encoding='utf-8') as address:
          path = address.read().split(':')[0]
        self.assertEqual(os.path.dirname(path), folder)
        for key in (b'mps', b''):
          with self.assertRaises(Exception):
            Client(path, authkey=key)
      process.communicate('')
      self.assertEqual(process.returncode, 0)


if __name__ == '__main__':
  unittest.main()
