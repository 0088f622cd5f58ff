# SPDX-License-Identifier: Apache-2.0
"""Enumerations in models of categories: a category is told by its name, in whatever order it was declared."""

import itertools
import json
import sys
import tempfile
import unittest
import unittest.mock
from typing import Any

import numpy as np
from apache_beam.portability.api import schema_pb2

from tests.metamorphic import driver, libraries
from tests.metamorphic.driver import Way, ready
from tests.test_columns import atomic, field, row_of, with_forms

CITIES = ('oslo', 'rome', 'berlin')
NUMBER = field(atomic(schema_pb2.DOUBLE), 'inference')
WAYS = (Way(False, False, False, 1), Way(True, True, False, 2, True))


def _example(order: Any, nullable: bool) -> Any:
  return row_of([
      with_forms(atomic(schema_pb2.STRING, nullable), {'': {'enumeration': list(order)}}, 'city'),
      field(atomic(schema_pb2.DOUBLE), 'age')
  ], 'example')


class CategoriesTest(unittest.TestCase):

  def check(self, name: str, make: Any, model: Any) -> None:
    import pandas
    counted = 0
    rows = [{'city': city, 'age': age} for city in CITIES for age in (1.0, 50.0)]
    for order in itertools.permutations(CITIES):
      for nullable in (False, True):
        given = [*rows, {'city': None, 'age': 1.0}] if nullable else rows
        for size in (1, len(given)):
          for way in WAYS:
            chosen = given[-size:]
            # The framework itself, with the categories as they were in training.
            frame = pandas.DataFrame({
                'city': pandas.Categorical([row['city'] for row in chosen], categories=sorted(CITIES)),
                'age': [row['age'] for row in chosen]
            })
            expected = model.predict(frame)
            found = driver.run(make(), _example(order, nullable), NUMBER, chosen, way)
            self.assertTrue(np.allclose(found, expected, atol=1e-4), (order, nullable, size, way, found, expected))
            counted += 1
    print(f'metamorphic categories: {name}: {counted} combinations', file=sys.stderr)

  @staticmethod
  def training() -> Any:
    import pandas
    generator = np.random.default_rng(0)
    cities, ages = generator.choice(CITIES, 300), generator.uniform(0, 60, 300)
    frame = pandas.DataFrame({'city': pandas.Categorical(cities, categories=sorted(CITIES)), 'age': ages})
    return frame, np.array([{'oslo': 1.0, 'rome': 5.0, 'berlin': 9.0}[city] for city in cities]) + (ages > 30)

  @unittest.skipUnless(libraries.has('xgboost', 'pandas'), 'needs xgboost')
  def test_xgboost(self) -> None:
    import xgboost as xgb
    from beambridge_host.handlers import xgboost as handlers
    xgboost = handlers.xgboost
    model = xgb.XGBRegressor(n_estimators=20, enable_categorical=True, max_cat_to_onehot=1).fit(*self.training())
    with tempfile.TemporaryDirectory() as folder:
      path = f'{folder}/model.json'
      model.save_model(path)
      for cls in (xgb.XGBRegressor, xgb.Booster):
        saved = cls()
        saved.load_model(path)
        with unittest.mock.patch.object(handlers._LOGGER, 'warning') as warned:
          self.check(f'xgboost {cls.__name__}', lambda saved=saved: ready(
              xgboost(input='pandas', model_class=object, model_state=path), saved), model)

      # As versions before 3.1 saved it, where places are all that there is: so it is with XGBoost itself.
      with open(path, encoding='utf-8') as file:
        saved = json.load(file)
      del saved['learner']['gradient_booster']['model']['cats']
      saved['version'] = [2, 1, 0]
      with open(path, 'w', encoding='utf-8') as file:
        json.dump(saved, file)
      old = xgb.Booster()
      old.load_model(path)
      handler = ready(xgboost(input='pandas', model_class=object, model_state=path), old)
      with unittest.mock.patch.object(handlers._LOGGER, 'warning') as warned:
        for _ in range(2):
          found = driver.run(handler, _example(sorted(CITIES), False), NUMBER, [{'city': 'rome', 'age': 1.0}], WAYS[0])
      self.assertAlmostEqual(found[0], 5.0, 1)
      warned.assert_called_once()
      self.assertIn('in the order that they had in training', warned.call_args.args[0])

  @unittest.skipUnless(libraries.has('sklearn', 'pandas'), 'needs scikit-learn')
  def test_sklearn(self) -> None:
    from beambridge_host.handlers.sklearn import sklearn
    from sklearn.ensemble import HistGradientBoostingRegressor
    model = HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=5, categorical_features='from_dtype').fit(*self.training())
    self.check('sklearn', lambda: ready(sklearn(model_uri='m', input='pandas'), model), model)


if __name__ == '__main__':
  unittest.main()
