# SPDX-License-Identifier: Apache-2.0
"""The helper that forks workers, in a program of its own: a test runner has threads."""

import os
import subprocess
import sys
import textwrap
import unittest

from tests.driver import PACKAGE_FOLDER

PROGRAM = textwrap.dedent(
    '''
    import os, signal, sys, threading, time
    import numpy.random
    from beambridge_host.worker import worker, zygote

    def work(stdin, stdout, log_level):
      order = os.read(stdin, 100)
      if order == b'die':
        os.kill(os.getpid(), signal.SIGSEGV)
      if order == b'what':
        order = b'imported ' if 'colorsys' in sys.modules else b'not-yet '
      if order == b'hang':
        time.sleep(60)
      os.write(stdout, order + log_level.encode())
      os._exit(7)

    zygote._IDLE_S = 0.1
    helper = zygote.Zygote.start(work, lambda: None, ['no_such_module', 'colorsys'])
    ''')


@unittest.skipUnless(sys.platform == 'linux', 'workers are forked on Linux only')
class ZygoteTest(unittest.TestCase):
  def run_program(self, body: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM + textwrap.dedent(body)],
        env={**os.environ, 'PYTHONPATH': PACKAGE_FOLDER, 'PYTHONDONTWRITEBYTECODE': '1'},
        capture_output=True, text=True, timeout=60, check=False)
    self.assertEqual(done.returncode, 0, done.stderr)
    return done.stdout.split()

  def test_a_fork_has_its_own_pipes_and_its_end_is_told(self) -> None:
    self.assertEqual(
        self.run_program('''
            helper.listen()
            for order in ('one', 'die'):
              process = helper.fork('INFO')
              os.write(process.stdin.fileno(), order.encode())
              print(process.stdout.read().decode() or 'nothing', process.wait(10), process.poll())
            '''),
        ['oneINFO', '7', '7', 'nothing', '-11', '-11'])

  def test_when_nobody_wants_anything_it_imports(self) -> None:
    self.assertEqual(
        self.run_program('''
            helper.listen()
            for end in range(200):
              process = helper.fork('INFO')
              os.write(process.stdin.fileno(), b'what')
              said = process.stdout.read().decode()
              if said.startswith('imported'):
                print(said)
                break
              time.sleep(0.3)
            '''),
        ['imported', 'INFO'])

  def test_a_fork_can_be_ended(self) -> None:
    self.assertEqual(
        self.run_program('''
            helper.listen()
            for end in ('terminate', 'kill'):
              process = helper.fork('INFO')
              os.write(process.stdin.fileno(), b'hang')
              getattr(process, end)()
              print(process.wait(10))
            '''),
        ['-15', '-9'])

  def test_with_the_helper_its_forks_end_and_no_more_are_made(self) -> None:
    self.assertEqual(
        self.run_program('''
            helper.listen()
            process = helper.fork('INFO')
            os.kill(helper.pid, signal.SIGKILL)
            print(process.wait(10), helper.fork('INFO'))
            '''),
        ['-9', 'None'])

  def test_there_is_no_helper_where_threads_run(self) -> None:
    self.assertEqual(
        self.run_program('''
            threading.Thread(target=time.sleep, args=(0.5,)).start()
            print(zygote.Zygote.start(work, lambda: None), zygote.imported_before_fork(['json']))
            '''),
        ['None', '[]'])

  def test_a_worker_draws_numbers_of_its_own(self) -> None:
    program = '''
        import json
        order = json.dumps({'worker_id': 'w', 'control': 'nowhere'})
        worker.serve = lambda order: os._exit(int(numpy.random.randint(1, 250)))
        helper = zygote.Zygote.start(worker.forked([]), lambda: None)
        helper.listen()
        codes = set()
        for _ in range(4):
          process = helper.fork('INFO')
          os.write(process.stdin.fileno(), (order + '\\n').encode())
          codes.add(process.wait(30))
        print(len(codes) > 1)
        '''
    self.assertEqual(self.run_program(program), ['True'])


if __name__ == '__main__':
  unittest.main()
