# SPDX-License-Identifier: Apache-2.0
"""Models that take a known time for each batch, and predict when it was done."""

import time

from apache_beam.ml.inference.base import ModelHandler


class Waiting(ModelHandler):
    """As one behind a network: it waits, and takes nothing of the processor."""

    def __init__(self, seconds):
        self._seconds = seconds

    def load_model(self):
        return None

    def run_inference(self, batch, model, inference_args=None):
        time.sleep(self._seconds)
        return [round(1000 * time.time())] * len(batch)


class Busy(ModelHandler):
    """As one on this machine: it takes so much time of one processor."""

    def __init__(self, seconds):
        self._seconds = seconds

    def load_model(self):
        return None

    def run_inference(self, batch, model, inference_args=None):
        end = time.thread_time() + self._seconds
        while time.thread_time() < end:
            pass
        return [round(1000 * time.time())] * len(batch)
