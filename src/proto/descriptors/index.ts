// SPDX-License-Identifier: Apache-2.0
// What @bufbuild/protobuf is told of Beam's messages. Its own descriptors are all made when they are imported, of files in
// protobuf's own format that must be decoded first: a tenth of the time of a small run, which needs forty of 288 messages. Here
// each is described when it is first read or written, by a table that `npm run proto` makes of those descriptors. Beam's files
// are proto3, without options that bear on the wire, which the generator (scripts/proto-tables.mjs) makes sure of.

import type {
  DescEnum,
  DescEnumValue,
  DescFile,
  DescMessage,
  DescMethod,
  DescService,
  Message,
} from '@bufbuild/protobuf';
import type {
  GenEnum,
  GenFile,
  GenMessage,
  GenService,
  GenServiceMethods,
} from '@bufbuild/protobuf/codegenv2';
import { safeObjectProperty } from '@bufbuild/protobuf/reflect';
import { BeamBridgeError } from '../../base/index.ts';
import { type Members, membersOf } from './members.ts';
import { type FileTable, withoutProto } from './table.ts';

/** Edition.EDITION_PROTO3 of google/protobuf/descriptor.proto. */
const PROTO3 = 999;

class LazyFile {
  readonly kind = 'file';
  readonly edition = PROTO3;
  readonly deprecated = false;
  readonly extensions = [];
  private readonly known = new Map<string, LazyMessage | LazyEnum>();
  private parsed: FileTable | undefined;

  constructor(
    readonly name: string,
    readonly packageName: string,
    private readonly text: string,
    readonly dependencies: LazyFile[],
  ) {
    withoutProto(this);
  }

  get table(): FileTable {
    this.parsed ??= JSON.parse(this.text) as FileTable;
    return this.parsed;
  }

  get messages() {
    return this.messagesIn(undefined);
  }

  get enums() {
    return this.enumsIn(undefined);
  }

  get services() {
    return Object.keys(this.table.services).map((name) => new LazyService(this, name));
  }

  /** What is declared directly in a message, or in none. */
  messagesIn(parent: string | undefined) {
    return pathsIn(parent, this.table.messages).map((path) => this.message(path));
  }

  enumsIn(parent: string | undefined) {
    return pathsIn(parent, this.table.enums).map((path) => this.enumeration(path));
  }

  message(path: string): LazyMessage {
    const found = this.known.get(path) ?? new LazyMessage(this, path);
    this.known.set(path, found);
    return found as LazyMessage;
  }

  enumeration(path: string): LazyEnum {
    const found = this.known.get(path) ?? new LazyEnum(this, path);
    this.known.set(path, found);
    return found as LazyEnum;
  }

  /** What a table of this file names. */
  find(typeName: string): LazyMessage | LazyEnum {
    const isEnum = typeName.startsWith('#');
    const name = isEnum ? typeName.slice(1) : typeName;
    for (const file of [this, ...this.dependencies]) {
      const isElsewhere = name.startsWith(`${file.packageName}.`);
      const path = isElsewhere ? name.slice(file.packageName.length + 1) : name;
      if (!isElsewhere && file !== this) continue;
      if (isEnum && path in file.table.enums) return file.enumeration(path);
      if (!isEnum && path in file.table.messages) return file.message(path);
    }
    throw new BeamBridgeError('INTERNAL', `${name} is in no file that ${this.name} imports`);
  }

  toString(): string {
    return `file ${this.name}.proto`;
  }
}

function parentOf(path: string): string | undefined {
  const dot = path.lastIndexOf('.');
  return dot < 0 ? undefined : path.slice(0, dot);
}

function pathsIn(parent: string | undefined, all: object): string[] {
  return Object.keys(all).filter((path) => parentOf(path) === parent);
}

/** What messages and enumerations have in common. */
abstract class LazyType {
  readonly deprecated = false;
  readonly name: string;
  readonly typeName: string;

  constructor(
    readonly file: LazyFile,
    readonly path: string,
  ) {
    this.name = path.slice(path.lastIndexOf('.') + 1);
    this.typeName = `${file.packageName}.${path}`;
    withoutProto(this);
  }

