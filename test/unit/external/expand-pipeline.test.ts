// SPDX-License-Identifier: Apache-2.0
// Against services that this process serves itself.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { BeamBridgeError } from '../../../src/base/index.ts';
import { StrUtf8Coder } from '../../../src/coders/index.ts';
import {
  type ExternalOptions,
  expandPipeline,
  rawExternalTransform,
} from '../../../src/external/index.ts';
import {
  type PCollection,
  Pipeline,
  pipelineToProto,
  Root,
  withName,
} from '../../../src/pipeline/index.ts';
import {
  type ExpansionRequest,
  fromBinary,
  type MessageInitShape,
  create as message,
  pb,
  toBinary,
  urns,
} from '../../../src/proto/index.ts';
import { bytes, int64, string } from '../../../src/schema/index.ts';
import {
  afterCount,
  afterProcessingTime,
  afterWatermark,
  combinePerKey,
  create,
  fixedWindows,
  globalWindows,
  groupByKey,
  iterableSideInput,
  parDo,
  repeatedly,
  reshuffle,
  sum,
  valueState,
  windowInto,
  withCoder,
} from '../../../src/transforms/index.ts';
import {
  type ExpansionOptions,
  expansion,
  fakeExpansionService,
} from '../../helpers/fake-expansion-service.ts';

const URN = 'fake:asked';

function strings(root: Root): PCollection<string> {
  return root.apply(create(['a'])).apply(withCoder(new StrUtf8Coder()));
}

async function expand(
  build: (root: Root, address: string) => unknown,
  answer: (request: ExpansionRequest) => ReturnType<typeof expansion> = expansion,
  files: Record<string, string> = {},
) {
  using service = await fakeExpansionService(answer, files);
  const pipeline = new Pipeline();
  await build(new Root(pipeline), service.address);
  const asked = pipelineToProto(pipeline, { urn: 'beam:env:external:v1' });
  const expanded = await expandPipeline(pipeline, asked, {
    resolveService: async () => ({ address: service.address }),
  });
  const proto = fromBinary(pb.PipelineSchema, toBinary(pb.PipelineSchema, expanded.proto));
  const components = proto.components!;
  const named = (name: string) =>
    Object.values(components.transforms).find((each) => each.uniqueName === name)!;
  assertWhole(proto);
  return { proto, components, named, pipeline, expanded, requests: service.requests };
}

/** Every id that is mentioned exists, and names are unique. */
function assertWhole(proto: pb.Pipeline): void {
  const c = proto.components!;
  const names = Object.values(c.transforms).map((each) => each.uniqueName);
  assert.equal(new Set(names).size, names.length, `names are not unique: ${names.join(' ')}`);
  for (const transform of Object.values(c.transforms)) {
    for (const id of [...Object.values(transform.inputs), ...Object.values(transform.outputs)]) {
      assert.ok(c.pcollections[id], `${transform.uniqueName}: ${id}`);
    }
    for (const id of transform.subtransforms) assert.ok(c.transforms[id], id);
    if (transform.environmentId) assert.ok(c.environments[transform.environmentId]);
  }
  for (const each of Object.values(c.pcollections)) {
    assert.ok(c.coders[each.coderId] && c.windowingStrategies[each.windowingStrategyId]);
  }
}

const external = (address: string, options: ExternalOptions = { output: string }) =>
  rawExternalTransform<PCollection<string>, PCollection<string>>(
    URN,
    new Uint8Array([1]),
    address,
    options,
  );

const fails = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof BeamBridgeError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  assert.equal(error.transform, `External(${URN})`);
  assert.match(error.appliedAt ?? '', /expand-pipeline\.test\.ts/);
  return true;
};

