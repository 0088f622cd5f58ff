# SPDX-License-Identifier: Apache-2.0
"""Expansion of Python transforms for pipelines written elsewhere."""

import concurrent.futures
import contextlib
import contextvars
import sys
import types
from typing import Any, Optional

from apache_beam import pipeline as beam_pipeline
from apache_beam import pvalue
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, TypeOptions
from apache_beam.portability import common_urns, python_urns
from apache_beam.portability.api import beam_runner_api_pb2, endpoints_pb2
from apache_beam.runners import pipeline_context
from apache_beam.runners.pipeline_utils import group_by_key_input_visitor
from apache_beam.runners.portability import expansion_service
from apache_beam.transforms import environments, fully_qualified_named_transform, ptransform

from beambridge_host.host import declared
from beambridge_host.host.declared_limits import limited
from beambridge_host.host.kept_expansions import KeptExpansions
from beambridge_host.host.kept_workers import read_keep
from beambridge_host.worker.failures import told
from beambridge_host.worker.keeping import KEEPER

# Types by output that the expansion which goes on in this context declares.
_declared: contextvars.ContextVar[Optional[dict[str, Any]]] = contextvars.ContextVar('declared', default=None)


class TypedPipeline(beam_pipeline.Pipeline):
  """Gives what is grouped the types of key-values, as Beam's own runners do before they translate a pipeline.

  Without it a grouping of what nobody annotated has one coder in front and another one behind, which runners refuse.
  """

  def apply(self, transform: Any, pvalueish: Any = None, label: Optional[str] = None) -> Any:
    """The first transform is the expanded one: what is declared of its outputs holds for no other."""
    types_, _ = _declared.get(), _declared.set(None)
    if types_:
      # Beam hands over the name of the whole here; below, the transform's own stays free of it.
      return super().apply(_Declared(transform, types_, label or transform.label), pvalueish, label)
    return super().apply(transform, pvalueish, label)

  def to_runner_api(self, *args: Any, **kwargs: Any) -> Any:
    is_lax = self.options.view_as(TypeOptions).allow_non_deterministic_key_coders
    self.visit(group_by_key_input_visitor(not is_lax))
    return super().to_runner_api(*args, **kwargs)


class _Declared(ptransform.PTransform):
  """A transform whose untyped outputs get the types that are declared for them."""

  def __init__(self, transform: Any, declared_types: dict[str, Any], name: str) -> None:
    super().__init__(transform.label)
    self._transform = transform
    self._types = declared_types
    self._name = name

  def _extract_input_pvalues(self, pvalueish: Any) -> Any:
    return self._transform._extract_input_pvalues(pvalueish)

  def expand(self, pvalueish: Any) -> Any:
    result = self._transform.expand(pvalueish)
    if isinstance(result, pvalue.PCollection):
      return self._typed(result, *self._types.values()) if len(self._types) == 1 else result
    outputs = dict(_named(result))
    if not outputs or not all(isinstance(each, pvalue.PCollection) for each in outputs.values()):
      return result
    # A lone output may have any tag, as src/external/merge.ts pairs them.
    lone = next(iter(self._types.values())) if len(self._types) == len(outputs) == 1 else None
    return {
        tag: self._typed(pcoll, self._types.get(tag, lone), f'Declared({tag})') for tag, pcoll in outputs.items()
    }

  def _typed(self, pcoll: Any, output_type: Any, label: str = 'Declared') -> Any:
    if output_type is None:
      return pcoll
    type_, plan = output_type
    return declared.typed(pcoll, type_, label, self._name, plan)


def _named(result: Any) -> Any:
  if isinstance(result, pvalue.DoOutputsTuple):
    # What was never asked for by name has no PCollection yet.
    tags = [result._main_tag, *result._tags] if result._main_tag is not None else [None, *result._tags]
    return [(str(tag), result[tag]) for tag in tags]
  if isinstance(result, (dict, list, tuple)):
    return list(ptransform.get_named_nested_pvalues(result))
  return []


def install() -> None:
  """Lets expansions of this process be made in a TypedPipeline: Beam's service offers no place to hook in."""
  expansion_service.beam_pipeline = types.SimpleNamespace(
      **{**vars(beam_pipeline), 'Pipeline': TypedPipeline})
  # It answers with the traceback of what was raised.
  expansion_service.traceback = types.SimpleNamespace(format_exc=told)


