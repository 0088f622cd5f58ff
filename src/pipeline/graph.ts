// SPDX-License-Identifier: Apache-2.0
// The graph that a program builds by applying transforms: nodes, what flows between them, and the
// user's functions by name. It knows nothing of runners; to-proto.ts turns it into Beam's message.

import { AsyncLocalStorage } from 'node:async_hooks';
import { BeamBridgeError } from '../base/index.ts';
import type { Coder } from '../coders/index.ts';
import type { ExternalRequest } from './external-request.ts';
import { callSite, NameScope } from './names.ts';
import { checkTag } from './tags.ts';
import type { WindowingStrategy } from './windowing.ts';

/** What {@link TransformNode.payload} may ask for while it is turned into bytes. */
export interface ProtoContext {
  coderId(coder: Coder<unknown>): string;
  windowingStrategyId(strategy: WindowingStrategy): string;
  /** The environment in which this program's functions run. */
  environmentId: string;
}

/** A PCollection as the graph sees it. */
export interface PCollectionNode {
  readonly id: string;
  readonly name: string;
  coder: Coder<unknown>;
  windowing: WindowingStrategy;
  bounded: boolean;
  /** When a stream that stops by the clock does, in milliseconds since 1970. */
  endsAt?: number;
  readonly producer: TransformNode;
}

/** What a transform is, in Beam's terms. */
export interface TransformSpec {
  urn: string;
  payload?: Uint8Array | ((context: ProtoContext) => Uint8Array);
}

/** One application of a transform; composites have children, primitives a spec that a runner knows. */
export class TransformNode {
  readonly children: TransformNode[] = [];
  readonly inputs = new Map<string, PCollectionNode>();
  readonly outputs = new Map<string, PCollectionNode>();
  readonly names = new NameScope();
  readonly annotations = new Map<string, Uint8Array>();
  /** URNs of what a runner must be able to do for this transform. */
  readonly requirements = new Set<string>();
  spec: TransformSpec | undefined;
  /** What it holds beside its spec, and a worker makes again: it is looked at where that is compared. */
  contents: (() => Iterable<Uint8Array>) | undefined;
  /** Whether this transform runs functions of this program and so needs its environment. */
  needsEnvironment = false;
  /**
   * Why its parts run in the thread that runs the pipeline and in no other of this program, where that matters: they
   * share something with it. The end of a sentence about the transform.
   */
  staysHere: string | undefined;
  /** Set on a cross-language transform that an expansion service turns into real ones later. */
  external: ExternalRequest | undefined;

  constructor(
    readonly id: string,
    /** Unique in the pipeline; parts are separated by `/`. */
    readonly name: string,
    readonly parent: TransformNode | undefined,
    readonly appliedAt: string | undefined,
  ) {}

  /** Names of the transform for an error's details. */
  get errorDetails() {
    return { transform: this.name, appliedAt: this.appliedAt };
  }
}

/** Options of a PCollection that a primitive transform produces. */
export interface OutputOptions<T> {
  coder: Coder<T>;
  windowing: WindowingStrategy;
  bounded: boolean;
}

/** The transform whose `expand` is running, and those of the pipelines around this one. */
interface Expanding {
  readonly pipeline: Pipeline;
  readonly node: TransformNode;
  readonly outer: Expanding | undefined;
}

/**
 * One for all pipelines: each storage that was ever used costs every later promise of the program on Node 20,
 * and a program may build thousands of pipelines.
 */
const expandingNow = new AsyncLocalStorage<Expanding>();

/** Who reads a file: a function of the program, or the Python that expands the transform. */
type FileReader = 'program' | 'Python';

/** All that a program has applied so far. */
export class Pipeline {
  readonly transforms: TransformNode[] = [];
  readonly pcollections: PCollectionNode[] = [];
  readonly roots: TransformNode[] = [];
  /** The user's functions by the key that travels in a payload: the transform's unique name. */
  readonly functions = new Map<string, unknown>();
  /**
   * Called in the launching program when all of a run has succeeded, before it is told: sinks give their
   * files their names there. One that throws fails the run.
   */
  readonly commits: (() => Promise<void>)[] = [];
  /**
   * Called in the process that runs this pipeline's functions when all elements have come to their end, before
   * {@link commits}: sinks that commit all along commit the rest. One that throws fails the run.
   */
  readonly lastCommits: (() => Promise<void>)[] = [];
  /**
   * Marks what the run leaves on disks until it ends, where workers elsewhere run it: the same for them and
   * for the program that submitted it, which removes what is left. Undefined where there are none.
   */
  runMark: string | undefined;
  /**
   * Whether {@link commits} will be called in the process that runs this pipeline's functions. A runner
   * says so before it starts; where none does, sinks commit in their last step.
   */
  isCommittedHere = false;
  /**
   * Whether the runner gives a step that wants it only what is in its checkpoint, and will come again as it was if it
   * comes again. Known before the first transform is applied.
   */
  hasStableInput = false;
  /** Asked in the launching program before a run that begins anew, and not from the state of one before. */
  readonly freshChecks: (() => Promise<void>)[] = [];
  /** Called in the launching program after a run, however it ended: sinks tidy up there. */
  readonly cleanUps: (() => Promise<void>)[] = [];
  /** Called in the launching program when the run is to come to its end: sources stop there. */
  readonly drains: (() => void)[] = [];
  /**
   * Sources of this process that something may be sent to as soon as the run is told of: each resolves when its
   * source has asked for what is first.
   */
  readonly openings: Promise<void>[] = [];
  /**
   * Asked before a run once it is known which PCollections have no end, those of other SDKs too: transforms that
   * need an end say there what they could not say when they were applied.
   */
  readonly boundedChecks: (() => BeamBridgeError | undefined)[] = [];
  private readonly fileChecks: { reader: FileReader; look: () => Promise<void> }[] = [];
  /** Transforms that were applied with `applyAsync` and are not expanded yet, outer ones first. */
  readonly expanding = new Map<TransformNode, Promise<unknown>>();
  /** Packages with native code that functions of this pipeline load: a program that travels has none. */
  readonly nativePackages = new Set<string>();
  /** Whether an expansion has a PCollection without an end, be it one of ours or not. */
  hasEndlessExpansion = false;
  /** What was applied too late, if anything was: it is not in any run. */
  tooLate: BeamBridgeError | undefined;
  /** Told of {@link tooLate}: the run of this pipeline, while it goes on, ends for it. */
  onTooLate: ((error: BeamBridgeError) => void) | undefined;
  private isConstructed = false;
  private readonly rootNames = new NameScope();

