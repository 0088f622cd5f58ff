# SPDX-License-Identifier: Apache-2.0
"""Files for the bench of Parquet: `parquet_files.py write SHAPE CSV FILE`, `parquet_files.py digest FOLDER`."""

import hashlib
import pathlib
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def write(shape, source, target):
  numbers = np.loadtxt(source, delimiter=',', dtype=np.float32)
  label, pixels = numbers[:, 0].astype(np.int64), numbers[:, 1:]
  if shape == 'wide':
    columns = {f'pixel{at}': pa.array(pixels[:, at]) for at in range(pixels.shape[1])}
  else:
    values = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), pixels.shape[1])
    columns = {'pixels': values.cast(pa.list_(pa.float32()))}
  pq.write_table(pa.table({'label': label, **columns}), target, row_group_size=20_000)


def digest(folder):
  tables = [pq.read_table(file, columns=['label', 'prediction']) for file in pathlib.Path(folder).glob('*.parquet')]
  rows = pa.concat_tables(tables).sort_by([('label', 'ascending'), ('prediction', 'ascending')])
  print(rows.num_rows, hashlib.sha256(str(rows.to_pydict()).encode()).hexdigest())


if __name__ == '__main__':
  {'write': write, 'digest': digest}[sys.argv[1]](*sys.argv[2:])
