// SPDX-License-Identifier: Apache-2.0
// A misspelt option is refused by all that takes options, and not left aside without a word.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import {
  javaTransform,
  pythonTransform,
  rawExternalTransform,
  schemaTransform,
  sqlTransform,
} from '../../../src/external/index.ts';
import {
  inferAvroType,
  inferCsvType,
  kafkaAvro,
  kafkaIo,
  readAllFromJson,
  readAllFromText,
  readFromArrow,
  readFromAvro,
  readFromCsv,
  readFromKafka,
  readFromParquet,
  readFromPostgres,
  readFromSqlite,
  readFromText,
  readFromTextWithFilename,
  watchFiles,
  writeToArrow,
  writeToAvro,
  writeToBigQuery,
  writeToCsv,
  writeToJson,
  writeToKafka,
  writeToParquet,
  writeToPostgres,
  writeToSqlite,
  writeToText,
} from '../../../src/io/index.ts';
import * as ml from '../../../src/ml/index.ts';
import { RunInference } from '../../../src/ml/index.ts';
import { parDo } from '../../../src/pipeline/index.ts';
import { createRunner, MetricResults, PortableRunner } from '../../../src/runners/index.ts';
import { float64, inferSchema, row, string } from '../../../src/schema/index.ts';
import { TestPipeline } from '../../../src/testing/index.ts';
import * as transforms from '../../../src/transforms/index.ts';

type Call = (options: never) => unknown;

const types = { example: string, inference: float64 };
const scoring = RunInference.of('my.Handler', types);
const parts = { name: 'own', ...types, loadModel: () => null, runInference: () => [] };
const handler =
  (make: Call): Call =>
  (options: object) =>
    make({ ...types, ...options } as never);