test('the expansion takes the place of the placeholder and its outputs become ours', async () => {
  const { components, named, pipeline } = await expand((root, address) =>
    strings(root)
      .apply(external(address))
      .map((x) => x),
  );
  const composite = named(`External(${URN})`);
  const inner = named(`External(${URN})/inner`);
  const node = pipeline.transforms.find((each) => each.external)!;
  const output = node.outputs.get('main')!.id;
  assert.equal(components.transforms[node.id], composite);
  assert.equal(composite.spec!.urn, 'fake:composite');
  assert.deepEqual(Object.values(composite.outputs), [output]);
  assert.deepEqual(Object.values(inner.outputs), [output]);
  assert.deepEqual(Object.values(inner.inputs), [[...node.inputs.values()][0]!.id]);
  assert.deepEqual(Object.values(named('map').inputs), [output]);
  assert.deepEqual([...inner.spec!.payload], [1]);
});

test('the request names the input by its coder and a producer, and asks for the output coder', async () => {
  const { requests } = await expand((root, address) => strings(root).apply(external(address)));
  const [request] = requests;
  const { components, transform, namespace, outputCoderRequests } = request!;
  const [input] = Object.values(transform!.inputs);
  const { coderId } = components!.pcollections[input!]!;
  assert.equal(components!.coders[coderId]!.spec!.urn, urns.StandardCoders_Enum.STRING_UTF8);
  assert.ok(coderId.startsWith(namespace));
  const producers = Object.values(components!.transforms).filter((each) =>
    Object.values(each.outputs).includes(input!),
  );
  assert.equal(producers.length, 1);
  assert.equal(Object.keys(outputCoderRequests).length, 1);
});

test('fields that this version does not know survive', async () => {
  const unknown = [{ no: 4242, wireType: 2, data: new Uint8Array([3, 7, 8, 9]) }];
  const { named, components } = await expand(
    (root, address) => strings(root).apply(external(address)),
    (request) => {
      const answer = expansion(request);
      const { transforms, environments } = answer.components as pb.Components;
      transforms[`${request.namespace}inner`]!.$unknown = unknown;
      environments[`${request.namespace}env`]!.$unknown = unknown;
      return answer;
    },
  );
  assert.equal(named(`External(${URN})/inner`).$unknown?.[0]?.no, 4242);
  assert.ok(Object.values(components.environments).some((each) => each.$unknown?.[0]?.no === 4242));
});

test('several expansions, one of them of another’s output, are merged; equal environments are one', async () => {
  const { components, proto, requests } = await expand(
    (root, address) => {
      const first = strings(root).apply(external(address));
      first.apply(external(address));
      strings(root).apply(external(address));
    },
    (request) =>
      expansion(request, { requirements: ['r1', request.namespace.includes('t1') ? 'r2' : 'r1'] }),
  );
  assert.equal(requests.length, 3);
  assert.equal(new Set(requests.map((each) => each.namespace)).size, 3);
  const fakes = Object.values(components.environments).filter((e) => e.urn === 'beam:env:fake:v1');
  assert.equal(fakes.length, 1);
  assert.equal(proto.requirements.filter((each) => each === 'r1').length, 1);
});

test('a transform that gives its input back leaves no trace in the consumers', async () => {
  const { components, named, pipeline } = await expand(
    (root, address) =>
      strings(root)
        .apply(external(address))
        .map((x) => x),
    (request) => {
      const { inputs, uniqueName } = request.transform!;
      return {
        components: request.components!,
        transform: { uniqueName, inputs, outputs: inputs },
      };
    },
  );
  const node = pipeline.transforms.find((each) => each.external)!;
  assert.deepEqual(Object.values(named('map').inputs), [[...node.inputs.values()][0]!.id]);
  assert.equal(components.pcollections[node.outputs.get('main')!.id], undefined);
});

test('names of the transforms inside are made unique below ours', async () => {
  const { named } = await expand(
    (root, address) => {
      strings(root).apply(external(address));
      strings(root).apply(external(address));
    },
    (request) => expansion(request, { innerName: 'Same/name' }),
  );
  assert.ok(named(`External(${URN})/Same/name`));
  assert.ok(named(`External(${URN})_2/Same/name`));
});

