"""Attributes of finished HTTP requests, read for many of them at once.

Theory of operation. The bag of a finished request (`HttpReportBag`) stands on what does not change
any more, so it can be kept and read later. What it says is told by the tables of `http_bag` and
`http_report`; here the same is told column by column, in a fraction of the time: without a call
for each value, without decoding what may be known already, and for attributes that most requests do
not have with one look at all of them. Reading the bags one by one is the oracle of this, in
tests/property/test_http_columns.py.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from types import NoneType
from typing import Final, NamedTuple, TypeAlias

from remixer.attributes.bag import PlainBag
from remixer.attributes.byte_headers import ByteHeaders
from remixer.attributes.http_bag import APART, STATIC_FIRST, HttpBag, HttpFacts
from remixer.attributes.http_report import DENIED, NO_CODE, HttpEnding, HttpReportBag
from remixer.attributes.http_request import api_key, is_grpc, namespace_of
from remixer.attributes.record_rows import RowReader, records_of
from remixer.attributes.records import (
    Cell,
    Column,
    Kind,
    Records,
    split_by_presence,
    text_of,
)
from remixer.attributes.values import Value

_FORWARDED_NAMES: Final = frozenset(
    {
        "source.uid",
        "source.namespace",
        "destination.service.name",
        "destination.service.uid",
        "destination.service.host",
        "destination.service.namespace",
    }
)
_PSEUDO: Final = (":authority", ":method", ":path", ":scheme")
_HEADER_TYPES: Final = frozenset({ByteHeaders, NoneType})
_APART: Final = tuple(name.encode() for name in APART)
_MOST_STATICS: Final = 64
"""Sets of static attributes that are remembered; a process has one for each application in it."""
_BYTES: Final = frozenset({bytes})
_NO_LINES: Final = ByteHeaders(())
_Cells: TypeAlias = Sequence[Cell]
_Columns: TypeAlias = dict[str, Column]
_Named: TypeAlias = Sequence[Mapping[bytes, bytes]]

_KINDS: Final[Mapping[str, Kind]] = {
    "source.ip": Kind.BYTES,
    "source.port": Kind.INT64,
    "source.principal": Kind.STRING,
    "source.user": Kind.STRING,
    "source.namespace": Kind.STRING,
    "origin.ip": Kind.BYTES,
    "destination.ip": Kind.BYTES,
    "destination.port": Kind.INT64,
    "destination.principal": Kind.STRING,
    "connection.mtls": Kind.BOOL,
    "connection.requested_server_name": Kind.STRING,
    "context.protocol": Kind.STRING,
    "context.time": Kind.TIMESTAMP,
    "request.time": Kind.TIMESTAMP,
    "request.id": Kind.RAW_STRING,
    "request.method": Kind.STRING,
    "request.path": Kind.STRING,
    "request.url_path": Kind.STRING,
    "request.query_params": Kind.STRING_MAP,
    "request.host": Kind.STRING,
    "request.scheme": Kind.STRING,
    "request.headers": Kind.STRING_MAP,
    "request.useragent": Kind.RAW_STRING,
    "request.referer": Kind.RAW_STRING,
    "request.api_key": Kind.STRING,
    "request.size": Kind.INT64,
    "request.total_size": Kind.INT64,
    "response.code": Kind.INT64,
    "response.duration": Kind.DURATION,
    "response.headers": Kind.STRING_MAP,
    "response.size": Kind.INT64,
    "response.total_size": Kind.INT64,
    "response.time": Kind.TIMESTAMP,
    "response.grpc_status": Kind.RAW_STRING,
    "response.grpc_message": Kind.RAW_STRING,
    "context.proxy_error_code": Kind.STRING,
    "check.error_code": Kind.INT64,
    "check.error_message": Kind.STRING,
    "check.cache_hit": Kind.BOOL,
    "quota.cache_hit": Kind.BOOL,
}
"""Of what a request and its end tell."""
_CLASSES: Final[Mapping[Kind, frozenset[type]]] = {
    Kind.STRING: frozenset({str, NoneType}),
    Kind.RAW_STRING: frozenset({bytes, NoneType}),
    Kind.INT64: frozenset({int, NoneType}),
    Kind.BOOL: frozenset({bool, NoneType}),
    Kind.BYTES: frozenset({bytes, NoneType}),
}
"""What servers and applications gave us may be of any."""


class _Static(NamedTuple):
    """Attributes of a service, prepared."""

    source: Mapping[str, Value]
    columns: Mapping[str, Column]
    """Of one cell each."""
    is_plain: bool
    """Whether they are of the same kinds as what may come over them."""


class HttpReader:
    """Reads the bags of finished requests."""

    __slots__ = ("_rows", "_statics")

    def __init__(self) -> None:
        self._rows = RowReader()
        self._statics: dict[int, _Static] = {}
        """By identity of their source, which they keep from being another's."""

    def has_columns(self, bag: HttpReportBag) -> bool:
        """Whether `records` can tell a bag; else it must be read by itself."""
        checked, end = bag.checked, bag.end
        if type(checked) is not HttpBag or not self._static(checked.static).is_plain:
            return False
        if checked.forwarded and not checked.forwarded.keys() <= _FORWARDED_NAMES:
            return False
        parts = {type(checked.facts.headers), type(end.headers), type(end.trailers)}
        return parts <= _HEADER_TYPES

    def records(self, bags: Iterable[HttpReportBag]) -> Iterator[Records]:
        """Of bags that have columns, in order.

        Raises TypeError if one says what no attribute can be.
        """
        for _, alike in groupby(bags, key=_static_of):
            same = [*alike]
            yield from split_by_presence(self._columns(same), len(same))

    def _columns(self, bags: Sequence[HttpReportBag]) -> _Columns:
        """None in a cell: absent."""
        checked: list[HttpBag] = [each.checked for each in bags]  # type: ignore[misc] # `has_columns` has seen to it
        static = self._static(checked[0].static).columns
        columns = {
            name: Column(kind, [*cells] * len(bags), is_same=True)
            for name, (kind, cells, _) in static.items()
        }
        for name, cells in _request_cells([each.facts for each in checked]).items():
            if name not in STATIC_FIRST or name not in static:
                _lay_over(columns, name, cells)
        for name in set[str]().union(*(each.forwarded for each in checked)):
            _lay_over(columns, name, [each.forwarded.get(name) for each in checked])
        for name, cells in _end_cells([each.end for each in bags]).items():
            _lay_over(columns, name, cells)
        return columns

    def _static(self, source: Mapping[str, Value]) -> _Static:
        found = self._statics.get(id(source))
        if found is None:
            if len(self._statics) >= _MOST_STATICS:
                self._statics.clear()
            columns = next(records_of([self._rows.row(PlainBag(source))])).columns
            is_plain = all(_may_be_under(name, each.kind) for name, each in columns.items())
            found = self._statics[id(source)] = _Static(source, columns, is_plain)
        return found