/** Type of the options, who takes them, a name that there is not, and the one that is meant. */
const CASES: readonly (readonly [string, Call, string, string | undefined])[] = [
  ['CreateOptions', (o) => transforms.create(['x'], o), 'shema', 'schema'],
  [
    'WindowingOptions',
    (o) => transforms.windowInto(transforms.fixedWindows(60), o),
    'allowedLatenes',
    'allowedLateness',
  ],
  ['SplitOptions', (o) => transforms.split(['a'] as never, o), 'exclusiv', 'exclusive'],
  [
    'AsyncIterableOptions',
    (o) => transforms.fromAsyncIterable(async function* () {}, o),
    'bound',
    'bounded',
  ],
  [
    'GroupIntoBatchesOptions',
    (o) => transforms.groupIntoBatches(5, o),
    'maxBufferingDuration',
    'maxBufferingDurationMs',
  ],
  [
    'PeriodicImpulseOptions',
    (o) => transforms.periodicImpulse(Object.assign({ interval: 1 }, o)),
    'stopAt',
    'stop',
  ],
  [
    'Alignment',
    (o) => transforms.afterProcessingTime(1, Object.assign({ period: 1 }, o)),
    'ofset',
    'offset',
  ],
  [
    'SetTimerOptions',
    (o) => transforms.eventTimeTimer().set(0, o),
    'outputTime',
    'outputTimestamp',
  ],
  [
    'withOutputs',
    (o) => parDo({ *process() {} }).withOutputs(Object.assign({ main: 'a', tags: [] }, o)),
    'coder',
    'coders',
  ],
  ['ReadTextOptions', (o) => readFromText('x', o), 'skipHeader', 'skipHeaderLines'],
  ['ReadTextOptions', (o) => readFromTextWithFilename('x', o), 'Compression', 'compression'],
  ['ReadAllTextOptions', (o) => readAllFromText(o), 'withFileName', 'withFilename'],
  ['WriteTextOptions', (o) => writeToText('out/x', o), 'suffix', 'fileNameSuffix'],
  ['ReadCsvOptions', (o) => readFromCsv('x', o), 'delimeter', 'delimiter'],
  ['ReadJsonOptions', (o) => readAllFromJson(o), 'line', 'lines'],
  ['ReadAvroOptions', (o) => readFromAvro('x', o), 'schemas', 'schema'],
  ['ReadArrowOptions', (o) => readFromArrow('x', o), 'column', 'columns'],
  ['ReadParquetOptions', (o) => readFromParquet('x', o), 'column', 'columns'],
  ['WriteAvroOptions', (o) => writeToAvro('x', o), 'codecs', 'codec'],
  ['WriteCsvOptions', (o) => writeToCsv('out/x', o), 'headers', 'header'],
  ['WriteJsonOptions', (o) => writeToJson('out/x', o), 'numShard', 'numShards'],
  [
    'WriteBigQueryOptions',
    (o) => writeToBigQuery('p:d.t', o),
    'createDispositon',
    'createDisposition',
  ],
  ['StoreOptions', (o) => readFromText('x', { stores: o }), 'idleTimeot', 'idleTimeout'],
  ['S3StoreOptions', (o) => readFromText('x', { stores: { s3: o } }), 'endpont', 'endpoint'],
  ['GsStoreOptions', (o) => readFromText('x', { stores: { gs: o } }), 'endpont', 'endpoint'],
  ['AzStoreOptions', (o) => readFromText('x', { stores: { az: o } }), 'acount', 'account'],
  ['WriteArrowOptions', (o) => writeToArrow('out/x', o), 'batchByte', 'batchBytes'],
  ['WriteParquetOptions', (o) => writeToParquet('out/x', o), 'rowGroupByte', 'rowGroupBytes'],
  ['WatchFilesOptions', (o) => watchFiles('x/*', o), 'matchUpdated', 'matchUpdatedFiles'],
  ['ExternalOptions', (o) => rawExternalTransform('x', undefined, undefined, o), 'ouput', 'output'],
  ['PythonTransformOptions', (o) => pythonTransform('a.B', [], {}, o), 'package', 'packages'],
  ['InferOptions', (o) => inferSchema([], o), 'unknwon', 'unknown'],
  ['DeadLetterOptions', (o) => scoring.withDeadLetters(o), 'treshold', 'threshold'],
  ['BatchingOptions', (o) => scoring.withBatching(o), 'maxsize', 'maxSize'],
  ['ResourceHints', (o) => scoring.withResourceHints(o), 'minRAMs', 'minRam'],
  ['ModelManagerOptions', (o) => scoring.withModelManager(o), 'pollInterval', 'pollIntervalSecs'],
  ['withLargeModel', (o) => scoring.withLargeModel(o), 'copis', 'copies'],
  ['WatchedModelOptions', (o) => scoring.withWatchedModel('x/*', o), 'interval', 'intervalMs'],
  [
    'InferenceMetricsFilter',
    (o) => ml.inferenceMetrics(new MetricResults([]), o),
    'transfrom',
    'transform',
  ],
  ['MetricFilter', (o) => new MetricResults([]).query(o), 'nam', 'name'],
  [
    'modelHandler',
    (o) => ml.modelHandler(Object.assign({ ...parts }, o)),
    'closModel',
    'closeModel',
  ],
  ['LocalBatching', (o) => ml.modelHandler({ ...parts, batching: o }), 'maxBatchSize', 'maxSize'],
  [
    'OnnxLocalOptions',
    handler((o) => ml.onnxLocal(Object.assign({ modelUri: 'x' }, o))),
    'executionProvider',
    'executionProviders',
  ],
  ['perKey', (o) => ml.perKey([], o), 'maxModels', 'maxModelsPerWorker'],
  ['RemoteOptions', (o) => ml.anthropic(o), 'maxRetrys', undefined],
  [
    'RateLimiter',
    (o) => ml.anthropic({ modelName: 'x', rateLimiter: o }),
    'serviceAdress',
    'serviceAddress',
  ],
  ['PythonHandlerOptions', handler(ml.sklearn), 'maxBatchsize', 'maxBatchSize'],
  ['SklearnOptions', handler(ml.sklearn), 'modelUrl', 'modelUri'],
  ['PytorchOptions', handler(ml.pytorch), 'modelParam', 'modelParams'],
  ['TensorflowOptions', handler(ml.tensorflow), 'modelUrl', 'modelUri'],
  [
    'TensorrtOptions',
    handler((o) => ml.tensorrt(Object.assign({ enginePath: 'x' }, o))),
    'onnxPaths',
    'onnxPath',
  ],
  ['OnnxOptions', handler(ml.onnx), 'modelUrl', 'modelUri'],
  ['XgboostOptions', handler(ml.xgboost), 'modelStates', 'modelState'],
  ['HuggingfaceOptions', handler(ml.huggingface), 'envVar', 'envVars'],
  ['HuggingfacePipelineOptions', handler(ml.huggingfacePipeline), 'envVar', 'envVars'],
  ['OpenAiCompatibleOptions', (o) => ml.openAiCompatible(o), 'timeout', 'timeoutMs'],
  ['AnthropicOptions', (o) => ml.anthropic(o), 'timeout', 'timeoutMs'],
  [
    'GeminiOptions',
    (o) => ml.gemini(Object.assign({ modelName: 'x', apiKeyEnv: 'K' }, o)),
    'timeout',
    'timeoutMs',
  ],
  ['VertexAiOptions', handler(ml.vertexAi), 'endpoint', 'endpointId'],
  ['VllmOptions', (o) => ml.vllm(o), 'envVar', 'envVars'],
  ['AdkOptions', (o) => ml.adk(o), 'envVar', 'envVars'],
  [
    'CustomOptions',
    handler((o) => ml.custom(Object.assign({ module: 'a.B' }, o))),
    'kwarg',
    'kwargs',
  ],
  [
    'CustomOptions',
    handler((o) => ml.custom(Object.assign({ module: 'a.B' }, o))),
    'extra',
    'extras',
  ],
  ['JavaTransformOptions', (o) => javaTransform('a.B', o), 'arg', 'args'],
  ['JavaOptions', (o) => kafkaIo.read({ topics: ['a'] } as never, o), 'beamVersoin', 'beamVersion'],
  ['SchemaTransformOptions', (o) => schemaTransform('a:b', {}, o), 'configTyp', 'configType'],
  [
    'SqlOptions',
    (o) => sqlTransform('select 1', undefined, Object.assign({ output: row({ a: string }) }, o)),
    'dialekt',
    'dialect',
  ],
  ['ReadKafkaOptions', (o) => readFromKafka(o), 'topic', 'topics'],
  ['WriteKafkaOptions', (o) => writeToKafka(o), 'topics', 'topic'],
  [
    'KafkaExactlyOnce',
    (o) => writeToKafka({ bootstrapServers: 'a', topic: 't', exactlyOnce: o as never }),
    'transactonalId',
    'transactionalId',
  ],
  [
    'KafkaAvroOptions',
    (o) => kafkaAvro(row({ a: string }), Object.assign({ registry: 'http://localhost:1' }, o)),
    'subjekt',
    'subject',
  ],
  [
    'ReadPostgresOptions',
    (o) => readFromPostgres(Object.assign({ schema: row({ a: string }) }, o)),
    'tables',
    'table',
  ],
  [
    'ReadSqliteOptions',
    (o) => readFromSqlite(Object.assign({ file: 'a', schema: row({ a: string }) }, o)),
    'tables',
    'table',
  ],
  [
    'WriteSqliteOptions',
    (o) => writeToSqlite(Object.assign({ file: 'a', table: 'a' }, o)),
    'onConflicts',
    'onConflict',
  ],
  [
    'WritePostgresOptions',
    (o) => writeToPostgres(Object.assign({ table: 'a' }, o)),
    'onConflicts',
    'onConflict',
  ],
  ['PipelineOptions', (o) => createRunner(o), 'jobNmae', 'jobName'],
  ['PipelineOptions', (o) => new PortableRunner(o), 'jobEndpont', 'jobEndpoint'],
  ['TestPipelineOptions', (o) => new TestPipeline(o), 'modle', 'model'],
];

