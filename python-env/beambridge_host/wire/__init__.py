# SPDX-License-Identifier: Apache-2.0
"""What crosses between the languages as bytes, and which Python values it is. May import `worker`."""
