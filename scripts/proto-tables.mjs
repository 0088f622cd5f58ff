// SPDX-License-Identifier: Apache-2.0
// Turns what protoc-gen-es generates into code that describes a message when it is first used: src/proto/descriptors says why.
// Serialized descriptors become tables, and places in files become names. What a table cannot say is refused.

import { createFileRegistry } from '@bufbuild/protobuf';
import { nestedTypes } from '@bufbuild/protobuf/reflect';

/** Files of Google's that Beam's messages have fields of, in a module of their own. */
const GOOGLE = ['duration', 'struct', 'timestamp'];
/** One of FeatureSet.FieldPresence. */
const LEGACY_REQUIRED = 3;
const GOOGLE_MODULE = 'google_pb.ts';

function assert(condition, what) {
  if (!condition) throw new Error(`src/proto/descriptors cannot say ${what}`);
}

/** `Trigger.AfterAll`. */
function pathOf(type) {
  return type.parent ? `${pathOf(type.parent)}.${type.name}` : type.name;
}

function reference(type, from) {
  return type.file === from ? pathOf(type) : type.typeName;
}

function rowOf(field, file) {
  const { proto, name, number, oneof, fieldKind, presence, packed = false } = field;
  const isPacked = fieldKind === 'list' && !isUnpacked(field);
  assert(packed === isPacked && !proto.options?.packed, `how ${field} is packed`);
  assert(presence !== LEGACY_REQUIRED, `that ${field} is required`);
  assert(!field.delimitedEncoding && field.utf8Validation, `how ${field} is encoded`);
  assert(!proto.defaultValue && !field.longAsString, `the options of ${field}`);
  const more = {};
  if (fieldKind === 'list') more.list = 1;
  if (fieldKind === 'map') more.key = field.mapKey;
  if (oneof) more.oneof = field.parent.oneofs.indexOf(oneof);
  if (proto.proto3Optional) more.optional = 1;
  if (field.deprecated) more.deprecated = 1;
  const type =
    field.scalar ??
    (field.enum ? `#${reference(field.enum, file)}` : reference(field.message, file));
  return Object.keys(more).length > 0 ? [name, number, type, more] : [name, number, type];
}

function isUnpacked({ listKind, scalar }) {
  return listKind === 'message' || scalar === 9 || scalar === 12;
}

function tableOf(file) {
  assert(file.edition === 999, `that ${file} is no proto3`);
  const table = { messages: {}, enums: {}, services: {} };
  for (const type of nestedTypes(file)) {
    if (type.kind === 'message') {
      assert(!type.deprecated, `that ${type} is deprecated`);
      const oneofs = type.oneofs.map(({ name }) => name);
      const fields = type.fields.map((field) => rowOf(field, file));
      table.messages[pathOf(type)] = oneofs.length > 0 ? { fields, oneofs } : { fields };
    } else if (type.kind === 'enum') {
      assert(!type.deprecated && type.open, `that ${type} is deprecated or closed`);
      const values = type.values.map(({ name, localName, number }) => [name, localName, number]);
      const { sharedPrefix: prefix } = type;
      table.enums[pathOf(type)] = prefix === undefined ? { values } : { prefix, values };
    } else if (type.kind === 'service') {
      table.services[type.name] = type.methods.map((method) => {
        assert(method.idempotency === 0 && !method.deprecated, `the options of ${method}`);
        const { name, methodKind, input, output } = method;
        return [name, methodKind, reference(input, file), reference(output, file)];
      });
    }
  }
  return table;
}

const quoted = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

function callOf(file, dependencies) {
  const names = dependencies.length > 0 ? `, [${dependencies.join(', ')}]` : '';
  const table = quoted(JSON.stringify(tableOf(file)));
  return `fileDesc(${quoted(file.name)}, ${quoted(file.proto.package)}, ${table}${names})`;
}

/** One module's text. */
function lazy(text, file) {
  const typeAt = (path) => {
    const [first, ...rest] = path.split(', ').map(Number);
    return rest.reduce((message, i) => message.nestedMessages[i], file.messages[first]);
  };
  const enumAt = (path) => {
    const places = path.split(', ');
    const last = Number(places.pop());
    const found =
      places.length > 0 ? typeAt(places.join(', ')).nestedEnums[last] : file.enums[last];
    return pathOf(found);
  };
  return (
    text
      .replace(/^import \{ ([\w, ]+) \} from "@bufbuild\/protobuf\/codegenv2";$/m, (_, names) => {
        const used = names.split(', ').filter((name) => name !== 'extDesc');
        return `import { ${used.join(', ')} } from "../descriptors/index.ts";`;
      })
      .replace(
        /^import \{ (file_google[\w, ]+) \} from "@bufbuild\/protobuf\/wkt";$/m,
        (_, names) => {
          const used = names.split(', ').filter(isKnown);
          return `import { ${used.join(', ')} } from "./${GOOGLE_MODULE}";`;
        },
      )
      .replace(/fileDesc\("[\w+/=]*"(?:, \[([\w, ]+)\])?\)/, (_, names) =>
        callOf(file, names.split(', ').filter(isKnown)),
      )
      .replaceAll(
        /messageDesc\((\w+), ([\d, ]+)\)/g,
        (_, name, path) => `messageDesc(${name}, ${quoted(pathOf(typeAt(path)))})`,
      )
      .replaceAll(
        /enumDesc\((\w+), ([\d, ]+)\)/g,
        (_, name, path) => `enumDesc(${name}, ${quoted(enumAt(path))})`,
      )
      .replaceAll(
        /serviceDesc\((\w+), (\d+)\)/g,
        (_, name, i) => `serviceDesc(${name}, ${quoted(file.services[i].name)})`,
      )
      // Options of Beam's, which urns.ts has.
      .replaceAll(
        /\/\*\*\n \* @generated from extension: .*\n \*\/\nexport const .*\n {2}extDesc\(.*\);\n+/g,
        '',
      )
      .replace(/GenExtension, /, '')
      .replace(/EnumValueOptions, /, '')
  );
}

function isKnown(name) {
  return name !== 'file_google_protobuf_descriptor';
}

function googleModule(registry) {
  const lines = [
    '// SPDX-License-Identifier: Apache-2.0',
    '// Generated by `npm run proto`. Do not edit.',
    "// The files of Google's that Beam's messages have fields of.",
    '',
    'import type { GenFile, GenMessage } from "@bufbuild/protobuf/codegenv2";',
    'import type { Timestamp } from "@bufbuild/protobuf/wkt";',
    'import { fileDesc, messageDesc } from "../descriptors/index.ts";',
  ];
  for (const name of GOOGLE) {
    const file = registry.getFile(`google/protobuf/${name}.proto`);
    lines.push(
      '',
      `export const file_google_protobuf_${name}: GenFile = /*@__PURE__*/`,
      `  ${callOf(file, [])};`,
    );
  }
  lines.push(
    '',
    'export const TimestampSchema: GenMessage<Timestamp> = /*@__PURE__*/',
    "  messageDesc(file_google_protobuf_timestamp, 'Timestamp');",
  );
  return `${lines.join('\n')}\n`;
}

/** The modules to write, by name: those that were generated, as `{ name, content }`, with tables in them. */
export function withTables(modules, descriptors) {
  const registry = createFileRegistry(descriptors);
  const out = { [GOOGLE_MODULE]: googleModule(registry) };
  for (const { name, content } of modules) {
    out[name] = lazy(content, registry.getFile(name.replace(/_pb\.ts$/, '.proto')));
  }
  return out;
}
