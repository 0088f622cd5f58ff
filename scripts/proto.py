# SPDX-License-Identifier: Apache-2.0
"""Reads Beam's wire types out of the installed apache-beam wheel.

The wheel carries no .proto files, but its *_pb2 modules carry every file
descriptor. This script merges the descriptors into one file per package and
writes, under the folder given as the first argument, `<package>.proto` (text,
for people), `descriptors.binpb` (a FileDescriptorSet, for the code generator)
and `urns.json` (every `beam_urn` and `beam_constant`, by enum and value).
"""

import importlib
import json
import pathlib
import pkgutil
import sys
from collections import defaultdict

from google.protobuf import descriptor_pb2, json_format, text_format
from google.protobuf.descriptor import FieldDescriptor

import apache_beam.portability.api as api

F = descriptor_pb2.FieldDescriptorProto
SCALARS = {
    F.TYPE_DOUBLE: "double", F.TYPE_FLOAT: "float", F.TYPE_INT64: "int64",
    F.TYPE_UINT64: "uint64", F.TYPE_INT32: "int32", F.TYPE_FIXED64: "fixed64",
    F.TYPE_FIXED32: "fixed32", F.TYPE_BOOL: "bool", F.TYPE_STRING: "string",
    F.TYPE_BYTES: "bytes", F.TYPE_UINT32: "uint32", F.TYPE_SFIXED32: "sfixed32",
    F.TYPE_SFIXED64: "sfixed64", F.TYPE_SINT32: "sint32", F.TYPE_SINT64: "sint64",
}  # fmt: skip
PREFIX = "org.apache.beam.model."


def short_name(package):
    """org.apache.beam.model.fn_execution.v1 is the file fn_execution.proto."""
    return package[len(PREFIX):].rsplit(".", 1)[0] + ".proto"


def file_descriptors():
    """Every descriptor of the wheel, with what each needs, in dependency order."""
    seen = {}

    def visit(fd):
        if fd.name in seen:
            return
        for dep in fd.dependencies:
            visit(dep)
        seen[fd.name] = fd

    for module in sorted(m.name for m in pkgutil.walk_packages(api.__path__, api.__name__ + ".")):
        if module.endswith("_pb2"):
            visit(importlib.import_module(module).DESCRIPTOR)
    return list(seen.values())


def merge(fds):
    """One FileDescriptorProto per Beam package; google's own files stay as they are."""
    home = {fd.name: short_name(fd.package) if fd.package.startswith(PREFIX) else fd.name for fd in fds}
    merged, order = {}, []
    for fd in fds:
        proto = descriptor_pb2.FileDescriptorProto()
        fd.CopyToProto(proto)
        name = home[fd.name]
        if name not in merged:
            merged[name] = descriptor_pb2.FileDescriptorProto(
                name=name, package=fd.package, syntax=proto.syntax)
            if not fd.package.startswith(PREFIX):
                merged[name].options.CopyFrom(proto.options)
            order.append(name)
        target = merged[name]
        for dep in proto.dependency:
            if home[dep] != name and home[dep] not in target.dependency:
                target.dependency.append(home[dep])
        for field in ("message_type", "enum_type", "service", "extension"):
            getattr(target, field).extend(getattr(proto, field))
    out, done = [], set()

    def emit(name):
        if name in done:
            return
        done.add(name)
        merged[name].dependency.sort()
        for dep in merged[name].dependency:
            emit(dep)
        out.append(merged[name])

    for name in order:
        emit(name)
    return out


def option_text(options):
    """Options in .proto syntax, custom ones by their full name."""
    out = []
    for field, value in options.ListFields():
        name = f"({field.full_name})" if field.is_extension else field.name
        repeated = value if field.is_repeated else [value]
        for v in repeated:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                text = "{ " + text_format.MessageToString(v, as_one_line=True) + " }"
            elif field.type == FieldDescriptor.TYPE_STRING:
                text = json.dumps(v)
            elif field.type == FieldDescriptor.TYPE_ENUM:
                text = field.enum_type.values_by_number[v].name
            elif field.type == FieldDescriptor.TYPE_BOOL:
                text = "true" if v else "false"
            else:
                text = str(v)
            out.append(f"{name} = {text}")
    return out


