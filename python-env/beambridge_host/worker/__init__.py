# SPDX-License-Identifier: Apache-2.0
"""The ground: a worker process, how it comes to be, its folder, its log and its threads. Imports no other room."""
