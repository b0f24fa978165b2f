"""Header maps of Envoy's messages as string maps, without copying where that can be."""

from collections.abc import Iterable, Mapping

from remixer.attributes.values import PlainStringMap
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import HeaderValue


class MessageStringMap:
    """A `StringMap` over a protobuf map: one key is read without decoding the others."""

    __slots__ = ("_entries",)

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._entries = entries

    def __getitem__(self, key: str) -> str | None:
        entries = self._entries
        return entries[key] if key in entries else None  # noqa: SIM401 - maps' `get` takes longer

    def whole(self) -> Mapping[str, str]:
        """A copy: the message may not be changed through it, and outlives nothing."""
        return dict(self._entries)


def raw_header_map(headers: Iterable[HeaderValue]) -> PlainStringMap:
    r"""Headers sent as bytes (`encode_raw_headers`); repeated ones are joined with `,`.

    Bytes that are no UTF-8 become `\xNN`, so that different bytes stay different texts.
    """
    values: dict[str, list[str]] = {}
    for header in headers:
        raw = header.raw_value or header.value.encode()
        values.setdefault(header.key, []).append(raw.decode("utf-8", "backslashreplace"))
    return PlainStringMap({key: ",".join(texts) for key, texts in values.items()})