class Printer:
    """Prints one merged file as .proto text."""

    def __init__(self):
        self.lines, self.depth = [], 0

    def line(self, text=""):
        self.lines.append("  " * self.depth + text if text else "")

    def block(self, head, body):
        self.line(head + " {")
        self.depth += 1
        body()
        self.depth -= 1
        self.line("}")

    def field_type(self, field, maps):
        entry = maps.get(field.type_name)
        if entry:
            key, value = entry.field
            return f"map<{self.field_type(key, maps)}, {self.field_type(value, maps)}>"
        return SCALARS.get(field.type) or field.type_name.lstrip(".")

    def field(self, field, maps):
        label = ""
        if field.label == F.LABEL_REPEATED and field.type_name not in maps:
            label = "repeated "
        elif field.proto3_optional:
            label = "optional "
        options = option_text(field.options)
        tail = f" [{', '.join(options)}]" if options else ""
        self.line(f"{label}{self.field_type(field, maps)} {field.name} = {field.number}{tail};")

    def reserved(self, message, last):
        for r in message.reserved_range:
            end = r.end - 1 if last else r.end
            self.line(f"reserved {r.start}" + (f" to {end};" if end != r.start else ";"))
        if message.reserved_name:
            self.line("reserved " + ", ".join(json.dumps(n) for n in message.reserved_name) + ";")

    def message(self, message, scope):
        full = f"{scope}.{message.name}"
        maps = {f"{full}.{n.name}": n for n in message.nested_type if n.options.map_entry}

        def body():
            for option in option_text(message.options):
                self.line(f"option {option};")
            self.reserved(message, last=True)
            for enum in message.enum_type:
                self.enum(enum)
            for nested in message.nested_type:
                if not nested.options.map_entry:
                    self.message(nested, full)
            real_oneofs = {f.oneof_index for f in message.field
                           if f.HasField("oneof_index") and not f.proto3_optional}
            opened = set()
            for field in message.field:
                index = field.oneof_index if field.HasField("oneof_index") else None
                if index not in real_oneofs:
                    self.field(field, maps)
                elif index not in opened:
                    opened.add(index)
                    members = [f for f in message.field
                               if f.HasField("oneof_index") and f.oneof_index == index]
                    self.block(f"oneof {message.oneof_decl[index].name}",
                               lambda fields=members: [self.field(f, maps) for f in fields])

        self.block(f"message {message.name}", body)

    def enum(self, enum):
        def body():
            for option in option_text(enum.options):
                self.line(f"option {option};")
            self.reserved(enum, last=False)
            for value in enum.value:
                options = option_text(value.options)
                tail = f" [{', '.join(options)}]" if options else ""
                self.line(f"{value.name} = {value.number}{tail};")

        self.block(f"enum {enum.name}", body)

    def service(self, service):
        def side(name, stream):
            return ("stream " if stream else "") + name.lstrip(".")

        def body():
            for m in service.method:
                self.line(f"rpc {m.name}({side(m.input_type, m.client_streaming)}) "
                          f"returns ({side(m.output_type, m.server_streaming)});")

        self.block(f"service {service.name}", body)

    def file(self, proto, version):
        self.line("// SPDX-License-Identifier: Apache-2.0")
        self.line(f"// Generated by `npm run proto` from the apache-beam {version} wheel. Do not edit.")
        self.line()
        self.line('syntax = "proto3";')
        self.line()
        self.line(f"package {proto.package};")
        self.line()
        for dep in proto.dependency:
            self.line(f'import "{dep}";')
        extended = defaultdict(list)
        for extension in proto.extension:
            extended[extension.extendee].append(extension)
        for extendee, fields in extended.items():
            self.line()
            self.block(f"extend {extendee.lstrip('.')}", lambda fs=fields: [self.field(f, {}) for f in fs])
        for enum in proto.enum_type:
            self.line()
            self.enum(enum)
        for message in proto.message_type:
            self.line()
            self.message(message, "." + proto.package)
        for service in proto.service:
            self.line()
            self.service(service)
        return "\n".join(self.lines) + "\n"


def urns(files):
    """{package: {"Outer.Inner": {VALUE: urn or constant}}} for every annotated enum."""
    out = {}

    def visit(scope, enums, messages, found):
        for enum in enums:
            values = {}
            for value in enum.value:
                for field, text in value.options.ListFields():
                    if field.name in ("beam_urn", "beam_constant"):
                        values[value.name] = text
                    elif field.name == "monitoring_info_spec":
                        values[value.name] = text.urn
            if values:
                found[".".join(scope + [enum.name])] = values
        for message in messages:
            visit(scope + [message.name], message.enum_type, message.nested_type, found)

    for proto in files:
        found = {}
        visit([], proto.enum_type, proto.message_type, found)
        if found:
            out[proto.name.removesuffix(".proto")] = found
    return out


def main(out):
    import apache_beam

    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    files = merge(file_descriptors())
    for proto in files:
        if proto.package.startswith(PREFIX):
            (out / proto.name).write_text(Printer().file(proto, apache_beam.__version__))
    (out / "descriptors.binpb").write_bytes(
        descriptor_pb2.FileDescriptorSet(file=files).SerializeToString(deterministic=True))
    (out / "urns.json").write_text(json.dumps(urns(files), indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
