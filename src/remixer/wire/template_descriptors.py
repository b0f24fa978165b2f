"""The service definition of a template, as its adapters and `template` resources need it.

From a template as data to a serialized `FileDescriptorSet` with all imports: the request, the
instance message, the service. It is what protoc would give for the `.proto` file that Mixer's
generator writes. Files carry Mixer's own names (`policy/v1beta1/type.proto`).

Source: names, numbers and messages of Mixer 1.3's template generator.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, assert_never

from google.protobuf.any_pb2 import DESCRIPTOR as ANY_FILE
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    FileOptions,
)

from remixer.attributes.values import ValueType
from remixer.foundation.errors import InternalError
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1 import (
    check_pb2,
    extensions_pb2,
    quota_pb2,
    report_pb2,
)
from remixer.wire._pb.istio.policy.v1beta1 import type_pb2, value_type_pb2
from remixer.wire.adapter_model import (
    ATTRIBUTE_BINDINGS_FIELD,
    HAS_OUTPUT,
    INSTANCE_NAME_FIELD,
    MODEL_PACKAGE,
    POLICY_PACKAGE,
    ServiceVariety,
    interface_name,
)

if TYPE_CHECKING:
    from google.protobuf.internal.extension_dict import _ExtensionFieldDescriptor

_OUR_FOLDER: Final = "remixer/istio/"
_ANY: Final = ".google.protobuf.Any"
_VALUE_TYPE: Final = f".{POLICY_PACKAGE}.ValueType"
_SERVICE_SUFFIX: Final = "_handler_service.proto"
_IMPORTABLE: Final[tuple[FileDescriptor, ...]] = (
    extensions_pb2.DESCRIPTOR,
    ANY_FILE,
    check_pb2.DESCRIPTOR,
    report_pb2.DESCRIPTOR,
    quota_pb2.DESCRIPTOR,
    type_pb2.DESCRIPTOR,
    value_type_pb2.DESCRIPTOR,
)

_SCALARS: Final = {
    ValueType.STRING: FieldDescriptorProto.TYPE_STRING,
    ValueType.INT64: FieldDescriptorProto.TYPE_INT64,
    ValueType.DOUBLE: FieldDescriptorProto.TYPE_DOUBLE,
    ValueType.BOOL: FieldDescriptorProto.TYPE_BOOL,
}
_WRAPPERS: Final = {
    ValueType.VALUE_TYPE_UNSPECIFIED: "Value",
    ValueType.TIMESTAMP: "TimeStamp",
    ValueType.DURATION: "Duration",
    ValueType.IP_ADDRESS: "IPAddress",
    ValueType.DNS_NAME: "DNSName",
    ValueType.EMAIL_ADDRESS: "EmailAddress",
    ValueType.URI: "Uri",
    ValueType.STRING_MAP: "StringMap",
}


class FieldData(Protocol):
    """One field; `remixer.templates.schema.Field`."""

    @property
    def name(self) -> str: ...
    @property
    def number(self) -> int: ...
    @property
    def type(self) -> ValueType | None: ...
    @property
    def message(self) -> "MessageData | None": ...
    @property
    def is_map(self) -> bool: ...


class MessageData(Protocol):
    """A message; `remixer.templates.schema.Message`."""

    @property
    def name(self) -> str: ...
    @property
    def fields(self) -> Sequence[FieldData]: ...
    @property
    def carrier(self) -> type: ...


class TemplateData(Protocol):
    """A template; `remixer.templates.schema.Template`."""

    @property
    def name(self) -> str: ...
    @property
    def variety(self) -> int: ...
    @property
    def package(self) -> str: ...
    @property
    def message(self) -> MessageData: ...
    @property
    def output(self) -> MessageData | None: ...


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a field holds: a scalar type, or the full name of a message or enum."""

    type: FieldDescriptorProto.Type.ValueType
    name: str = ""


_STRING: Final = _Kind(FieldDescriptorProto.TYPE_STRING)


def template_descriptor_set(template: TemplateData) -> bytes:
    """A serialized `FileDescriptorSet`: the template's service, after all that it imports."""
    service = _service_file(template)
    roots = [root for root in _IMPORTABLE if _is_needed(root, service)]
    service.dependency.extend(root.name.removeprefix(_OUR_FOLDER) for root in roots)
    files = {each.name: each for root in roots for each in _with_imports(root)}
    return FileDescriptorSet(file=[*files.values(), service]).SerializeToString()


