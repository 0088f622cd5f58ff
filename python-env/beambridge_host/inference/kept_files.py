# SPDX-License-Identifier: Apache-2.0
"""The files of models that are kept: what tells them from others that come to be in their place."""

# Annotations that name protobuf's classes cannot be pickled by value, see src/ml/host-module.ts.
from __future__ import annotations

import logging
import os
import time
from typing import Any

_LOGGER = logging.getLogger(__name__)

# Time between two looks at the files of a model that is in use.
_LOOK_EVERY_S = 5.0


def fingerprint(path: str) -> Any:
  """What tells the contents of a path from those that it had before; None where nothing does."""
  try:
    folders = [(path, os.stat(path))] if os.path.exists(path) else []
    files = [os.path.join(folder, name) for folder, _, names in os.walk(path) for name in names]
    return sorted((name, found.st_ino, found.st_size, found.st_mtime_ns)
                  for name, found in (*folders, *((file, os.stat(file)) for file in files)))
  except OSError:
    return None


class KeptFiles:
  """What the files of the models of updates were when they were loaded."""

  def __init__(self) -> None:
    # By their paths, with when somebody looked at them last.
    self._files: dict[str, tuple[float, Any]] = {}

  def look_at(self, path: str, loaded_from: Any) -> None:
    """Says when another model has come to be at the path of one that goes on.

    Args:
      path: of the model.
      loaded_from: what it has just been loaded from; None for one that was there.
    """
    now = time.monotonic()
    if loaded_from is not None:
      self._files[path] = (now, loaded_from)
    looked, before = self._files.get(path, (now, None))
    if before is None or now - looked < _LOOK_EVERY_S:
      return
    self._files[path] = (now, before)
    if fingerprint(path) != before:
      del self._files[path]
      _LOGGER.warning(
          'The model at %s is another one now, and the one that was loaded from there goes on: give each model a path of its own',
          path)