for (const [options, call, name, meant] of CASES) {
  test(`${options} with ${name} are refused`, () => {
    const given = { [name]: () => 'x' } as never;
    assert.throws(
      () => call(given),
      (error: { code?: string; shortMessage?: string; hint?: string }) => {
        assert.equal(error.code, 'INVALID_ARGUMENT');
        assert.match(String(error.shortMessage), new RegExp(`there is no option "?${name}"?$`));
        if (meant) assert.match(String(error.hint), new RegExp(`^Did you mean ${meant}\\?`));
        return true;
      },
    );
  });
}

test('every type of options that a program can name is among the cases', () => {
  const doors = [
    '',
    'io/',
    'ml/',
    'ml/handlers/',
    'runners/',
    'schema/',
    'testing/',
    'transforms/',
  ];
  const names = doors.flatMap((door) => {
    const file = resolve(import.meta.dirname, '../../../src', door, 'index.ts');
    return readFileSync(file, 'utf8').match(/\b\w+(?:Options|Hints)\b/g) ?? [];
  });
  assert.ok(names.length > 30);
  const known = new Set([
    ...CASES.map(([options]) => options),
    // Another name of ExternalOptions.
    'RawExternalTransformOptions',
    // What those of several formats have in common.
    'ReadRecordOptions',
    'WriteFilesOptions',
    'WriteTableOptions',
    // Their functions give a promise.
    'InferCsvOptions',
    'InferAvroOptions',
  ]);
  assert.deepEqual(
    names.filter((name) => !known.has(name)),
    [],
  );
});

test('a function that gives a promise rejects with the refusal', async () => {
  await assert.rejects(inferCsvType('x', { delimeter: ',' } as never), {
    code: 'INVALID_ARGUMENT',
    hint: /^Did you mean delimiter\?/,
  });
  await assert.rejects(inferAvroType('x', { store: {} } as never), {
    code: 'INVALID_ARGUMENT',
    hint: /^Did you mean stores\?/,
  });
});

test('the refusal says who was asked and which options there are', () => {
  assert.throws(() => readFromText('x', { skipHeader: 1 } as never), {
    shortMessage: 'readFromText: there is no option skipHeader',
    hint: 'Did you mean skipHeaderLines? Options are stores, compression, skipHeaderLines, encoding, allowEmptyMatch, splitBytes.',
  });
  assert.throws(() => readFromText('x', { colour: 1 } as never), { hint: /^Options are / });
});

test('an option that is undefined is none, and what is no object is refused', () => {
  readFromText('x', { skipHeader: undefined } as never);
  for (const given of [true, 1, null, ['x'], () => {}] as never[]) {
    assert.throws(() => readFromText('x', given), {
      code: 'INVALID_ARGUMENT',
      message: /is no options/,
    });
  }
});
