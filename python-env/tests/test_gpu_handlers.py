# SPDX-License-Identifier: Apache-2.0
"""vLLM and TensorRT as far as a machine without a GPU goes: stand-ins take the place of the packages."""

import importlib.util
import os
import sys
import time
import types
import unittest
import unittest.mock
from typing import Any

import numpy as np

from beambridge_host.inference.providers import prepared
from beambridge_host.wire import examples
from tests.contexts import entered

# Before the stand-ins can be found.
_REAL = [name for name in ('vllm', 'openai', 'tensorrt') if importlib.util.find_spec(name)]
_SLEEP = time.sleep
STANDINS = os.path.join(os.path.dirname(__file__), 'standins')


class VllmTest(unittest.TestCase):

  def setUp(self) -> None:
    if 'vllm' in _REAL or 'openai' in _REAL:
      self.skipTest('the real vLLM or openai is installed here')
    entered(self, unittest.mock.patch.object(sys, 'path', [STANDINS, *sys.path]))
    entered(self, unittest.mock.patch.dict(os.environ, {'PYTHONPATH': STANDINS}))
    from apache_beam.ml.inference import vllm_inference
    # It waits 5 s between two looks at its server.
    quick = types.SimpleNamespace(time=vllm_inference.time.time, sleep=lambda _: _SLEEP(0.1))
    entered(self, unittest.mock.patch.object(vllm_inference, 'time', quick))

  def handler(self, **options: Any) -> Any:
    from beambridge_host.handlers.vllm import vllm
    return vllm(**prepared(vllm, {'model_name': 'm', **options}, '', ''))

  def predictions(self, handler: Any, batch: list[Any]) -> list[Any]:
    model = handler.load_model()
    try:
      return [result.inference for result in handler.run_inference(batch, model)]
    finally:
      model._stop_processes()

  def test_completions_with_flags_of_the_server(self) -> None:
    handler = self.handler(vllm_server_kwargs={'max-num-seqs': '4', 'quiet': None}, max_batch_size=3, env_vars={'A': 'b'})
    self.assertEqual(self.predictions(handler, ['x', 'y']), [
        'x --model m --max-num-seqs 4 --quiet', 'y --model m --max-num-seqs 4 --quiet'])
    self.assertEqual(handler.batch_elements_kwargs(), {'max_batch_size': 3})
    self.assertEqual(handler._env_vars, {'A': 'b'})
    self.assertTrue(handler.share_model_across_processes())

  def test_chat_with_texts_and_conversations(self) -> None:
    handler = self.handler(api='chat', input='messages')
    turn = types.SimpleNamespace
    conversation = [turn(role='system', content='s'), turn(role='user', content='u')]
    self.assertEqual(
        self.predictions(handler, ['hi', conversation]), ['user:hi --model m', 'system:s user:u --model m'])
    self.assertEqual(examples.declared_example(type(handler)), str)

  def test_the_whole_answer_as_json(self) -> None:
    handler = self.handler(response='json')
    self.assertEqual(self.predictions(handler, ['x']), ['{"choices": [{"text": "x --model m"}]}'])


class TensorRTTest(unittest.TestCase):

  def handler(self, **options: Any) -> Any:
    from beambridge_host.handlers.tensorrt import tensorrt
    given = {'min_batch_size': 2, 'max_batch_size': 2, **options}
    return tensorrt(**prepared(tensorrt, given, '/base', ''))

  def test_paths_start_at_the_program(self) -> None:
    self.assertEqual(self.handler(engine_path='net.engine').engine_path, '/base/net.engine')
    self.assertEqual(self.handler(onnx_path='net.onnx').onnx_path, '/base/net.onnx')

  def test_an_onnx_model_becomes_an_engine_when_it_is_loaded(self) -> None:
    handler = self.handler(onnx_path='net.onnx')
    with unittest.mock.patch.object(type(handler), 'load_onnx', return_value=('network', 'builder')), \
        unittest.mock.patch.object(type(handler), 'build_engine', side_effect=lambda *parts: parts):
      self.assertEqual(handler.load_model(), ('network', 'builder'))

  def test_a_single_output_comes_by_itself(self) -> None:
    from apache_beam.ml.inference import utils
    several = self.handler(
        engine_path='e', inference_fn='lambda batch, engine, args: [[row, -row] for row in batch]')
    handler = self.handler(engine_path='e')
    handler.inference_fn = lambda batch, engine, args: utils._convert_to_result(batch, [[row * 2] for row in batch])
    row = np.array([1.0, 2.0])
    result, = handler.run_inference([row], None)
    self.assertEqual(result.inference.tolist(), [2.0, 4.0])
    both, = several.run_inference([row], None)
    self.assertEqual([part.tolist() for part in both], [[1.0, 2.0], [-1.0, -2.0]])

  def test_on_a_gpu(self) -> None:
    if 'tensorrt' not in _REAL:
      self.skipTest('TensorRT is not installed: it needs Linux, an NVIDIA GPU and its driver')
    self.skipTest('run examples/tensorrt.ts: it builds an engine and compares its answers')


if __name__ == '__main__':
  unittest.main()
