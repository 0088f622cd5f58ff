# SPDX-License-Identifier: Apache-2.0
"""The host process: expansion, jobs and the pool of workers, behind a token. May import `worker`."""
