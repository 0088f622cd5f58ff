// SPDX-License-Identifier: Apache-2.0
// A TensorRT engine with a model handler of one's own, on a GPU, as on Beam's page "Use TensorRT with
// RunInference":
//
//   npm run example -- tensorrt --model=NET.onnx [--rows=1000] [--columns=64]
//
// The handler, examples/support/tensorrt_handler.py, derives from Beam's and fills the last batch up to
// the size that the engine is built for. It needs Linux, an NVIDIA GPU with its driver, and some 5 GB for
// TensorRT, which is installed on the first run. Without a GPU it says so and runs nothing.

import { resolve } from 'node:path';
import { create } from 'beambridge';
import { custom, RunInference } from 'beambridge/ml';
import { array, float32 } from 'beambridge/schema';
import { exampleFlags } from './support/flags.ts';
import { lackOfGpu } from './support/gpu.ts';

const { flags, runner } = exampleFlags({ model: '', rows: '1000', columns: '64' });

const engine = custom({
  file: resolve(import.meta.dirname, 'support/tensorrt_handler.py'),
  className: 'PaddedEngine',
  kwargs: { onnx_path: resolve(flags.model), batch_size: 16 },
  packages: ['tensorrt==11.4.0.106', 'cuda-python==13.4.4'],
  example: array(float32),
  inference: array(float32),
});

const lack = await lackOfGpu();
if (lack) console.log(`not run: TensorRT needs an NVIDIA GPU, and ${lack}`);
else if (!flags.model) console.log('not run: name an ONNX model, --model=NET.onnx');
else {
  const rows = Array.from({ length: Number(flags.rows) }, () =>
    Array.from({ length: Number(flags.columns) }, Math.random),
  );
  let scored = 0;
  await runner.run((root) =>
    root
      .apply(create(rows))
      .apply(RunInference.of(engine))
      .map(({ inference }) => {
        if (scored++ < 3) console.log(inference.slice(0, 4).join(' '));
      }),
  );
  console.log(`${scored} rows scored`);
}