  /** Says that all is applied: a run takes the graph as it is now. */
  endConstruction(): void {
    this.isConstructed = true;
  }

  /**
   * Refuses what nobody would ever run, and has the run under way hear of it: who applies it may not be heard.
   *
   * @throws BeamBridgeError `INVALID_ARGUMENT` when the construction is over
   */
  refuseLate(base: string): void {
    if (!this.isConstructed) return;
    const parent = this.current;
    const error = new BeamBridgeError(
      'INVALID_ARGUMENT',
      'the pipeline has been submitted: what is applied now would not run',
      {
        transform: parent ? `${parent.name}/${base}` : base,
        appliedAt: callSite() ?? parent?.appliedAt,
        hint: 'Apply it in the function that is given to run(), before that function is over: await there what it waits for, in a for…of loop and not in forEach(async …), which awaits nothing.',
      },
    );
    this.tooLate ??= error;
    this.onTooLate?.(error);
    throw error;
  }

  /** Whether anything of it has no end. Of other SDKs' PCollections that is known once they are expanded. */
  get isStream(): boolean {
    return this.hasEndlessExpansion || this.pcollections.some(({ bounded }) => !bounded);
  }

  /** The transform whose `expand` is running, also across its awaits. */
  get current(): TransformNode | undefined {
    for (let scope = expandingNow.getStore(); scope; scope = scope.outer) {
      if (scope.pipeline === this) return scope.node;
    }
    return undefined;
  }

  /** Adds a transform below the one that is expanding. */
  addTransform(base: string, explicit: boolean): TransformNode {
    this.refuseLate(base);
    const parent = this.current;
    const prefix = parent ? `${parent.name}/` : '';
    const names = parent ? parent.names : this.rootNames;
    const name = prefix + names.claim(base, explicit, (n) => prefix + n);
    const appliedAt = callSite() ?? parent?.appliedAt;
    const node = new TransformNode(`t${this.transforms.length + 1}`, name, parent, appliedAt);
    this.transforms.push(node);
    (parent ? parent.children : this.roots).push(node);
    return node;
  }

  /** Says that what is being expanded is not for other threads of this program, see {@link TransformNode.staysHere}. */
  keepHere(why: string): void {
    const { current } = this;
    if (current) current.staysHere ??= why;
  }

  /** Runs `expand` with `node` as the parent of whatever it applies. */
  within<T>(node: TransformNode, expand: () => T): T {
    const around = expandingNow.getStore();
    const outer = around?.pipeline === this ? around.outer : around;
    return expandingNow.run({ pipeline: this, node, outer }, expand);
  }

  addPCollection<T>(
    producer: TransformNode,
    tag: string,
    options: OutputOptions<T>,
  ): PCollectionNode {
    checkTag(tag);
    if (producer.outputs.has(tag)) {
      throw new BeamBridgeError(
        'INVALID_ARGUMENT',
        `output ${JSON.stringify(tag)} is named twice`,
        {
          ...producer.errorDetails,
          hint: 'Give each output of a transform a tag of its own.',
        },
      );
    }
    const node: PCollectionNode = {
      id: `pc${this.pcollections.length + 1}`,
      name: `${producer.name}.${tag}`,
      coder: options.coder as Coder<unknown>,
      windowing: options.windowing,
      bounded: options.bounded,
      producer,
    };
    this.pcollections.push(node);
    producer.outputs.set(tag, node);
    return node;
  }

  /**
   * Has `check` look for a file of this machine that `node` is to read, and throw where there is none.
   *
   * @param reader - who reads it: the program's functions, or the Python that expands the node
   */
  addFileCheck(
    node: TransformNode,
    check: () => Promise<unknown>,
    reader: FileReader = 'program',
  ): void {
    const look = async () => {
      await check().catch((error: unknown) => {
        throw BeamBridgeError.from(error).with(node.errorDetails);
      });
    };
    this.fileChecks.push({ reader, look });
  }

  /**
   * Looks for the files that the run would miss later, before minutes are spent on it.
   *
   * @param readers - those that are on this machine for sure
   * @throws BeamBridgeError `FILE_NOT_FOUND`, `MODEL_NOT_FOUND`
   */
  async checkFiles(readers: readonly FileReader[]): Promise<void> {
    for (const { reader, look } of this.fileChecks) if (readers.includes(reader)) await look();
  }

  /** Registers a function of the user's and returns the bytes that name it in a payload. */
  addFunction(node: TransformNode, value: unknown, role = ''): Uint8Array {
    const key = role ? `${node.name}#${role}` : node.name;
    this.functions.set(key, value);
    return Buffer.from(key, 'utf8');
  }
}
