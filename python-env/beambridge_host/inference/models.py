# SPDX-License-Identifier: Apache-2.0
"""Models that are not there or are no models, and other failures of a handler, told apart."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import gc
import os
import re
import sys
import traceback
from typing import Any, Optional

from apache_beam.ml.inference import base
from apache_beam.portability.api import schema_pb2

from beambridge_host.credentials import fault_of, remember
from beambridge_host.errors import BridgeError, FatalError, bridge_error, one_line
from beambridge_host.inference.calls import ChildDied
from beambridge_host.inference.damage import import_hint
from beambridge_host.inference.model_files import hint_for, model_paths
from beambridge_host.wire import examples
from beambridge_host.wire.columns import NUMBER_TYPES
from beambridge_host.worker.failures import hint_of, is_of_storage, missing_storage
from beambridge_host.worker.keeping import KEEPER

# Families of Beam's handlers whose model is a file, and never the name of something to download.
FILE_FAMILIES = frozenset(
    f'apache_beam.ml.inference.{family}_inference'
    for family in ('sklearn', 'pytorch', 'onnx', 'xgboost', 'tensorflow', 'tensorrt'))


class UnusableModel(Exception):
  """Raised by a handler of ours whose model is there and cannot be used, with what to do."""

  def __init__(self, message: str, hint: str) -> None:
    super().__init__(message)
    self.hint = hint

  def __reduce__(self) -> tuple[Any, ...]:
    return UnusableModel, (str(self), self.hint)


def is_file_family(handler_class: Any) -> bool:
  """Whether a class is one of Beam's handlers of model files, or made from one."""
  return isinstance(handler_class, type) and any(cls.__module__ in FILE_FAMILIES for cls in handler_class.__mro__)


def is_local(path: str) -> bool:
  """Whether a path is none of another file system."""
  return '://' not in path


def check_model_files(handler: Any, transform: str) -> None:
  """Refuses a handler whose model is not on this machine, before anything runs."""
  for inner in examples.inner_handlers(handler):
    if is_file_family(type(inner)):
      for _, path in model_paths(inner):
        if is_local(path):
          check_model_file(path, transform)


def check_model_file(path: str, transform: str) -> None:
  """Refuses a path of this machine at which no model can be."""
  KEEPER.looks_at(path)
  if not os.path.exists(path):
    raise _not_found(path, transform)
  if os.path.isfile(path) and os.path.getsize(path) == 0:
    raise bridge_error(
        'MODEL_INVALID',
        f'the model file {path} is empty',
        hint='Save the model again: whatever wrote the file was perhaps interrupted.',
        transform=transform)


def check_credentials(handler: Any, transform: str) -> None:
  """Refuses a handler whose credentials this machine does not have, before anything runs."""
  for inner in examples.inner_handlers(handler):
    for name in getattr(inner, 'missing_credentials', tuple)():
      raise missing_credential(name, transform)
    for name, value in getattr(inner, 'given_credentials', tuple)():
      check_credential(name, value, transform)


def remember_credentials(handler: Any) -> None:
  """Has a handler's credentials in no text of this process, which may hold what its model says in another one."""
  for inner in examples.inner_handlers(handler):
    for _, value in getattr(inner, 'given_credentials', tuple)():
      remember(value)


def check_credential(name: str, value: str, transform: Optional[str] = None) -> None:
  """Refuses what no header can hold, before a client library does so by printing it."""
  fault = fault_of(value)
  if fault:
    raise bridge_error(
        'INVALID_ARGUMENT',
        f'the environment variable {name} holds {fault}, which no credential has',
        hint=f'Set {name} to the credential alone: perhaps two lines or a quotation mark of a document were copied.',
        transform=transform,
        make=FatalError)


def missing_credential(name: str, transform: Optional[str] = None) -> BridgeError:
  """An environment variable that should hold a credential, and does not."""
  return bridge_error(
      'CREDENTIALS_MISSING',
      f'the environment variable {name} is not set, which should hold the credential',
      hint=f'Set {name} before the program starts, and where Python workers run elsewhere, there. '
      'A host that is kept warm has the environment it was started with: start it again.',
      transform=transform,
      make=FatalError)


def _not_found(path: Any, transform: str) -> BridgeError:
  return bridge_error(
      'MODEL_NOT_FOUND',
      f'there is no model at {path}',
      hint='Relative paths start from the folder in which the program runs. Check the path and who may read it.',
      transform=transform)


def python_error(error: BaseException, what: str, transform: str, likely: Optional[str] = None) -> BridgeError:
  """An exception of a handler's. `likely` helps where nothing is known that does."""
  hint = import_hint(error) if isinstance(error, ImportError) else hint_of(error) or likely
  return bridge_error('PYTHON_EXCEPTION', f'{what}: {one_line(error)}', hint=hint, transform=transform)


# What scikit-learn says of rows, and what it most often comes from.
_OF_ROWS = (
    (re.compile(r'has \d+ features, but \w+ is expecting \d+ features'),
     'Give each example as many numbers as the model was trained with: look at how a line is split, and whether an id or a label is among '
     'its columns. withDeadLetters() sets rows aside that do not fit.'),
    (re.compile(r'contains (NaN|infinity)'),
     'A text that is no number becomes NaN: leave a header out (skipHeaderLines: 1 of readFromText), fill or filter what is missing, or '
     'set such rows aside by withDeadLetters().'),
)


