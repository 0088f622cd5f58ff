# SPDX-License-Identifier: Apache-2.0
"""Fills in masked words: a composite transform with RunInference inside, for pipelines of any language."""

from typing import Iterable

import apache_beam as beam
from apache_beam.ml.inference.base import KeyedModelHandler, PredictionResult, RunInference

from masked_word.model import MASK, MaskedWordHandler


class MaskedWords(beam.PTransform):
  """Sentences with one [MASK] in, `sentence: word` out; sentences without one are left out.

  The parts are those of the transform on Beam's page "Using RunInference from Java SDK": preprocessing
  that keeps the sentence as the key, a keyed model handler, and postprocessing.

  Args:
    model_path: a model that `python -m masked_word.model` has trained.
  """

  def __init__(self, model_path: str) -> None:
    super().__init__()
    self._handler = MaskedWordHandler(model_path)

  def expand(self, sentences: beam.PCollection) -> beam.PCollection:
    return (
        sentences
        | 'OneMask' >> beam.Filter(lambda sentence: sentence.count(MASK) == 1)
        | 'Preprocess' >> beam.Map(lambda sentence: (sentence, tokens(sentence)))
        | 'RunInference' >> RunInference(KeyedModelHandler(self._handler))
        | 'Postprocess' >> beam.ParDo(Postprocess()).with_output_types(str))


def tokens(sentence: str) -> list[str]:
  """The words of a sentence in lower case."""
  words = sentence.replace(MASK, f' {MASK} ').split()
  return [word if word == MASK else word.strip('.,!?').lower() for word in words]


class Postprocess(beam.DoFn):
  """Puts a sentence and its prediction into one line."""

  def process(self, element: tuple[str, PredictionResult]) -> Iterable[str]:
    sentence, result = element
    yield f'{sentence}: {result.inference}'