def _static_of(bag: HttpReportBag) -> int:
    return id(bag.checked.static)  # type: ignore[attr-defined] # `has_columns` has seen to it


def _may_be_under(name: str, kind: Kind) -> bool:
    if name in _FORWARDED_NAMES and kind is not Kind.STRING:
        return False
    over = Kind.STRING if (told := _KINDS.get(name)) is Kind.RAW_STRING else told
    return over is None or over is kind or name in STATIC_FIRST


def _lay_over(columns: _Columns, name: str, cells: _Cells) -> None:
    """What cells tell wins over what there is. Raises TypeError for what does not belong there."""
    kind = _KINDS.get(name, Kind.STRING)
    classes = _CLASSES.get(kind)
    first = cells[0]
    if cells.count(first) == len(cells):
        if first is not None:
            if classes is not None and type(first) not in classes:
                _look_at({type(first)} - classes, name, kind)
            columns[name] = Column(kind, cells, is_same=True)
        return
    if classes is not None and (others := {*map(type, cells)} - classes):
        _look_at(others, name, kind)
    below = columns.get(name)
    if below is not None and None in cells:
        if kind is Kind.RAW_STRING:
            cells = [None if cell is None else text_of(cell) for cell in cells]
        pairs = zip(cells, below.cells, strict=True)
        kind, cells = below.kind, [low if cell is None else cell for cell, low in pairs]
    columns[name] = Column(kind, cells)


def _look_at(odd: set[type], name: str, kind: Kind) -> None:
    """Numbers may be enums."""
    if kind is Kind.INT64 and all(issubclass(each, int) for each in odd):
        return
    wrong = ", ".join(sorted(each.__name__ for each in odd))
    text = f"{name} of type {wrong}: no such attribute"
    raise TypeError(text)


def _request_cells(facts: Sequence[HttpFacts]) -> Mapping[str, _Cells]:
    headers: list[ByteHeaders] = [each.headers for each in facts]  # type: ignore[misc] # `has_columns` has seen to it
    named = [each.by_name() for each in headers]
    _look_at_headers(named)
    received = [each.received_at for each in facts]
    return {
        "source.ip": [each.source_ip for each in facts],
        "source.port": [each.source_port for each in facts],
        "origin.ip": [each.peer_ip for each in facts],
        "destination.ip": [each.destination_ip for each in facts],
        "destination.port": [each.destination_port for each in facts],
        "connection.requested_server_name": [each.server_name or None for each in facts],
        "context.protocol": _protocols(named),
        "context.time": received,
        "request.time": received,
        "request.id": [each.get(b"x-request-id") for each in named],
        "request.method": [each.method for each in facts],
        "request.host": [each.authority for each in facts],
        "request.scheme": [each.scheme or "http" for each in facts],
        "request.headers": [_told(*each) for each in zip(facts, named, strict=True)],
        "request.useragent": [each.get(b"user-agent") for each in named],
        "request.referer": [each.get(b"referer") for each in named],
        **_path_cells(facts, named),
        **_identity_cells(facts),
    }