def shape_hint(error: BaseException, handler: Any, declared: bytes) -> Optional[str]:
  """What helps a model that was given other rows than it takes: its framework's advice is for who has the arrays.

  Args:
    handler: with the functions around it, which may make anything of the numbers.
    declared: the serialized field of the example.
  """
  return _number_hint(error, handler, declared) or next((hint for said, hint in _OF_ROWS if said.search(str(error))), None)


def _number_hint(error: BaseException, handler: Any, declared: bytes) -> Optional[str]:
  example = schema_pb2.Field.FromString(declared).type
  is_number = example.WhichOneof('type_info') == 'atomic_type' and example.atomic_type in NUMBER_TYPES
  # The first is the one around it. What raised behind the model is told otherwise.
  asked = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)].count('run_inference') > 1
  if not is_number or not asked or list(handler.get_preprocess_fns()):
    return None
  if examples.example_family(handler) == 'pandas':
    return None  # A frame of one column.
  if not all(is_file_family(type(inner)) for inner in examples.inner_handlers(handler)):
    return None
  return (
      'Each example is declared as one number, so that the model gets as many as the batch has rows. If it takes a row of numbers, '
      'also one of a single number, declare example: array(float64) and give [x] in place of x.')


def told_by_file(error: BaseException, handler: Any) -> None:
  """Keeps with an exception what a handler's model file says about it: whoever tells it has not got the path."""
  error.model_hint = hint_for(handler, error)
  error.model_elsewhere = next((path for _, path in model_paths(handler) if not is_local(path)), '')


def load_error(error: BaseException, transform: str) -> BridgeError:
  """What it means that a model could not be loaded."""
  if isinstance(error, ChildDied):
    # Its file is not to blame, whatever that holds.
    return bridge_error(
        'MODEL_PROCESS_DIED', f'the model could not be loaded: {error}', hint=error.hint(), transform=transform)
  elsewhere = getattr(error, 'model_elsewhere', '')
  if missing_storage(error):
    return python_error(error, f'the model {elsewhere} could not be read', transform)
  if elsewhere and is_of_storage(error):
    return bridge_error(
        'MODEL_NOT_FOUND',
        f'the model {elsewhere} could not be read: {one_line(error)}',
        hint='Check the path, and the credentials for its storage in the environment of the program.',
        transform=transform)
  if getattr(error, 'model_hint', None):
    cause = error.__cause__ if isinstance(error, UnusableModel) and error.__cause__ else error
    return bridge_error(
        'MODEL_INVALID', f'the model could not be loaded: {one_line(cause)}', hint=error.model_hint, transform=transform)
  if isinstance(error, FileNotFoundError):
    return _not_found(error.filename or one_line(error), transform)
  if isinstance(error, UnusableModel):
    return bridge_error(
        'MODEL_INVALID', f'the model could not be loaded: {error}', hint=error.hint, transform=transform)
  if out_of_memory(error):
    return memory_error(error, 'the model does not fit into memory', transform)
  if isinstance(error, ImportError):
    return python_error(error, 'the model could not be loaded', transform)
  return bridge_error(
      'MODEL_INVALID',
      f'the model could not be loaded: {one_line(error)}',
      hint='The file is damaged, of another framework, or of a version that this one cannot read.',
      transform=transform)


def loads_model(error: BaseException) -> bool:
  """Whether an exception came out of loading a model: a KeyedModelHandler of several does so while it predicts."""
  return getattr(error, 'loads_model', False) or any(
      frame.f_code.co_name == 'load_model' for frame, _ in traceback.walk_tb(error.__traceback__))


def out_of_memory(error: BaseException) -> bool:
  """Whether memory ran out, this machine's or a GPU's: each framework has a class of its own for that."""
  return isinstance(error, MemoryError) or 'OutOfMemory' in type(error).__name__ or 'CUDA out of memory' in str(error)


def free_memory() -> None:
  """Gives back what a failed call left behind, also to a GPU."""
  gc.collect()
  torch = sys.modules.get('torch')
  if torch is not None and torch.cuda.is_available():
    torch.cuda.empty_cache()


def memory_error(error: BaseException, what: str, transform: str) -> BridgeError:
  """An error of memory that ran out."""
  return bridge_error(
      'MODEL_OUT_OF_MEMORY',
      f'{what}: {one_line(error)}',
      hint='Use smaller batches (withBatching), one model for all processes (withLargeModel), or a machine with more memory.',
      transform=transform)


def check_model(handler: Any, model: Any, transform: str) -> None:
  """Refuses what a pickle can hold and scikit-learn cannot use."""
  inner = next(examples.inner_handlers(handler))
  predicts = getattr(inner, '_model_inference_fn', None)
  modules = ('apache_beam.ml.inference.sklearn_inference', 'beambridge_host.wire.arrays', 'beambridge_host.handlers.sklearn')
  is_default = 'sklearn' in ''.join(cls.__module__ for cls in type(inner).__mro__) and getattr(predicts, '__module__', '') in modules
  method = getattr(predicts, 'method', 'predict')
  if is_default and not isinstance(model, base._ModelHandlerManager) and not hasattr(model, method):
    cannot = 'cannot predict' if method == 'predict' else f'has no method {method}'
    raise bridge_error(
        'MODEL_INVALID',
        f'the model file holds a {type(model).__module__}.{type(model).__qualname__}, which {cannot}',
        hint='Save a fitted scikit-learn estimator with pickle.dump(model, file).' if method == 'predict' else
        f'It has {", ".join(name for name in _METHODS if hasattr(model, name)) or "none that predicts"}.',
        transform=transform)


_METHODS = ('predict', 'predict_proba', 'predict_log_proba', 'decision_function', 'transform', 'score_samples')
