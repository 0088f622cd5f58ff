// SPDX-License-Identifier: Apache-2.0
// Model handlers in Python, as source text: the last statement makes the handler, and its
// parameters are the kwargs of RunInference.

/** scikit-learn on numpy arrays, for elements `{ key, value: pixels }`. */
export const KEYED_SKLEARN = `
from apache_beam.ml.inference.base import KeyedModelHandler
from apache_beam.ml.inference.sklearn_inference import SklearnModelHandlerNumpy

def make_handler(model_uri):
    return KeyedModelHandler(SklearnModelHandlerNumpy(model_uri))
`;
