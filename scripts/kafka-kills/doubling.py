# SPDX-License-Identifier: Apache-2.0
"""A model whose answers anybody can check: twice the number that it is given."""

from collections.abc import Iterable, Sequence

from apache_beam.ml.inference.base import ModelHandler, PredictionResult


class Doubling(ModelHandler[int, PredictionResult, int]):
    def load_model(self) -> int:
        return 2

    def run_inference(
        self, batch: Sequence[int], model: int, inference_args=None
    ) -> Iterable[PredictionResult]:
        return [PredictionResult(number, number * model) for number in batch]