def _is_needed(file: FileDescriptor, service: FileDescriptorProto) -> bool:
    if file is extensions_pb2.DESCRIPTOR:  # its options are written in every service file
        return True
    own = {*file.message_types_by_name, *file.enum_types_by_name}
    return any(f".{file.package}.{name}" in _mentioned_types(service) for name in own)


def _mentioned_types(service: FileDescriptorProto) -> frozenset[str]:
    waiting = list(service.message_type)
    found = {method.output_type for method in service.service[0].method}
    while waiting:
        message = waiting.pop()
        waiting.extend(message.nested_type)
        found.update(field.type_name for field in message.field)
    return frozenset(found)


def _with_imports(file: FileDescriptor) -> Iterator[FileDescriptorProto]:
    """The file under Mixer's name, after its imports."""
    for imported in file.dependencies:
        yield from _with_imports(imported)
    published = FileDescriptorProto()
    file.CopyToProto(published)
    published.name = published.name.removeprefix(_OUR_FOLDER)
    for position, imported_name in enumerate(published.dependency):
        published.dependency[position] = imported_name.removeprefix(_OUR_FOLDER)
    yield published


def _service_file(template: TemplateData) -> FileDescriptorProto:
    package = template.package.lower()
    file = FileDescriptorProto(
        name=f"mixer/template/{template.name}/{template.name}{_SERVICE_SUFFIX}",
        package=package,
        syntax="proto3",
    )
    file.options.MergeFrom(_options(template))
    interface = interface_name(template.message.carrier.__name__, template.name)
    names = _Names(f".{package}.", interface, ServiceVariety(template.variety))
    file.message_type.extend(_request_and_response(names))
    file.message_type.extend(_messages(template, names))
    file.service.add(name=f"Handle{interface}Service").method.add(
        name=f"Handle{interface}",
        input_type=names.own(f"Handle{interface}Request"),
        output_type=names.response,
    )
    return file


def _options(template: TemplateData) -> FileOptions:
    variety: _ExtensionFieldDescriptor[FileOptions, int]
    name: _ExtensionFieldDescriptor[FileOptions, str]
    # The generated stubs know no type of an extension.
    variety = extensions_pb2.template_variety  # type: ignore[assignment] # see above
    name = extensions_pb2.template_name  # type: ignore[assignment] # see above
    options = FileOptions()
    options.Extensions[variety] = int(template.variety)
    options.Extensions[name] = template.name
    return options


@dataclass(frozen=True, slots=True)
class _Names:
    """What the messages of one service are called."""

    scope: str
    interface: str
    variety: ServiceVariety

    def own(self, message: str) -> str:
        return self.scope + message

    @property
    def response(self) -> str:
        """Source: section "names" of the generator."""
        match self.variety:
            case ServiceVariety.CHECK:
                return f".{MODEL_PACKAGE}.CheckResult"
            case ServiceVariety.REPORT:
                return f".{MODEL_PACKAGE}.ReportResult"
            case ServiceVariety.QUOTA:
                return f".{MODEL_PACKAGE}.QuotaResult"
            case ServiceVariety.ATTRIBUTE_GENERATOR:
                return self.own("OutputMsg")
            case ServiceVariety.CHECK_WITH_OUTPUT:
                return self.own(f"Handle{self.interface}Response")
            case _:
                assert_never(self.variety)


def _request_and_response(names: _Names) -> Iterator[DescriptorProto]:
    request = DescriptorProto(name=f"Handle{names.interface}Request")
    instance = _Kind(FieldDescriptorProto.TYPE_MESSAGE, names.own("InstanceMsg"))
    if names.variety is ServiceVariety.REPORT:
        _add_field(request, "instances", 1, instance, is_repeated=True)
    else:
        _add_field(request, "instance", 1, instance)
    _add_field(request, "adapter_config", 2, _message_kind(_ANY))
    _add_field(request, "dedup_id", 3, _STRING)
    if names.variety is ServiceVariety.QUOTA:
        _add_field(request, "quota_request", 4, _message_kind(f".{MODEL_PACKAGE}.QuotaRequest"))
    yield request
    if names.variety is ServiceVariety.CHECK_WITH_OUTPUT:
        response = DescriptorProto(name=f"Handle{names.interface}Response")
        _add_field(response, "result", 1, _message_kind(f".{MODEL_PACKAGE}.CheckResult"))
        _add_field(response, "output", 2, _message_kind(names.own("OutputMsg")))
        yield response