test('several outputs are told apart by their tags', async () => {
  const outputs = {
    good: urns.StandardCoders_Enum.VARINT,
    bad: urns.StandardCoders_Enum.STRING_UTF8,
  };
  const { named, pipeline } = await expand(
    (root, address) =>
      strings(root).apply(external(address, { outputs: { bad: string, good: int64 } })),
    (request) => expansion(request, { outputs }),
  );
  const node = pipeline.transforms.find((each) => each.external)!;
  assert.deepEqual(
    { ...named(`External(${URN})/inner`).outputs },
    { good: node.outputs.get('good')!.id, bad: node.outputs.get('bad')!.id },
  );
});

async function refused(
  code: string,
  message: RegExp,
  answer: (request: ExpansionRequest) => ReturnType<typeof expansion>,
  options?: ExternalOptions,
): Promise<void> {
  await assert.rejects(
    expand((root, address) => strings(root).apply(external(address, options)), answer),
    fails(code, message),
  );
}
const varied = (options: ExpansionOptions) => (request: ExpansionRequest) =>
  expansion(request, options);

test('an output that is not what was declared is an error', async () => {
  await refused(
    'EXPANSION_FAILED',
    /coder varint where string_utf8 is declared/,
    varied({ outputs: { None: urns.StandardCoders_Enum.VARINT } }),
  );
  await refused(
    'EXPANSION_FAILED',
    /pickled Python objects where string_utf8 is declared.*with_output_types/s,
    varied({ outputs: { None: 'beam:coder:pickled_python:v1' } }),
  );
  await refused('EXPANSION_FAILED', /no output "x": its outputs are "None"/, expansion, {
    outputs: { x: string, y: bytes },
  });
  await refused(
    'UNSUPPORTED',
    /other windows.*applyAsync/s,
    varied({ windowFn: 'beam:window_fn:fixed_windows:v1' }),
  );
});

test('another trigger or lateness of an output is refused where something behind it goes by it', async () => {
  const trigger = { trigger: { case: 'elementCount', value: { elementCount: 1 } } } as const;
  const answer = varied({ windowing: { trigger, allowedLateness: 5n } });
  const key = (pc: PCollection<string>) => pc.map((value) => ({ key: value, value: 1 }));
  const behind: Record<string, (pc: PCollection<string>) => unknown> = {
    group: (pc) => key(pc).apply(groupByKey()),
    combine: (pc) => key(pc).apply(combinePerKey(sum)),
    'parDo/process': (pc) =>
      key(pc).apply(parDo({ process: () => [] }, { seen: valueState(int64) })),
    map: (pc) =>
      pc
        .root()
        .apply(create([1]))
        .map((n) => n, { side: iterableSideInput(pc) }),
    // What it was expanded with is not so any more.
    External: (pc) => {
      const again = external(given);
      return pc
        .apply(withCoder(new StrUtf8Coder()))
        .apply(again)
        .map((x) => x)
        .apply((x) => key(x).apply(groupByKey()));
    },
  };
  let given = '';
  for (const [name, apply] of Object.entries(behind)) {
    await assert.rejects(
      expand((root, address) => {
        given = address;
        apply(
          strings(root)
            .apply(external(address))
            .map((x) => x),
        );
      }, answer),
      (error: unknown) =>
        fails(
          'UNSUPPORTED',
          /another trigger and allowed lateness, which cannot be declared, and .* goes by it/,
        )(error) &&
        new RegExp(name === 'External' ? 'group' : name, 'i').test((error as Error).message),
    );
  }
  for (const apply of [
    (pc: PCollection<string>) => pc.map((x) => x).apply(reshuffle()),
    (pc: PCollection<string>) => key(pc.apply(windowInto(fixedWindows(1)))).apply(groupByKey()),
  ]) {
    await expand((root, address) => apply(strings(root).apply(external(address))), answer);
  }
  // Python leaves out the period, and parts of seconds, where it writes the trigger of its input: that is no other one.
  const time = (...timestampTransforms: object[]) =>
    ({
      trigger: {
        case: 'repeat',
        value: {
          subtrigger: { trigger: { case: 'afterProcessingTime', value: { timestampTransforms } } },
        },
      },
    }) as MessageInitShape<typeof pb.TriggerSchema>;
  const delay = { timestampTransform: { case: 'delay', value: { delayMillis: 5000n } } };
  const options = {
    trigger: repeatedly(afterProcessingTime(5.25, { period: 60 })),
    accumulationMode: 'discarding',
  } as const;
  const timed = (answered: ReturnType<typeof varied>) =>
    expand(
      (root, address) =>
        key(
          strings(root).apply(windowInto(globalWindows(), options)).apply(external(address)),
        ).apply(groupByKey()),
      answered,
    );
  const { components } = await timed(varied({ windowing: { trigger: time(delay) } }));
  assert.ok(
    Object.values(components.windowingStrategies).some(({ trigger }) =>
      JSON.stringify(trigger, (_, value) =>
        typeof value === 'bigint' ? Number(value) : value,
      ).includes('alignTo'),
    ),
  );
  await assert.rejects(timed(varied({ windowing: { trigger: time() } })), { code: 'UNSUPPORTED' });
  // Nor is it one that Python leaves out that an early firing is repeated.
  const firing = (earlyFirings: object) =>
    ({ trigger: { case: 'afterEndOfWindow', value: { earlyFirings } } }) as MessageInitShape<
      typeof pb.TriggerSchema
    >;
  const early = (answered: MessageInitShape<typeof pb.TriggerSchema>) =>
    expand(
      (root, address) =>
        key(
          strings(root)
            .apply(
              windowInto(fixedWindows(1), {
                trigger: afterWatermark().withEarlyFirings(repeatedly(afterCount(2))),
                accumulationMode: 'discarding',
              }),
            )
            .apply(external(address)),
        ).apply(groupByKey()),
      varied({ windowing: { trigger: answered } }),
    );
  const count = (elementCount: number) => ({
    trigger: { case: 'elementCount', value: { elementCount } },
  });
  await early(firing(count(2)));
  await assert.rejects(early(firing(count(3))), { code: 'UNSUPPORTED' });
  // What is as it was may be grouped.
  await expand((root, address) => key(strings(root).apply(external(address))).apply(groupByKey()));
});

