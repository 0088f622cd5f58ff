# SPDX-License-Identifier: Apache-2.0
"""Text files."""

from apache_beam.io import ReadFromText
