"""Descriptor sets of `template` and `adapter` resources: decoded, judged, turned into plain data.

No descriptor pool is built: sets carry copies of well-known files under several names, which a
pool refuses and Mixer took. Names lead to the first definition in the set.

Source: what Mixer 1.3 requires of them; its own texts are kept where it had any.
"""

import base64
import binascii
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError, Message

from remixer.foundation.errors import RemixerError
from remixer.wire.adapter_model import (
    HAS_OUTPUT,
    TEMPLATE_NAME_OPTION,
    VARIETY_OPTION,
    ServiceVariety,
)
from remixer.wire.descriptor_files import schema_of
from remixer.wire.descriptor_outputs import output_fields, type_message
from remixer.wire.descriptor_schema import (
    FieldSchema,
    FieldType,
    MessageSchema,
    ParamsSchema,
    Schema,
    ServiceSchema,
    TypeMessage,
)
from remixer.wire.field_bytes import MalformedMessageError, wire_fields

MAX_DESCRIPTOR_BYTES: Final = 4 << 20
"""Of one set, decoded; Mixer's own have 10 to 100 KiB."""
_NAME_LETTERS: Final = frozenset(string.ascii_letters)


class DescriptorFault(Enum):
    """What may be wrong with a descriptor set."""

    NOT_BASE64 = auto()
    NOT_A_SET = auto()
    NO_TEMPLATE = auto()
    SEVERAL_TEMPLATES = auto()
    BAD_NAME = auto()
    UNKNOWN_VARIETY = auto()
    INCOMPLETE = auto()
    """A message or service that must be there is not."""
    IMPORT_LOOP = auto()
    MISSING_IMPORT = auto()
    NO_PARAMS = auto()


