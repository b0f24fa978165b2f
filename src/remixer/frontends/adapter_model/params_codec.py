"""An adapter's parameters out of `adapter_config`.

Two forms are understood: the message that the `adapter` resource describes
(`params_schema`), and `google.protobuf.Struct`, for callers without descriptors, written as an
operator writes `params`. Both become a located tree and go through the configuration's own strict
decoder, so that a fault reads the same in both places.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration as DurationMessage
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.struct_pb2 import Value as StructValue
from google.protobuf.unknown_fields import UnknownFieldSet

from remixer.foundation.documents.nodes import ListNode, MapEntry, MapNode, Node, Scalar, ScalarNode
from remixer.foundation.durations import format_duration
from remixer.foundation.errors import InvalidRequestError
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Location, Problem
from remixer.frontends.adapter_model.params_schema import params_descriptor_set, params_package
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.wire.adapter_requests import PackedConfig
from remixer.wire.proto_json.decode import TYPE_KEY, Place, decode

_STRUCT: Final = "google.protobuf.Struct"
_PLACE: Final = Location("adapter_config")
_NS_PER_SECOND: Final = 1_000_000_000
_MOST_PROBLEMS: Final = 10
"""Told to the caller; enough to see what is wrong."""


class ParamsError(InvalidRequestError):
    """Parameters that cannot be used."""


class ParamsCodec:
    """Decodes one adapter's parameters."""

    __slots__ = ("_class", "_info", "_pool", "_type_name")

    def __init__(self, info: AnyAdapterInfo) -> None:
        """Raises `SchemaError` for a params class without a schema."""
        self._info = info
        self._pool = descriptor_pool.DescriptorPool()
        for file in params_descriptor_set(info.name, type(info.defaults)).file:
            self._pool.Add(file)
        self._type_name = f"{params_package(info.name)}.Params"
        descriptor: Descriptor = self._pool.FindMessageTypeByName(self._type_name)
        self._class = message_factory.GetMessageClass(descriptor)

    def decode(self, config: PackedConfig | None) -> object:
        """The adapter's params, its defaults where nothing is said. Raises `ParamsError`."""
        if config is None:
            return self._info.defaults
        problems: list[Problem] = []
        place = Place("", Findings("", problems))
        decoded: object = decode(self._tree(config), self._info.defaults, place)
        if decoded is None:
            raise ParamsError(
                self._text((each.field, each.message, each.hint) for each in problems)
            )
        return decoded

    def refused(self, problems: Iterable[tuple[str, str, str]]) -> ParamsError:
        """What `validate` found, as an error for the caller: path, message and hint of each."""
        return ParamsError(self._text(problems))

    def _text(self, problems: Iterable[tuple[str, str, str]]) -> str:
        lines = []
        for path, message, hint in problems:
            where = f"{path}: " if path else ""
            lines.append(f"{where}{message}{f'. {hint}' if hint else ''}")
        more = [f"and {len(lines) - _MOST_PROBLEMS} more"] if len(lines) > _MOST_PROBLEMS else []
        found = "; ".join([*lines[:_MOST_PROBLEMS], *more])
        return f"adapter `{self._info.name}`: adapter_config: {found}"

    def _tree(self, config: PackedConfig) -> Node:
        try:
            if config.type_name == _STRUCT:
                return _of_struct(Struct.FromString(config.value))
            if config.type_name != self._type_name:
                fault = (
                    f"is a `{config.type_name}`; wanted `{self._type_name}`, or `{_STRUCT}`",
                    "Describe the adapter again: `remixer adapter describe`.",
                )
                raise ParamsError(self._text([("", *fault)]))
            return self._of_message(self._class.FromString(config.value), "")
        except (DecodeError, UnicodeDecodeError) as error:
            fault_text = f"{len(config.value)} bytes are no `{config.type_name}` ({error})"
            raise ParamsError(self._text([("", fault_text, "")])) from error

    def _of_message(self, message: Message, path: str) -> Node:
        self._refuse_unknown(message, path)
        entries = [
            MapEntry(field.name, self._of_field(field, value, f"{path}{field.name}"), _PLACE)
            for field, value in message.ListFields()
        ]
        return MapNode(tuple(entries), _PLACE)

    def _refuse_unknown(self, message: Message, path: str) -> None:
        """A number that the dataclass lacks: the resource is of another version of the adapter."""
        unknown = UnknownFieldSet(message)
        numbers = sorted({unknown[at].field_number for at in range(len(unknown))})
        if numbers:
            known = {each.number for each in message.DESCRIPTOR.fields}
            what = "has a value outside its enum" if numbers[0] in known else "is not known"
            fault = (path.rstrip("."), f"field number {numbers[0]} {what}")
            hint = "Describe the adapter again: `remixer adapter describe`."
            raise ParamsError(self._text([(*fault, hint)]))

    def _of_field(self, field: FieldDescriptor, value: object, path: str) -> Node:
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            held = inner.fields_by_name["value"]
            assert isinstance(value, Mapping)  # noqa: S101 - what protobuf gives for a map
            pairs = sorted(value.items())
            return MapNode(
                tuple(
                    MapEntry(key, self._of_value(held, each, f"{path}[{key}]"), _PLACE)
                    for key, each in pairs
                ),
                _PLACE,
            )
        if field.is_repeated:
            assert isinstance(value, Iterable)  # noqa: S101 - what protobuf gives for a list
            items = enumerate(value)
            return ListNode(
                tuple(self._of_value(field, each, f"{path}[{at}]") for at, each in items), _PLACE
            )
        return self._of_value(field, value, path)

    def _of_value(self, field: FieldDescriptor, value: object, path: str) -> Node:
        match value:
            case Message():
                return self._of_inner(value, path)
            case bytes() if field.type == FieldDescriptor.TYPE_STRING:
                # Texts of proto2 may be any bytes; those that are no text stay bytes.
                raise ParamsError(self._text([(path, "the text is not UTF-8", "")]))
            case bytes():
                return _leaf(base64.b64encode(value).decode())
            case bool() | int() | float() | str():
                return _leaf(value)
            case _:
                text = f"a {type(value).__name__} is no value of `{field.name}`"
                raise ParamsError(self._text([(path, text, "")]))

    def _of_inner(self, message: Message, path: str) -> Node:
        # Classes of a pool of our own are not those of protobuf's modules: bytes carry over.
        match message.DESCRIPTOR.full_name:
            case "google.protobuf.Duration":
                length = DurationMessage.FromString(message.SerializeToString())
                return _leaf(format_duration(length.seconds * _NS_PER_SECOND + length.nanos))
            case "google.protobuf.Any":
                return self._of_any(AnyMessage.FromString(message.SerializeToString()), path)
            case "google.protobuf.Struct":
                return _of_struct(Struct.FromString(message.SerializeToString()))
            case "google.protobuf.Value":
                return _of_struct_value(StructValue.FromString(message.SerializeToString()))
            case _:
                return self._of_message(message, f"{path}.")

    def _of_any(self, packed: AnyMessage, path: str) -> Node:
        name = packed.type_url.rpartition("/")[2]
        url = MapEntry(TYPE_KEY, _leaf(packed.type_url), _PLACE)
        try:
            descriptor: Descriptor = self._pool.FindMessageTypeByName(name)
        except KeyError:
            return MapNode((url,), _PLACE)  # the decoder says which ones may stand here
        message = message_factory.GetMessageClass(descriptor).FromString(packed.value)
        found = self._of_message(message, f"{path}.")
        return MapNode((url, *(found if isinstance(found, MapNode) else ())), _PLACE)


def _leaf(value: Scalar) -> ScalarNode:
    return ScalarNode(value, "" if value is None else str(value), _PLACE)


def _of_struct(struct: Struct) -> MapNode:
    pairs = sorted(struct.fields.items())
    return MapNode(
        tuple(MapEntry(key, _of_struct_value(value), _PLACE) for key, value in pairs), _PLACE
    )


def _of_struct_value(value: StructValue) -> Node:
    match value.WhichOneof("kind"):
        case "struct_value":
            return _of_struct(value.struct_value)
        case "list_value":
            return ListNode(tuple(map(_of_struct_value, value.list_value.values)), _PLACE)
        case "string_value":
            return _leaf(value.string_value)
        case "number_value":
            return _leaf(value.number_value)
        case "bool_value":
            return _leaf(value.bool_value)
        case _:
            return _leaf(None)
