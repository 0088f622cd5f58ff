# SPDX-License-Identifier: Apache-2.0
"""A masked language model small enough to be trained on the spot, in place of BERT's 400 MB.

It counts which word stands at which distance from which other, and so knows little more than the
sentences that it was trained on:

  python -m masked_word.model SENTENCES.txt MODEL.npz
"""

import sys
from typing import Any, Iterable, NamedTuple, Optional, Sequence

import numpy
from apache_beam.ml.inference.base import ModelHandler, PredictionResult

MASK = '[MASK]'
_DISTANCES = (-3, -2, -1, 1, 2, 3)


class Model(NamedTuple):
  words: list[str]
  # Logarithms of how likely a word is, given another at a distance: distance, other, word.
  likely: numpy.ndarray


class MaskedWordHandler(ModelHandler[list[str], PredictionResult, Any]):
  """The most likely word in the place of the mask.

  Args:
    model_path: a trained model.
  """

  def __init__(self, model_path: str) -> None:
    super().__init__()
    self._path = model_path

  def load_model(self) -> Any:
    with numpy.load(self._path) as saved:
      return _Held(Model(saved['words'].tolist(), saved['likely']))

  def run_inference(
      self, batch: Sequence[list[str]], model: Any,
      inference_args: Optional[dict[str, Any]] = None) -> Iterable[PredictionResult]:
    for sentence in batch:
      yield PredictionResult(sentence, fill_in(sentence, model.model))


class _Held:
  """Beam keeps a weak reference to a model, which a tuple cannot have."""

  def __init__(self, model: Model) -> None:
    self.model = model


def fill_in(sentence: list[str], model: Model) -> str:
  """The most likely word in the place of the mask."""
  at = sentence.index(MASK)
  number = {word: i for i, word in enumerate(model.words)}
  scores = numpy.zeros(len(model.words))
  for i, distance in enumerate(_DISTANCES):
    other = at + distance
    if 0 <= other < len(sentence) and sentence[other] in number:
      scores += model.likely[i, number[sentence[other]]]
  return model.words[int(scores.argmax())]


def train(sentences: Iterable[list[str]]) -> Model:
  """Counts neighbours."""
  corpus = list(sentences)
  words = sorted({word for sentence in corpus for word in sentence})
  number = {word: i for i, word in enumerate(words)}
  counts = numpy.full((len(_DISTANCES), len(words), len(words)), 0.01)
  for sentence in corpus:
    for at, word in enumerate(sentence):
      for i, distance in enumerate(_DISTANCES):
        if 0 <= at + distance < len(sentence):
          counts[i, number[sentence[at + distance]], number[word]] += 1
  return Model(words, numpy.log(counts / counts.sum(axis=2, keepdims=True)))


if __name__ == '__main__':
  from masked_word import tokens
  source, target = sys.argv[1:]
  with open(source) as lines:
    trained = train(tokens(line) for line in lines if line.strip())
  numpy.savez(target, words=numpy.array(trained.words), likely=trained.likely)