class DescriptorError(RemixerError):
    """A set that cannot be used."""

    def __init__(self, fault: DescriptorFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message


@dataclass(frozen=True, slots=True)
class _Set:
    """The files of a set, each name once, and what they define."""

    files: Mapping[str, FileDescriptorProto]
    schema: Schema

    @property
    def missing(self) -> list[str]:
        """Names of imported files that are not in the set."""
        imported = {name for each in self.files.values() for name in each.dependency}
        return sorted(imported - self.files.keys())


def decode_template(text: str) -> ServiceSchema:
    """The service that a template's descriptor defines. Raises `DescriptorError`."""
    found = _read(text)
    file, variety_number = _template_file(found.files.values())
    name = _template_name(file)
    variety = _variety(variety_number)
    instance = found.schema.messages.get(f"{file.package}.InstanceMsg")
    if instance is None:
        raise _incomplete(file, f"there is no message `{file.package}.InstanceMsg`")
    path = _path(found, file)
    _require_types(found, instance)
    output = found.schema.messages.get(f"{file.package}.OutputMsg")
    if variety in HAS_OUTPUT and output is not None:
        _require_types(found, output)
    types = found.schema.messages.get(f"{file.package}.Type")
    return ServiceSchema(
        name=name,
        package=file.package,
        variety=variety,
        path=path,
        instance=instance,
        schema=found.schema,
        has_output=variety in HAS_OUTPUT and output is not None,
        output=output_fields(output, found.schema) if variety in HAS_OUTPUT and output else (),
        types=type_message(types, found.schema) if types else TypeMessage(),
    )


def decode_params(text: str) -> ParamsSchema:
    """The message `Params` of an adapter's descriptor. Raises `DescriptorError`.

    Source: the last file that defines one counts.
    """
    found = _read(text)
    packages = [
        file.package
        for file in found.files.values()
        if any(message.name == "Params" for message in file.message_type)
    ]
    if not packages:
        message = "cannot find message named 'Params' in the adapter configuration descriptor"
        raise DescriptorError(DescriptorFault.NO_PARAMS, message)
    name = f"{packages[-1]}.Params" if packages[-1] else "Params"
    params = found.schema.messages[name]
    _require_types(found, params)
    return ParamsSchema(params, found.schema)


def fields_without_encoder(service: ServiceSchema) -> Iterator[tuple[str, str]]:
    """Fields that no instance can set, and why: `SubjectMsg.photo`, ``is of type `bytes` ``."""
    for message in service.schema.reachable(service.instance):
        for field in message.fields:
            reason = ""
            if field.type in {FieldType.BYTES, FieldType.GROUP}:
                reason = f"is of type `{field.type.name.lower()}`"
            entry = service.schema.map_entry(field)
            if entry is not None and entry.fields[0].type is not FieldType.STRING:
                reason = "is a map whose keys are not `string`"
            is_ours = message.name.startswith(f"{service.package}.")
            if reason and is_ours and not message.is_map_entry:
                yield f"{message.name.removeprefix(service.package + '.')}.{field.name}", reason


def _read(text: str) -> _Set:
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        message = f"illegal base64 data: {error}"
        raise DescriptorError(DescriptorFault.NOT_BASE64, message) from error
    if len(content) > MAX_DESCRIPTOR_BYTES:
        message = f"{len(content)} bytes; at most {MAX_DESCRIPTOR_BYTES} are allowed"
        raise DescriptorError(DescriptorFault.NOT_A_SET, message)
    try:
        files = FileDescriptorSet.FromString(content).file
    except DecodeError as error:
        message = f"not a FileDescriptorSet, unexpected EOF or other bytes: {error}"
        raise DescriptorError(DescriptorFault.NOT_A_SET, message) from error
    if not files or not all(each.name for each in files):
        message = "not a FileDescriptorSet: it has no files with names"
        raise DescriptorError(DescriptorFault.NOT_A_SET, message)
    if not all(map(_is_text, files)):
        message = "not a FileDescriptorSet: it has names that are not UTF-8"
        raise DescriptorError(DescriptorFault.NOT_A_SET, message)
    by_name: dict[str, FileDescriptorProto] = {}
    for each in files:
        by_name.setdefault(each.name, each)
    _refuse_loops(by_name)
    return _Set(by_name, schema_of(by_name.values()))


def _is_text(message: Message) -> bool:
    """Whether all texts are texts: protobuf gives one that is not UTF-8 as bytes."""
    for field, value in message.ListFields():
        values = value if field.is_repeated else (value,)
        if field.type == field.TYPE_STRING and not all(isinstance(each, str) for each in values):
            return False
        if field.type == field.TYPE_MESSAGE and not all(map(_is_text, values)):
            return False
    return True


def _refuse_loops(files: Mapping[str, FileDescriptorProto]) -> None:
    """Depth first without recursion: a set may be a chain of a thousand files."""
    done: set[str] = set()
    for start in files:
        path: dict[str, Iterator[str]] = {}
        step: str | None = start
        while step is not None:
            if step in path:
                loop = " imports ".join([*list(path)[list(path).index(step) :], step])
                raise DescriptorError(DescriptorFault.IMPORT_LOOP, f"a loop of imports: {loop}")
            if step in files and step not in done:
                path[step] = iter(files[step].dependency)
            step = _next_import(path, done)


def _next_import(path: dict[str, Iterator[str]], done: set[str]) -> str | None:
    """The next file to visit; files all of whose imports were visited leave `path`."""
    while path:
        name = next(reversed(path))
        imported = next(path[name], None)
        if imported is not None:
            return imported
        del path[name]
        done.add(name)
    return None


def _template_file(files: Iterable[FileDescriptorProto]) -> tuple[FileDescriptorProto, int]:
    """The one file with option `template_variety`, and the option's value."""
    found = [(file, _option(file, VARIETY_OPTION)) for file in files]
    with_option = [(file, value) for file, value in found if isinstance(value, int)]
    if not with_option:
        message = (
            "there has to be one proto file that has the extension `template_variety`; none has it"
        )
        raise DescriptorError(DescriptorFault.NO_TEMPLATE, message)
    if len(with_option) > 1:
        first, second = with_option[0][0].name, with_option[1][0].name
        message = f"`{first}` and `{second}` both have the option `template_variety`"
        raise DescriptorError(DescriptorFault.SEVERAL_TEMPLATES, message)
    return with_option[0]


def _option(file: FileDescriptorProto, number: int) -> int | bytes | None:
    """An option's last value, read from bytes: whether the extension is registered is chance."""
    try:
        fields = wire_fields(file.options.SerializeToString())
        return next((each.value for each in reversed([*fields]) if each.number == number), None)
    except MalformedMessageError:
        return None


def _template_name(file: FileDescriptorProto) -> str:
    value = _option(file, TEMPLATE_NAME_OPTION)
    if not isinstance(value, bytes) or not value:
        message = f"`{file.name}` is missing required template_name option"
        raise DescriptorError(DescriptorFault.BAD_NAME, message)
    name = value.decode("utf-8", "replace")
    if not _NAME_LETTERS.issuperset(name):
        message = f"the template name '{name}' must match the regex '^[a-zA-Z]+$'"
        raise DescriptorError(DescriptorFault.BAD_NAME, message)
    return name


def _variety(number: int) -> ServiceVariety:
    try:
        return ServiceVariety(number)
    except ValueError:
        message = f"template_variety is {number}; wanted a number from 0 to 4"
        raise DescriptorError(DescriptorFault.UNKNOWN_VARIETY, message) from None


def _path(found: _Set, own: FileDescriptorProto) -> str:
    """Source: the first service whose name begins with `Handle`, and its first method.

    The template's own file is looked at first; only one in another file would be a surprise.
    """
    for file in (own, *found.files.values()):
        for service in file.service:
            if service.name.startswith("Handle") and service.method:
                scope = f"{file.package}." if file.package else ""
                return f"/{scope}{service.name}/{service.method[0].name}"
    raise _incomplete(own, "there is no service whose name begins with `Handle`")


def _incomplete(file: FileDescriptorProto, what: str) -> DescriptorError:
    message = f"{what} (looked in the files with `{file.name}`)"
    return DescriptorError(DescriptorFault.INCOMPLETE, message)


def _require_types(found: _Set, root: MessageSchema) -> None:
    """Raises `DescriptorError` if a message or enum below `root` is defined nowhere."""
    for message in found.schema.reachable(root):
        for field in message.fields:
            name = field.type_name
            if name and name not in found.schema.messages and name not in found.schema.enums:
                raise _undefined(message, field, found.missing)


def _undefined(
    message: MessageSchema, field: FieldSchema, missing: Sequence[str]
) -> DescriptorError:
    text = (
        f"`{message.name}.{field.name}` is of type `{field.type_name}`, "
        "which no file of the set defines"
    )
    if missing:
        text += f"; imported and missing: {', '.join(f'`{each}`' for each in missing)}"
        return DescriptorError(DescriptorFault.MISSING_IMPORT, text)
    return DescriptorError(DescriptorFault.INCOMPLETE, text)