def _messages(template: TemplateData, names: _Names) -> Iterator[DescriptorProto]:
    """Instance, types and params of the template and of every message that it uses."""
    if names.variety in HAS_OUTPUT and template.output is not None:
        yield _filled(names, "OutputMsg", template.output, _instance_kind)
    instance = _filled(names, "InstanceMsg", template.message, _instance_kind)
    _add_field(instance, "name", INSTANCE_NAME_FIELD, _STRING)
    params = _filled(names, "InstanceParam", template.message, _param_kind)
    if names.variety is ServiceVariety.ATTRIBUTE_GENERATOR:
        _add_map(names, params, "attribute_bindings", ATTRIBUTE_BINDINGS_FIELD, _STRING)
    yield instance
    yield _filled(names, "Type", template.message, _type_kind)
    yield params
    for message in _used_messages(template.message.fields):
        yield _filled(names, f"{message.name}Msg", message, _instance_kind)
        yield _filled(names, f"{message.name}Type", message, _type_kind)
        yield _filled(names, f"{message.name}InstanceParam", message, _param_kind)


def _used_messages(fields: Iterable[FieldData]) -> list[MessageData]:
    """Every message that the fields, however deep, hold; each once by name."""
    found: dict[str, MessageData] = {}
    waiting = list(fields)
    while waiting:
        message = waiting.pop(0).message
        if message is not None and message.name not in found:
            found[message.name] = message
            waiting.extend(message.fields)
    return list(found.values())


_KindOf: TypeAlias = Callable[[FieldData, _Names], _Kind | None]


def _instance_kind(field: FieldData, names: _Names) -> _Kind:
    """What an adapter gets."""
    if field.message is not None:
        return _message_kind(names.own(f"{field.message.name}Msg"))
    if field.type is None:
        message = f"field `{field.name}` has neither a type nor a message"
        raise InternalError(message)
    if field.type in _SCALARS:
        return _Kind(_SCALARS[field.type])
    return _message_kind(f".{POLICY_PACKAGE}.{_WRAPPERS[field.type]}")


def _type_kind(field: FieldData, names: _Names) -> _Kind | None:
    """What an adapter may know before the first request: types of values that have any."""
    if field.message is not None:
        return _message_kind(names.own(f"{field.message.name}Type"))
    if field.type is ValueType.VALUE_TYPE_UNSPECIFIED:
        return _Kind(FieldDescriptorProto.TYPE_ENUM, _VALUE_TYPE)
    return None


def _param_kind(field: FieldData, names: _Names) -> _Kind:
    """What an operator writes: expressions."""
    if field.message is not None:
        return _message_kind(names.own(f"{field.message.name}InstanceParam"))
    return _STRING


def _message_kind(name: str) -> _Kind:
    return _Kind(FieldDescriptorProto.TYPE_MESSAGE, name)


def _filled(names: _Names, name: str, source: MessageData, kind_of: _KindOf) -> DescriptorProto:
    message = DescriptorProto(name=name)
    for field in source.fields:
        kind = kind_of(field, names)
        if kind is None:
            continue
        if field.is_map:
            _add_map(names, message, field.name, field.number, kind)
        else:
            _add_field(message, field.name, field.number, kind)
    return message


def _add_field(
    message: DescriptorProto, name: str, number: int, kind: _Kind, *, is_repeated: bool = False
) -> None:
    label = (
        FieldDescriptorProto.LABEL_REPEATED if is_repeated else FieldDescriptorProto.LABEL_OPTIONAL
    )
    field = message.field.add(name=name, number=number, label=label, type=kind.type)
    if kind.name:
        field.type_name = kind.name


def _add_map(names: _Names, message: DescriptorProto, name: str, number: int, kind: _Kind) -> None:
    """A map from string: repeated entries of a message inside `message`."""
    entry_name = "".join(part[:1].upper() + part[1:] for part in name.split("_")) + "Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    _add_field(entry, "key", 1, _STRING)
    _add_field(entry, "value", 2, kind)
    holder = _message_kind(names.own(f"{message.name}.{entry_name}"))
    _add_field(message, name, number, holder, is_repeated=True)
