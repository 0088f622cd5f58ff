# SPDX-License-Identifier: Apache-2.0
"""Model handlers that the TypeScript side offers by name, one module for each framework.

A module holds functions marked with `providers.provider`, which return one of Beam's handlers, or a
class made from one where Beam's own falls short. It imports its framework: only what a pipeline uses
is imported. The TypeScript halves are src/ml/handlers/*.ts.
"""
