# SPDX-License-Identifier: Apache-2.0
"""Imports before they are needed."""

import importlib

from beambridge_host.worker import lazy

# Those that import scikit-learn: as long as it is only imported, it uses nothing of what it takes.
_TAKERS = ('beambridge_host.handlers.sklearn', 'beambridge_host.handlers.xgboost', 'sklearn.')


def preload(modules: list[str]) -> None:
  """Imports what can be imported."""
  for module in modules:
    try:
      if module.startswith(_TAKERS):
        with lazy.taking():
          importlib.import_module(module)
      else:
        importlib.import_module(module)
    except Exception:  # pylint: disable=broad-except
      pass  # A pipeline that needs it gets the error where it says so.


# What models of a framework are commonly made of, which is imported when a model is loaded.
_PARTS_OF_MODELS = {
    'beambridge_host.handlers.sklearn': ('sklearn.pipeline', 'sklearn.preprocessing', 'sklearn.linear_model'),
}


def parts_of_models(modules: list[str]) -> list[str]:
  """Modules that a model is likely to need when it is loaded, given what the host preloads."""
  return [part for module in modules for part in _PARTS_OF_MODELS.get(module, ())]
