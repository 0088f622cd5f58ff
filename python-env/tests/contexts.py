# SPDX-License-Identifier: Apache-2.0
"""What unittest has for context managers from Python 3.11 on."""

import unittest
from typing import Any


def entered(test: unittest.TestCase, context: Any) -> Any:
  """What a context manager gives; left when the test is over."""
  value = context.__enter__()
  test.addCleanup(context.__exit__, None, None, None)
  return value
