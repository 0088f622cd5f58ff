# SPDX-License-Identifier: Apache-2.0
"""PyTorch: Beam's handlers, with a clear word where a file holds more than weights."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import pickle
from typing import Any, Iterable, Optional, Sequence

from apache_beam.ml.inference import pytorch_inference

from beambridge_host.inference.models import UnusableModel
from beambridge_host.inference.providers import provider
from beambridge_host.wire.arrays import TorchCall
from beambridge_host.wire.results import of_function


class _LoadsWeights:
  """Says what is wrong with a file that holds no state dict."""

  def load_model(self) -> Any:
    try:
      return super().load_model()
    except pickle.UnpicklingError as error:
      if 'Weights only load failed' not in str(error):
        raise
      raise UnusableModel(
          'the file holds more than weights: a whole pickled model, or one of another framework',
          hint='Save torch.save(model.state_dict(), path) and give modelClass, or save it as TorchScript.') from error
    except (TypeError, AttributeError) as error:
      if 'state_dict' not in str(error) and 'Expected state_dict' not in str(error):
        raise
      raise UnusableModel(
          f'the file holds no state dict: {error}',
          hint='Save torch.save(model.state_dict(), path), or give torchScriptModelPath for TorchScript.') from error

  def run_inference(
      self, batch: Sequence[Any], model: Any, inference_args: Optional[dict[str, Any]] = None) -> Iterable[Any]:
    return of_function(super().run_inference(batch, model, inference_args), batch, self._state_dict_path)


class PytorchTensor(_LoadsWeights, pytorch_inference.PytorchModelHandlerTensor):
  """Examples are tensors."""


class PytorchKeyedTensor(_LoadsWeights, pytorch_inference.PytorchModelHandlerKeyedTensor):
  """Examples are tensors by the names of the model's parameters."""


@provider(paths=['state_dict_path', 'torch_script_model_path'], functions=['model_class'])
def pytorch(
    *,
    input: str,
    state_dict_path: Optional[str] = None,
    model_class: Any = None,
    model_params: Any = None,
    device: str = 'CPU',
    torch_script_model_path: Optional[str] = None,
    load_model_args: Any = None,
    model_method: Optional[str] = None,
    batch: str = 'stack',
    **options: Any) -> Any:
  """A handler of tensors, or of dicts of tensors."""
  options.setdefault('inference_fn', TorchCall(model_method, batch == 'list'))
  handler = PytorchKeyedTensor if input == 'keyedTensor' else PytorchTensor
  return handler(
      state_dict_path=state_dict_path,
      model_class=model_class,
      model_params=model_params,
      device=device,
      torch_script_model_path=torch_script_model_path,
      load_model_args=load_model_args,
      **options)