test('a service that ignores the namespace is found out when ids collide', async () => {
  await assert.rejects(
    expand(
      (root, address) => {
        strings(root).apply(external(address));
        strings(root).apply(external(address));
      },
      varied({ namespace: 'mine_' }),
    ),
    { code: 'EXPANSION_FAILED' },
  );
});

test('an error in the answer: its last line is the message, the rest detail', async () => {
  await refused('EXPANSION_FAILED', /^java\.lang\.Whatever: no/, () => ({
    error: 'java.lang.Whatever: no\n\tat a.b.C(D.java:1)',
  }));
  await refused('PYTHON_EXCEPTION', /^ValueError: nope \[/, () => ({
    error:
      'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nValueError: nope\n',
  }));
  await refused('EXPANSION_SERVICE_UNAVAILABLE', /without a transform/, () => ({}));
});

test('files of an environment are fetched, named as files here, and removed in the end', async () => {
  const artifact = {
    typeUrn: urns.StandardArtifacts_Types.FILE,
    typePayload: Buffer.from('remote'),
    roleUrn: urns.StandardArtifacts_Roles.STAGING_TO,
    rolePayload: Buffer.from('role'),
  };
  const url = { typeUrn: urns.StandardArtifacts_Types.URL, typePayload: Buffer.from('u') };
  const plain = { urn: 'beam:env:docker:v1', dependencies: [artifact, url] };
  const { components, expanded } = await expand(
    (root, address) => strings(root).apply(external(address)),
    varied({
      environment: {
        urn: urns.StandardEnvironments_Environments.ANYOF,
        payload: toBinary(
          pb.AnyOfEnvironmentPayloadSchema,
          message(pb.AnyOfEnvironmentPayloadSchema, { environments: [plain] }),
        ),
      },
    }),
    { remote: 'one\ntwo\n' },
  );
  const environment = Object.values(components.environments).find(
    (each) => each.urn === urns.StandardEnvironments_Environments.ANYOF,
  )!;
  const [inner] = fromBinary(pb.AnyOfEnvironmentPayloadSchema, environment.payload).environments;
  const [file, other] = inner!.dependencies;
  assert.equal(file!.roleUrn, artifact.roleUrn);
  assert.equal(other!.typeUrn, url.typeUrn);
  const { path, sha256 } = fromBinary(pb.ArtifactFilePayloadSchema, file!.typePayload);
  assert.equal(readFileSync(path, 'utf8'), 'one\ntwo\n');
  assert.equal(sha256.length, 64);
  await expanded[Symbol.asyncDispose]();
  assert.ok(!existsSync(path));
});

test('an answer that applyAsync had serves several runs', async () => {
  using service = await fakeExpansionService((request) =>
    expansion(request, { outputs: { None: urns.StandardCoders_Enum.VARINT } }),
  );
  const pipeline = new Pipeline();
  const output = await strings(new Root(pipeline)).applyAsync(
    rawExternalTransform<PCollection<string>, PCollection<number>>(URN, undefined, service.address),
  );
  assert.equal(output.coder.name, 'varint');
  for (let run = 0; run < 2; run++) {
    const asked = pipelineToProto(pipeline, { urn: 'beam:env:external:v1' });
    const { proto } = await expandPipeline(pipeline, asked, {
      resolveService: () => assert.fail('it was asked before'),
    });
    assertWhole(proto);
  }
  assert.equal(service.requests.length, 1);
});

test('applyAsync refuses an output that only Python can read', async () => {
  using service = await fakeExpansionService((request) =>
    expansion(request, { outputs: { None: 'beam:coder:pickled_python:v1' } }),
  );
  await assert.rejects(
    strings(new Root(new Pipeline())).applyAsync(
      rawExternalTransform<PCollection<string>, PCollection<number>>(
        URN,
        undefined,
        service.address,
      ),
    ),
    fails('NO_PORTABLE_TYPE', /pickled Python objects.*Declare what it is/s),
  );
});

test('a cancelled run stops waiting for expansions', async () => {
  using service = await fakeExpansionService(() => new Promise(() => {}));
  const pipeline = new Pipeline();
  strings(new Root(pipeline)).apply(external(service.address));
  const asked = pipelineToProto(pipeline, { urn: 'beam:env:external:v1' });
  const stop = new AbortController();
  const expanding = expandPipeline(pipeline, asked, {
    resolveService: async () => ({ address: service.address }),
    signal: stop.signal,
  });
  setTimeout(() => stop.abort(), 20);
  await assert.rejects(expanding, { code: 'ABORTED' });
});

test('a service that does not start is told with the first transform that wants it, and its line', async () => {
  const pipeline = new Pipeline();
  const input = strings(new Root(pipeline));
  input.apply(withName('first', external('localhost:1')));
  input.apply(withName('second', external('localhost:1')));
  const expanding = expandPipeline(
    pipeline,
    pipelineToProto(pipeline, { urn: 'beam:env:external:v1' }),
    {
      resolveService: async () => Promise.reject(new BeamBridgeError('JAVA_NOT_FOUND', 'no Java')),
    },
  );
  await assert.rejects(expanding, (error: unknown) => {
    assert.ok(error instanceof BeamBridgeError);
    assert.equal(error.code, 'JAVA_NOT_FOUND');
    assert.equal(error.transform, 'first');
    assert.match(error.appliedAt ?? '', /expand-pipeline\.test\.ts:\d+:\d+$/);
    return true;
  });
});

test('one that applyAsync asks for, too', async () => {
  const service = async () => {
    throw new BeamBridgeError('ENGINE_NOT_FOUND', 'no jar');
  };
  await assert.rejects(
    strings(new Root(new Pipeline())).applyAsync(
      rawExternalTransform<PCollection<string>, PCollection<number>>(URN, undefined, service),
    ),
    {
      code: 'ENGINE_NOT_FOUND',
      transform: /^RawExternal|fake:asked/,
      appliedAt: /expand-pipeline\.test/,
    },
  );
});
