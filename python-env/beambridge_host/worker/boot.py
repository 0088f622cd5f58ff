# SPDX-License-Identifier: Apache-2.0
"""`python start.py beambridge_host.worker.boot --id=… --provision_endpoint=…`: a worker that a runner starts.

Beam's container contract, for runners whose workers are not those of a host: what the runner wants is
asked of its provision service, and the worker ends when the runner hangs up, or with the process that
started it. It runs in a managed environment and serves what `worker.py` serves. Beam's own
`sdk_worker_main` dies of runners that send whole numbers as doubles, and of nulls.
"""

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any, NoReturn

from beambridge_host.credentials import hidden
from beambridge_host.worker import lazy, own_folder

_START_TIMEOUT_S = 60.0
_LOOK_S = 0.5


def whole(value: Any) -> Any:
  """Options as they were before a runner made doubles of their numbers; without those that are null."""
  if isinstance(value, float) and value.is_integer():
    return int(value)
  if isinstance(value, dict):
    return {key: whole(each) for key, each in value.items() if each is not None}
  if isinstance(value, list):
    return [whole(each) for each in value]
  return value


def unprefixed(options: 'dict[str, Any]') -> 'dict[str, Any]':
  """Options by the names that Beam's Python knows, of `beam:option:NAME:v1`; Dataflow has them in `options`."""
  if isinstance(options.get('options'), dict):
    return options['options']
  return {
      name[len('beam:option:'):-len(':v1')] if name.startswith('beam:option:') and name.endswith(':v1') else name: each
      for name, each in options.items()
  }


def _arguments() -> argparse.Namespace:
  parser = argparse.ArgumentParser(prog='beambridge_host.worker.boot', description=__doc__)
  # Prism passes it in quotes that no shell takes away.
  parser.add_argument('--id', required=True, type=lambda text: text.strip("'"), help='the name that the runner gave')
  parser.add_argument('--provision_endpoint', required=True, help='HOST:PORT')
  parser.add_argument('--control_endpoint', default='', help='of older runners')
  parser.add_argument('--logging_endpoint', default='', help='of older runners')
  parser.add_argument('--start-timeout', type=float, default=_START_TIMEOUT_S, help='seconds')
  parser.add_argument('--sibling', action='store_true', help='another process sees to its siblings')
  return parser.parse_known_args()[0]


def _end_with(parent: int) -> None:
  while os.getppid() == parent:
    time.sleep(_LOOK_S)
  os._exit(1)


def _provision(arguments: argparse.Namespace) -> Any:
  import grpc  # pylint: disable=import-outside-toplevel
  from apache_beam.portability.api import beam_provision_api_pb2 as provision_pb2  # pylint: disable=import-outside-toplevel
  from apache_beam.portability.api import beam_provision_api_pb2_grpc as provision_grpc  # pylint: disable=import-outside-toplevel

  channel = grpc.insecure_channel(arguments.provision_endpoint)
  until = time.monotonic() + arguments.start_timeout
  try:
    grpc.channel_ready_future(channel).result(timeout=arguments.start_timeout)
    return provision_grpc.ProvisionServiceStub(channel).GetProvisionInfo(
        provision_pb2.GetProvisionInfoRequest(),
        timeout=max(until - time.monotonic(), 0.001),
        metadata=[('worker_id', arguments.id)]).info
  except (grpc.FutureTimeoutError, grpc.RpcError) as error:
    raise RuntimeError(
        f'the provision service at {arguments.provision_endpoint} did not answer within '
        f'{arguments.start_timeout:g} s') from error
  finally:
    channel.close()


def _log_to(endpoint: Any) -> None:
  from apache_beam.runners.worker.log_handler import FnApiLogRecordHandler  # pylint: disable=import-outside-toplevel

  handler = FnApiLogRecordHandler(endpoint)
  logging.getLogger().addHandler(handler)
  logging.getLogger().setLevel(logging.INFO)


def _check_version(wanted: Any) -> None:
  """Functions are pickled where a pipeline is submitted: another minor version fails at them, or worse."""
  own = '.'.join(map(str, sys.version_info[:2]))
  if isinstance(wanted, str) and wanted != own:
    raise RuntimeError(
        f'the pipeline was submitted with Python {wanted}, and this worker has {own}: give it an image, or a pool, of '
        f'Python {wanted} (`beambridge worker image --print --language=python --python={wanted}`)')


def _use_options(options: Any) -> None:
  from apache_beam.io.filesystems import FileSystems  # pylint: disable=import-outside-toplevel
  from apache_beam.options.pipeline_options import PipelineOptions  # pylint: disable=import-outside-toplevel
  from google.protobuf import json_format  # pylint: disable=import-outside-toplevel

  known = unprefixed(whole(json_format.MessageToDict(options)))
  # Of interest to TypeScript's workers alone.
  known.pop('beambridge_program', None)
  _check_version(known.pop('beambridge_python', None))
  FileSystems.set_options(PipelineOptions.from_dictionary(known))


def _start_siblings(ids: 'list[str]') -> 'list[subprocess.Popen[bytes]]':
  """Each is a process, for a core of its own; it ends with this one."""
  command = [sys.executable, *sys.orig_argv[1:], '--sibling']
  return [subprocess.Popen([*command, f'--id={each}']) for each in ids]  # pylint: disable=consider-using-with


def _run(arguments: argparse.Namespace) -> None:
  from beambridge_host.worker import worker  # pylint: disable=import-outside-toplevel

  info = _provision(arguments)
  control = info.control_endpoint.url or arguments.control_endpoint
  if not control:
    raise RuntimeError(f'{arguments.provision_endpoint} named no control service')
  siblings = []
  if not arguments.sibling:
    siblings = _start_siblings([each for each in info.sibling_worker_ids if each != arguments.id])
  worker.prepare()
  worker.number_metrics()
  for name in worker.CHATTY:
    logging.getLogger(name).setLevel('WARNING')
  if info.logging_endpoint.url:
    _log_to(info.logging_endpoint)
  try:
    _use_options(info.pipeline_options)
  except RuntimeError as error:
    logging.error('this Python worker cannot serve: %s', error)
    # What is logged goes to the runner on a thread of its own.
    logging.shutdown()
    raise
  worker.serve({'control': control, 'worker_id': arguments.id})
  for each in siblings:
    each.wait()


def _end(folder: own_folder.OwnFolder, code: int) -> NoReturn:
  folder.remove()
  sys.stderr.flush()
  # Threads may still run user code whose runner is gone: nothing of it is worth waiting for.
  os._exit(code)


def main() -> NoReturn:
  arguments = _arguments()
  sys.argv = sys.argv[:1]  # Beam parses the arguments of the process wherever it finds none of its own.
  threading.Thread(target=_end_with, args=(os.getppid(),), name='end-with-parent', daemon=True).start()
  # Beam looks for it when it is imported, and has no other way to tell a logging service who speaks.
  os.environ['WORKER_ID'] = arguments.id
  folder = own_folder.OwnFolder()
  signal.signal(signal.SIGTERM, lambda *_: _end(folder, 128 + signal.SIGTERM))
  code = 0
  try:
    lazy.install()
    own_folder.sweep()
    _run(arguments)
  except BaseException as error:  # pylint: disable=broad-except
    print(f'beambridge: this Python worker cannot serve: {hidden(f"{type(error).__name__}: {error}")}', file=sys.stderr)
    code = 1
  _end(folder, code)


if __name__ == '__main__':
  main()
