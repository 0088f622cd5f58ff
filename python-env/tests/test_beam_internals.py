# SPDX-License-Identifier: Apache-2.0
"""What the host changes inside Beam, and that Beam still looks there: a new Beam that no longer does fails here."""

import inspect
import pathlib
import threading
import unittest

import apache_beam as beam
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_expansion_api_pb2
from apache_beam.runners import common
from apache_beam.runners.portability import expansion_service
from apache_beam.runners.portability.fn_api_runner import execution, fn_runner
from apache_beam.transforms import fully_qualified_named_transform, trigger

from beambridge_host.host import expansion, runner, side_inputs
from beambridge_host.worker import worker


class BeamInternalsTest(unittest.TestCase):

  def test_expansions_are_made_in_our_pipeline(self):
    code = inspect.unwrap(expansion_service.ExpansionServiceServicer.Expand)
    self.assertIs(code.__globals__['beam_pipeline'].Pipeline, expansion.TypedPipeline)
    self.assertIn('beam_pipeline', code.__code__.co_names)
    self.assertTrue(issubclass(expansion.TypedPipeline, beam.Pipeline))

  def test_what_is_grouped_has_one_key_coder_when_it_is_translated(self):
    pipeline = expansion.TypedPipeline()
    _ = pipeline | beam.Create([1]) | beam.Map(lambda x: (x, x)) | beam.GroupByKey()
    proto = pipeline.to_runner_api()
    tables = proto.components
    groupings = [
        each for each in tables.transforms.values() if each.spec.urn == common_urns.primitives.GROUP_BY_KEY.urn]
    self.assertTrue(groupings)
    for each in groupings:
      keys = {
          tables.coders[tables.pcollections[pcollection].coder_id].component_coder_ids[0]
          for pcollection in (*each.inputs.values(), *each.outputs.values())}
      self.assertEqual(len(keys), 1, each.unique_name)

  def test_side_inputs_of_the_global_window_are_looked_up_anew_by_an_experiment(self):
    # Compiled, so that its source beside it has to tell.
    source = pathlib.Path(common.__file__).with_name('common.py').read_text(encoding='utf-8')
    self.assertIn(f"'{worker._SIDE_INPUTS_OF_NOW}'", source)

  def test_groupings_of_a_batch_ask_for_our_trigger_driver(self):
    self.assertIs(execution.trigger, trigger)
    self.assertEqual(trigger.create_trigger_driver.__module__, 'beambridge_host.host.panes')
    self.assertIn('trigger.create_trigger_driver(', inspect.getsource(execution))
    self.assertEqual(list(inspect.signature(trigger.create_trigger_driver).parameters)[:2], ['windowing', 'is_batch'])

  def test_all_expansions_are_made_on_one_thread(self):
    service = expansion.create_expansion_service('localhost:1')
    seen = []
    service._expand = lambda request, context, types, looked_at: (
        seen.append(threading.get_ident()), beam_expansion_api_pb2.ExpansionResponse())[1]
    calls = [
        threading.Thread(target=service.Expand, args=(beam_expansion_api_pb2.ExpansionRequest(),)) for _ in range(4)]
    for each in calls:
      each.start()
    for each in calls:
      each.join()
    self.assertEqual(len(seen), 4)
    self.assertEqual(len(set(seen)), 1)

  def test_every_transform_may_be_named(self):
    expansion.create_expansion_service('localhost:1')
    cls = fully_qualified_named_transform.FullyQualifiedNamedTransform
    self.assertEqual(cls._FILTER_GLOB, '*')
    self.assertIn('cls._FILTER_GLOB', inspect.getsource(cls))

  def test_the_methods_that_our_runner_overrides_are_beams(self):
    for ours, name in (
        (runner.HostRunner, 'create_stages'), (runner.HostRunner, '_get_bundle_manager'),
        (runner.HostRunner, '_enqueue_set_timers'),
        (runner.StreamingBundleManager, 'process_bundle')):
      theirs = getattr(ours.__mro__[1], name, None)
      self.assertIsNotNone(theirs, name)
      ours_of = list(inspect.signature(getattr(ours, name)).parameters)
      self.assertEqual(ours_of, list(inspect.signature(theirs).parameters)[:len(ours_of)], name)
    source = inspect.getsource(fn_runner.FnApiRunner)
    for call in ('self._get_bundle_manager(', 'self._collect_written_timers(', 'self._enqueue_set_timers('):
      self.assertIn(call, source)

  def test_side_inputs_are_written_by_us(self):
    commit = execution.FnApiRunnerExecutionContext.commit_side_inputs_to_state
    self.assertEqual(commit.__module__, 'beambridge_host.host.side_inputs')
    self.assertIn('.commit_side_inputs_to_state(', inspect.getsource(fn_runner.FnApiRunner._execute_bundle))
    written = inspect.getsource(side_inputs._write)
    self.assertIn('self.pcoll_buffers[buffer_id]', written)

  def test_a_bundle_is_run_with_the_timers_that_are_still_set(self):
    self.assertIn('self._run_bundle(', inspect.getsource(fn_runner.FnApiRunner._execute_bundle))
    parameters = list(inspect.signature(fn_runner.FnApiRunner._run_bundle).parameters)
    self.assertEqual(parameters[:4], ['self', 'runner_execution_context', 'bundle_context_manager', 'bundle_input'])
    written = list(inspect.signature(fn_runner.FnApiRunner._collect_written_timers).parameters)
    self.assertEqual(written, ['bundle_context_manager'])
    self.assertEqual(execution.DataInput._fields, ('data', 'timers'))


if __name__ == '__main__':
  unittest.main()
