# SPDX-License-Identifier: Apache-2.0
"""The Python half of beambridge: one process that expands transforms and runs jobs for Node."""

__version__ = '0.1.0'