  get parent(): LazyMessage | undefined {
    const path = parentOf(this.path);
    return path === undefined ? undefined : this.file.message(path);
  }
}

class LazyMessage extends LazyType {
  readonly kind = 'message';
  readonly nestedExtensions = [];
  private described: Members | undefined;

  private get all(): Members {
    const { file, path } = this;
    this.described ??= membersOf(
      this as unknown as DescMessage,
      file.table.messages[path]!,
      (typeName) => file.find(typeName) as unknown as DescMessage | DescEnum,
    );
    return this.described;
  }

  get fields() {
    return this.all.fields;
  }

  get field() {
    return this.all.field;
  }

  get oneofs() {
    return this.all.oneofs;
  }

  get members() {
    return this.all.members;
  }

  get nestedMessages() {
    return this.file.messagesIn(this.path);
  }

  get nestedEnums() {
    return this.file.enumsIn(this.path);
  }

  override toString(): string {
    return `message ${this.typeName}`;
  }
}

class LazyEnum extends LazyType {
  readonly kind = 'enum';
  readonly open = true;
  private described: DescEnumValue[] | undefined;

  private get table() {
    return this.file.table.enums[this.path]!;
  }

  get sharedPrefix(): string | undefined {
    return this.table.prefix;
  }

  get values(): DescEnumValue[] {
    this.described ??= this.table.values.map(([name, localName, number]) =>
      withoutProto({
        kind: 'enum_value' as const,
        deprecated: false,
        parent: this as unknown as DescEnum,
        name,
        localName,
        number,
        jsonName: name,
        toString: () => `enum value ${this.typeName}.${name}`,
      }),
    );
    return this.described;
  }

  /** By number; of several with one, the first. */
  get value(): Record<number, DescEnumValue> {
    return Object.fromEntries([...this.values].reverse().map((value) => [value.number, value]));
  }

  override toString(): string {
    return `enum ${this.typeName}`;
  }
}

class LazyService {
  readonly kind = 'service';
  readonly deprecated = false;
  readonly typeName: string;
  private described: DescMethod[] | undefined;

  constructor(
    readonly file: LazyFile,
    readonly name: string,
  ) {
    this.typeName = `${file.packageName}.${name}`;
    withoutProto(this);
  }

  get methods(): DescMethod[] {
    const { file, name: service } = this;
    this.described ??= file.table.services[service]!.map(([name, methodKind, input, output]) =>
      withoutProto({
        kind: 'rpc' as const,
        deprecated: false,
        parent: this as unknown as DescService,
        name,
        localName: safeObjectProperty(name[0]!.toLowerCase() + name.slice(1)),
        methodKind,
        input: file.find(input) as unknown as DescMessage,
        output: file.find(output) as unknown as DescMessage,
        idempotency: 0,
        toString: () => `rpc ${this.typeName}.${name}`,
      }),
    );
    return this.described;
  }

  get method(): Record<string, DescMethod> {
    return Object.fromEntries(this.methods.map((each) => [each.localName, each]));
  }

  toString(): string {
    return `service ${this.typeName}`;
  }
}

/** A file of the generated code. */
export function fileDesc(
  name: string,
  packageName: string,
  table: string,
  dependencies: DescFile[] = [],
): GenFile {
  const files = dependencies as unknown as LazyFile[];
  return new LazyFile(name, packageName, table, files) as unknown as GenFile;
}

/** A message of a file. */
export function messageDesc<T extends Message>(file: GenFile, path: string): GenMessage<T> {
  return (file as unknown as LazyFile).message(path) as unknown as GenMessage<T>;
}

/** An enumeration of a file. */
export function enumDesc<T extends number>(file: GenFile, path: string): GenEnum<T> {
  return (file as unknown as LazyFile).enumeration(path) as unknown as GenEnum<T>;
}

/** A service of a file. */
export function serviceDesc<T extends GenServiceMethods>(
  file: GenFile,
  name: string,
): GenService<T> {
  return new LazyService(file as unknown as LazyFile, name) as unknown as GenService<T>;
}