install()


# So long an expansion waits for those before it.
_PATIENCE_SECONDS = 2.0


class HostExpansionService(expansion_service.ExpansionServiceServicer):
  """Offers two ways to run what it expanded: inside this host, or by workers that its pool starts."""

  def __init__(self, options: PipelineOptions, pool_address: str) -> None:
    super().__init__(options)
    # Modules such as Beam's data frames set thread-locals where they are imported, and only there.
    self._thread = concurrent.futures.ThreadPoolExecutor(1, 'expansion')
    self._pool = beam_runner_api_pb2.ExternalPayload(
        endpoint=endpoints_pb2.ApiServiceDescriptor(url=pool_address)).SerializeToString()
    self._kept = KeptExpansions()

  def Expand(self, request: Any, context: Any = None) -> Any:
    keep = read_keep(dict(context.invocation_metadata())) if context is not None else None
    if keep is None:
      return self._anew(request, context, [])
    looked_at: list[str] = []
    return self._kept.get(request, keep.seconds, lambda: (self._anew(request, context, looked_at), looked_at))

  def _anew(self, request: Any, context: Any, looked_at: list[str]) -> Any:
    types_ = _types_of(request)
    request.output_coder_requests.clear()
    response = self._on_its_thread(request, context, types_, looked_at)
    for environment in response.components.environments.values():
      if environment.urn == python_urns.EMBEDDED_PYTHON:
        external = beam_runner_api_pb2.Environment()
        external.CopyFrom(environment)
        external.urn = common_urns.environments.EXTERNAL.urn
        external.payload = self._pool
        environment.CopyFrom(environments.AnyOfEnvironment.create_proto([environment, external]))
    return response

  def _on_its_thread(self, *args: Any) -> Any:
    # Set in a context of its own: that thread expands for others later.
    run = contextvars.copy_context().run
    expanding = self._thread.submit(run, self._expand, *args)
    try:
      return expanding.result(_PATIENCE_SECONDS)
    except concurrent.futures.TimeoutError:
      # Already at it, it goes on; behind somebody's slow constructor nobody has to wait for ever.
      if not expanding.cancel():
        return expanding.result()
    return contextvars.copy_context().run(self._expand, *args)

  def _expand(self, request: Any, context: Any, types_: dict[str, Any], looked_at: list[str]) -> Any:
    _declared.set(types_)
    frames = sys.modules.get('apache_beam.dataframe.expressions')
    allowed = getattr(frames, '_ALLOW_NON_PARALLEL', None)
    if allowed is not None and not hasattr(allowed, 'value'):
      # Beam sets it in the thread that imports the module, and this may be another one.
      allowed.value = False
    with KEEPER.listing(looked_at):
      return super().Expand(request, context)


def _types_of(request: Any) -> dict[str, Any]:
  """Beam's types of the declared outputs, whose coders only say how they travel, and the limits that these tell."""
  context = pipeline_context.PipelineContext(request.components, namespace=request.namespace)
  found = {}
  for tag, coder_id in request.output_coder_requests.items():
    # Of some coders Beam knows no type; whether the output has that coder is looked at where it is merged.
    with contextlib.suppress(NotImplementedError):
      type_ = context.element_type_from_coder_id(coder_id)
      found[tag] = (type_, limited(declared.plan(type_), coder_id, request.components))
  return found


def create_expansion_service(pool_address: str) -> HostExpansionService:
  """An expansion service that knows every transform which Python can import.

  On this host's own job service, expanded stages run inside the host (Beam's embedded environment:
  direct calls, no gRPC); its runner prefers that alternative. They ask for no packages: whatever they
  need is already in the host's environment.
  """
  options = PipelineOptions(
      flags=[],
      environment_type=python_urns.EMBEDDED_PYTHON,
      sdk_location='container',
      experiments=['beam_fn_api'])
  pickler.set_library(options.view_as(SetupOptions).pickle_library)
  # Only a caller with the token gets here, and it may run any Python code as it is.
  fully_qualified_named_transform.FullyQualifiedNamedTransform._FILTER_GLOB = '*'
  return HostExpansionService(options, pool_address)
