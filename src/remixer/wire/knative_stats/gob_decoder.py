"""Reads stats in gob as an autoscaler of a given release does: for whoever plays one.

Theory of operation. The message's segments are definitions, by type id, and then one value. Before
the value is read, the sender's definitions are compared with what the reader declares: fields
match by name; one of another kind fails the message, even if the value has no such field. Then the
value is walked by the sender's definitions; what the reader does not declare is skipped.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from remixer.wire.knative_stats.gob_bytes import SECOND_NS, YEAR_1_S, GobReader
from remixer.wire.knative_stats.gob_encoder import BOOL_ID, FLOAT_ID, INT_ID, STRING_ID
from remixer.wire.knative_stats.gob_layouts import NUMBERS, POD_NAME, TIME, GobLayout, Kind
from remixer.wire.knative_stats.stat import RevisionKey, Stat, StatError

MOST_BYTES: Final = 64 * 1024
"""Of one message; one of the longest names has less than 20,000."""
MOST_TYPES: Final = 16
MOST_FIELDS: Final = 64
"""Of one struct; Knative's largest has seven."""
DEEPEST: Final = 8
_UINT_ID: Final = 3
_BYTES_ID: Final = 5
_STRUCT_TYPE: Final = 2
_SELF_MARSHALLED: Final = frozenset({4, 5, 6})
"""gob's own, binary and text marshalling: all are counted bytes."""
_FIRST_USER_ID: Final = 64
_TIME_BYTES: Final = 15

_OWN: Final = "marshals itself"
_KIND_NAMES: Final[Mapping[int, str]] = {
    BOOL_ID: "bool",
    INT_ID: "int",
    _UINT_ID: "uint",
    FLOAT_ID: "float",
    _BYTES_ID: "bytes",
    STRING_ID: "string",
}
_WANTED: Final[Mapping[Kind, str]] = {
    Kind.STRING: "string",
    Kind.FLOAT: "float",
    Kind.INT: "int",
    Kind.BOOL: "bool",
    Kind.TIME_POINTER: _OWN,
    Kind.TIME_VALUE: _OWN,
}
_Fields: TypeAlias = tuple[tuple[str, int], ...]
_Scalar: TypeAlias = "str | bytes | int | float | bool"
_Record: TypeAlias = "dict[str, _Scalar | _Record]"


@dataclass(frozen=True, slots=True)
class _Types:
    """What a message defines. Those that marshal themselves have no fields to know of."""

    structs: Mapping[int, _Fields]
    own: frozenset[int]

    def kind(self, type_id: int) -> str:
        if type_id in self.structs:
            return "struct"
        return _OWN if type_id in self.own else _KIND_NAMES.get(type_id, "")


def decode(payload: bytes, layout: GobLayout) -> Stat:
    """The stat as an autoscaler with this layout reads it. Raises `StatError`."""
    if len(payload) > MOST_BYTES:
        message = f"gob: a message of {len(payload)} bytes, at most {MOST_BYTES} are read"
        raise StatError(message)
    reader = GobReader(payload)
    types, value, type_id = _segments(reader)
    _compare(types, type_id, layout)
    record = _struct(value, types, type_id, depth=0)
    if not value.is_done:
        text = "bytes after the value"
        raise value.wrong(text)
    return _stat(record, layout)


def _segments(reader: GobReader) -> tuple[_Types, GobReader, int]:
    """The definitions; a reader of the value; its type's id."""
    structs: dict[int, _Fields] = {}
    own: set[int] = set()
    while True:
        segment = reader.segment()
        type_id = segment.signed()
        if type_id >= 0:
            break
        _define(segment, -type_id, structs, own)
        if len(structs) + len(own) > MOST_TYPES:
            text = f"more than {MOST_TYPES} types"
            raise segment.wrong(text)
    if type_id not in structs:
        text = f"unknown type id {type_id} or corrupted data"
        raise segment.wrong(text)
    if not reader.is_done:
        text = "bytes after the value"
        raise reader.wrong(text)
    return _Types(structs, frozenset(own)), segment, type_id


def _define(reader: GobReader, type_id: int, structs: dict[int, _Fields], own: set[int]) -> None:
    if type_id < _FIRST_USER_ID:
        text = f"unknown type id {type_id} or corrupted data"
        raise reader.wrong(text)
    if type_id in structs or type_id in own:
        text = f"type {type_id} is defined already"
        raise reader.wrong(text)
    form = reader.unsigned() - 1
    if form == _STRUCT_TYPE:
        structs[type_id] = _struct_type(reader)
    elif form in _SELF_MARSHALLED:
        own.add(type_id)
        _own_type(reader)
    else:
        text = f"type {type_id} is neither a struct nor marshals itself"
        raise reader.wrong(text)
    if reader.unsigned() or not reader.is_done:
        text = f"the definition of type {type_id} does not end where it should"
        raise reader.wrong(text)


