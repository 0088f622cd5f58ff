# SPDX-License-Identifier: Apache-2.0
"""Tests of the host, run by `python -m unittest discover -s python-env -t python-env`."""

import logging

# The workers of these tests run in this process, and some are meant to fail.
logging.disable(logging.CRITICAL)
