# SPDX-License-Identifier: Apache-2.0
"""Metamorphic tests of handlers: what a model says of a row does not depend on anything but the row.

The oracle is the model itself, asked about each row alone. Models and handlers are called in this process with packed
batches as TypeScript writes them; test/integration/ml-metamorphic.test.ts runs these in the environments of the frameworks and
a smaller number of cases through pipelines.
"""