def _look_at_headers(named: _Named) -> None:
    """Raises TypeError for what only looks like bytes."""
    names = {*map(type, chain.from_iterable(named))}
    values = {*map(type, chain.from_iterable([each.values() for each in named]))}
    if not names | values <= _BYTES:
        text = "headers that are no bytes must be read one by one"
        raise TypeError(text)


def _identity_cells(facts: Sequence[HttpFacts]) -> Mapping[str, _Cells]:
    """What certificates tell; mostly there are none."""
    principals = [each.source_principal for each in facts]
    cells: dict[str, _Cells] = {
        "destination.principal": [each.destination_principal for each in facts],
        "connection.mtls": [
            each.has_client_certificate or each.source_principal is not None for each in facts
        ],
    }
    if principals.count(None) < len(principals):
        cells["source.principal"] = cells["source.user"] = principals
        cells["source.namespace"] = [namespace_of(each) for each in principals]
    return cells


def _protocols(named: _Named) -> _Cells:
    types = [each.get(b"content-type") for each in named]
    if types.count(None) == len(types):
        return ["http"] * len(types)
    known = {each: "grpc" if each and is_grpc(text_of(each)) else "http" for each in {*types}}
    return [known[each] for each in types]


def _told(facts: HttpFacts, named: Mapping[bytes, bytes]) -> Cell:
    """`request.headers`."""
    others = {**named}
    for name in _APART:
        others.pop(name, None)
    texts = (facts.authority, facts.method, facts.path, facts.scheme)
    if all(texts):
        return (*_PSEUDO, *others), (*texts, *others.values())
    pseudo = {name: text for name, text in zip(_PSEUDO, texts, strict=True) if text}
    return (*pseudo, *others), (*pseudo.values(), *others.values())


def _path_cells(facts: Sequence[HttpFacts], named: _Named) -> Mapping[str, _Cells]:
    """What a query may say, or would."""
    paths = [each.path for each in facts]
    keys = [each.get(b"x-api-key") for each in named]
    nothing = [None] * len(facts)
    if not any("?" in path for path in paths):
        return {
            "request.path": paths,
            "request.url_path": [path or None for path in paths],
            "request.query_params": nothing,
            "request.api_key": [None if key is None else text_of(key) for key in keys],
        }
    queries = [each.query() for each in facts]
    return {
        "request.path": paths,
        "request.url_path": [path.partition("?")[0] or None for path in paths],
        "request.query_params": [
            (tuple(each), tuple(each.values())) if each else None for each in queries
        ],
        "request.api_key": [api_key(each.query(), each.headers) for each in facts],
    }


def _end_cells(ends: Sequence[HttpEnding]) -> Mapping[str, _Cells]:
    checks = [each.check for each in ends]
    times = [each.ended_at for each in ends]
    return {
        "request.size": [each.request_size for each in ends],
        "request.total_size": [each.request_size + each.request_overhead for each in ends],
        "response.code": [each.code or NO_CODE for each in ends],
        "response.duration": [each.duration for each in ends],
        "response.size": [each.response_size for each in ends],
        "response.total_size": [each.response_size + each.response_overhead for each in ends],
        "response.time": times,
        "context.time": times,
        "context.proxy_error_code": [
            DENIED if check is not None and check.error_code is not None else end.error_flag
            for check, end in zip(checks, ends, strict=True)
        ],
        "check.error_code": [None if each is None else each.error_code for each in checks],
        "check.error_message": [None if each is None else each.error_message for each in checks],
        "check.cache_hit": [None if each is None else each.is_cache_hit for each in checks],
        "quota.cache_hit": [None if each is None else each.is_quota_cache_hit for each in checks],
        **_response_cells(ends),
    }


def _response_cells(ends: Sequence[HttpEnding]) -> Mapping[str, _Cells]:
    heads: list[ByteHeaders] = [each.headers or _NO_LINES for each in ends]  # type: ignore[misc] # `has_columns` has seen to it
    tails: list[ByteHeaders] = [each.trailers or _NO_LINES for each in ends]  # type: ignore[misc] # the same
    fields = [
        {**head.by_name(), **named} if (named := tail.by_name()) else head.by_name()
        for head, tail in zip(heads, tails, strict=True)
    ]
    _look_at_headers(fields)
    statuses = [each.get(b"grpc-status") for each in fields]
    return {
        "response.headers": [
            ((":status", *each), (str(end.sent_status), *each.values()))
            if end.sent_status
            else (tuple(each), tuple(each.values()))
            if each
            else None
            for end, each in zip(ends, fields, strict=True)
        ],
        "response.grpc_status": statuses,
        "response.grpc_message": [
            None if status is None else each.get(b"grpc-message", b"")
            for status, each in zip(statuses, fields, strict=True)
        ],
    }
