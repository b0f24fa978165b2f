"""Messages of one access log stream to bags. Pure.

Envoy tells who it is only in the first message of a stream, and a TCP connection's bytes as
totals: so the decoder of a stream keeps both.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from google.protobuf.message import DecodeError

from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.envoy.access_log.attributes import HTTP_ATTRIBUTES, TCP_ATTRIBUTES
from remixer.frontends.envoy.access_log.entry import HttpLogBag, Reporter, TcpLogBag
from remixer.frontends.envoy.access_log.traffic import TrafficLedger
from remixer.frontends.envoy.message_columns import MessageColumns
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import Node
from remixer.wire._pb.envoy.data.accesslog.v3.accesslog_pb2 import AccessLogType
from remixer.wire._pb.remixer.reading.access_log_pb2 import (
    HttpEntryParts,
    LogParts,
    TcpEntryParts,
)

# A request is reported once, at its end; Envoy can also log its start and its progress.
_FINISHED_REQUEST: Final = frozenset({AccessLogType.NotSet, AccessLogType.DownstreamEnd})
LogColumns: TypeAlias = MessageColumns[HttpLogBag] | MessageColumns[TcpLogBag]
FORWARDED_KEY: Final = b"forwarded"
"""Without it in a message no entry's metadata has the field that `forwarded_in` looks for."""
_OPEN: Final = "open"
_CONTINUE: Final = "continue"
_CLOSE: Final = "close"
# All other kinds of entry stand for the end of a connection.
_EVENTS: Final[dict[int, str]] = {
    AccessLogType.TcpUpstreamConnected: _OPEN,
    AccessLogType.TcpPeriodic: _CONTINUE,
    AccessLogType.DownstreamStart: _OPEN,
    AccessLogType.DownstreamPeriodic: _CONTINUE,
}


class StreamDecoder:
    """Turns the messages of one stream into bags, in order."""

    __slots__ = ("_ledger", "_reporter", "log_name")

    def __init__(self) -> None:
        self.log_name = ""
        self._reporter = Reporter(Node())
        self._ledger = TrafficLedger()

    def decode(self, message: bytes, vocabulary: Vocabulary) -> LogColumns:
        """One bag per finished request and per entry of a connection.

        Raises `InvalidRequestError` if `message` is no StreamAccessLogsMessage.
        """
        try:
            entries = LogParts.FromString(message)
        except DecodeError as error:
            text = f"not an envoy.service.accesslog.v3.StreamAccessLogsMessage: {error}"
            raise InvalidRequestError(text) from error
        if entries.HasField("identifier"):
            self.log_name = entries.identifier.log_name
            self._reporter = Reporter(entries.identifier.node)
        requests = entries.http_logs.log_entry
        if requests:
            return self._http_bags(
                requests, vocabulary, has_forwarded=message.find(FORWARDED_KEY) >= 0
            )
        return MessageColumns(
            [self._tcp_bag(entry, vocabulary) for entry in entries.tcp_logs.log_entry]
        )

    def _http_bags(
        self,
        entries: Iterable[HttpEntryParts],
        vocabulary: Vocabulary,
        *,
        has_forwarded: bool,
    ) -> LogColumns:
        bags: list[HttpLogBag] = []
        reporter = self._reporter
        for entry in entries:
            common = entry.common_properties
            if common.access_log_type in _FINISHED_REQUEST:
                bags.append(
                    HttpLogBag(
                        entry,
                        common,
                        reporter,
                        table=HTTP_ATTRIBUTES,
                        vocabulary=vocabulary,
                        has_forwarded=has_forwarded,
                    )
                )
        return MessageColumns(bags)

    def _tcp_bag(self, entry: TcpEntryParts, vocabulary: Vocabulary) -> TcpLogBag:
        common, counted = entry.common_properties, entry.connection_properties
        event = _EVENTS.get(common.access_log_type, _CLOSE)
        traffic = self._ledger.take(
            common.stream_id,
            received_total=counted.received_bytes,
            sent_total=counted.sent_bytes,
            is_closed=event == _CLOSE,
        )
        return TcpLogBag(
            common,
            self._reporter,
            traffic=traffic,
            event=event,
            table=TCP_ATTRIBUTES,
            vocabulary=vocabulary,
        )