def _struct_type(reader: GobReader) -> _Fields:
    fields: _Fields = ()
    index = -1
    while delta := reader.unsigned():
        index += delta
        if index == 0:
            _common(reader)
        elif index == 1:
            count = reader.unsigned()
            if count > MOST_FIELDS:
                text = f"a struct of {count} fields, at most {MOST_FIELDS} are read"
                raise reader.wrong(text)
            fields = tuple(_common(reader) for _ in range(count))
        else:
            text = "a type's description has no such field"
            raise reader.wrong(text)
    return fields


def _own_type(reader: GobReader) -> None:
    index = -1
    while delta := reader.unsigned():
        index += delta
        if index:
            text = "a type's description has no such field"
            raise reader.wrong(text)
        _common(reader)


def _common(reader: GobReader) -> tuple[str, int]:
    """A name and a type id; both of a type's description and of one of its fields."""
    name, type_id, index = "", 0, -1
    while delta := reader.unsigned():
        index += delta
        if index == 0:
            name = reader.text()
        elif index == 1:
            type_id = reader.signed()
        else:
            text = "a name and a type id are all that a description has"
            raise reader.wrong(text)
    return name, type_id


def _compare(types: _Types, type_id: int, layout: GobLayout) -> None:
    """Raises `StatError` for a field that the reader has as another kind."""
    wanted = {"Key": "struct" if layout.has_struct_key else "string", "Stat": "struct"}
    sent = _matched(types, type_id, wanted, "StatMessage")
    if layout.has_struct_key and "Key" in sent:
        _matched(types, sent["Key"], {"Namespace": "string", "Name": "string"}, "Key")
    if "Stat" in sent:
        _matched(types, sent["Stat"], {name: _WANTED[kind] for name, kind in layout.fields}, "Stat")


def _matched(types: _Types, type_id: int, wanted: Mapping[str, str], where: str) -> dict[str, int]:
    """Type ids of the fields that both sides have."""
    fields = types.structs[type_id]
    common = {name: field_id for name, field_id in fields if name in wanted}
    if fields and not common:
        message = f"gob: no field of {where} is known"
        raise StatError(message)
    for name, field_id in common.items():
        found = types.kind(field_id)
        if found != wanted[name]:
            message = (
                f"gob: wrong type for {where}.{name}: {wanted[name]} wanted, "
                f"{found or f'type {field_id}'} sent"
            )
            raise StatError(message)
    return common


def _struct(reader: GobReader, types: _Types, type_id: int, *, depth: int) -> _Record:
    if depth > DEEPEST:
        text = f"structs nested deeper than {DEEPEST}"
        raise reader.wrong(text)
    fields = types.structs[type_id]
    record: _Record = {}
    index = -1
    while delta := reader.unsigned():
        index += delta
        if index >= len(fields):
            text = f"field {index} of a struct of {len(fields)}"
            raise reader.wrong(text)
        name, field_id = fields[index]
        record[name] = _value(reader, types, field_id, depth=depth)
    return record


def _value(reader: GobReader, types: _Types, type_id: int, *, depth: int) -> "_Scalar | _Record":
    if type_id in types.structs:
        return _struct(reader, types, type_id, depth=depth + 1)
    match type_id:
        case _ if type_id in types.own or type_id == _BYTES_ID:
            return reader.counted()
        case 6:
            return reader.text()
        case 4:
            return reader.floating()
        case 2:
            return reader.signed()
        case 3:
            return reader.unsigned()
        case 1:
            return reader.boolean()
        case _:
            text = f"a value of the unknown type {type_id}"
            raise reader.wrong(text)


def _stat(record: _Record, layout: GobLayout) -> Stat:
    """Kinds were compared: what is there is what the names promise."""
    sent = record.get("Stat")
    stat = sent if isinstance(sent, dict) else {}
    declared = {name for name, _ in layout.fields}
    numbers: dict[str, float] = {}
    for name, ours in NUMBERS.items():
        number = stat.get(name)
        if name in declared and isinstance(number, (int, float)):
            numbers[ours] = float(number)
    pod_name = stat.get(POD_NAME)
    time = stat.get(TIME)
    return Stat(
        _key(record.get("Key")),
        pod_name if isinstance(pod_name, str) else "",
        **numbers,
        time_ns=_instant(time) if TIME in declared and isinstance(time, bytes) else None,
    )


def _key(sent: "_Scalar | _Record | None") -> RevisionKey:
    if isinstance(sent, dict):
        namespace, name = sent.get("Namespace"), sent.get("Name")
        return RevisionKey(
            namespace if isinstance(namespace, str) else "", name if isinstance(name, str) else ""
        )
    namespace, _, name = (sent if isinstance(sent, str) else "").partition("/")
    return RevisionKey(namespace, name)


def _instant(sent: bytes) -> int:
    """Unix time in nanoseconds of what Go's `time.Time` marshals itself to."""
    if len(sent) != _TIME_BYTES or sent[0] != 1:
        message = f"gob: {len(sent)} bytes of version {sent[:1].hex() or '-'} are no time"
        raise StatError(message)
    seconds = int.from_bytes(sent[1:9], "big", signed=True) - YEAR_1_S
    return seconds * SECOND_NS + int.from_bytes(sent[9:13], "big")
