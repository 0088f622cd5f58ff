# SPDX-License-Identifier: Apache-2.0
"""RunInference on packed batches: models, batches, failures, remote endpoints. May import `wire` and `worker`."""
