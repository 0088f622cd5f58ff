# SPDX-License-Identifier: Apache-2.0
"""Imports before they are needed."""

import importlib


def preload(modules: list[str]) -> None:
  """Imports what can be imported."""
  for module in modules:
    try:
      importlib.import_module(module)
    except Exception:  # pylint: disable=broad-except
      pass  # A pipeline that needs it gets the error where it says so.
