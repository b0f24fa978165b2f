"""One call that passes through an interceptor: what goes in and out, and how it ends.

Theory of operation. A call is made when the server names a method, before its request is read, so
that messages can be counted. It gets its `Exchange` once there is a context that tells of the peer.
From then on whoever runs the handler notes what the client is to get: the head (initial metadata,
once), and the end (a status). `finish` is called when the handler is done, just before the status
goes out; or earlier, if the client left and nobody waits for the handler any more. What is noted
later than that counts for nothing. A call that finishes without an end lost its client.

Pure but for the clock.
"""

from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Final, Protocol, TypeAlias

from remixer.attributes.bag import Bag
from remixer.attributes.http_bag import FORWARDED_HEADER
from remixer.attributes.values import Timestamp, Value
from remixer.foundation.clock import Clock, SystemClock
from remixer.foundation.status import Code
from remixer.mixer.http_answer import Pass
from remixer.mixer.outcome import HeaderOperation
from remixer.mixer.request import CheckRequest
from remixer.sidecar.exchange import Decisions, Exchange
from remixer.sidecar.grpc_metadata import (
    CONTENT_TYPE,
    GRPC,
    Metadata,
    MetadataHeaders,
    changed_head,
    changed_request,
    plain_metadata,
    without_forwarded,
)
from remixer.sidecar.grpc_reader import CallReader, PeerContext
from remixer.sidecar.hop_trust import HopReader, HopTrust
from remixer.sidecar.inbound import Inbound, Quotas
from remixer.transport.core.answers import percent_encoded

UNREADABLE: Final = "Exception deserializing request!"  # grpcio's words
_HTTP_STATUS: Final = 200  # of all responses of gRPC
_LONGEST_MESSAGE_BYTES: Final = 4_096  # in a report; clients' header limits begin at 8 KiB
_DEADLINE_NEAR_S: Final = 0.05
"""A client's deadline passes this much before ours: it began to count earlier."""
_NO_OPERATIONS: Final[tuple[HeaderOperation, ...]] = ()
_TYPE_LINE: Final = (CONTENT_TYPE, GRPC)

Entries: TypeAlias = Iterable[tuple[str, str | bytes]] | None
"""Metadata in any form that grpcio takes."""
Deserializer: TypeAlias = Callable[[bytes], object]
Serializer: TypeAlias = Callable[[object], bytes]


class TimedContext(PeerContext, Protocol):
    """And how much time the client gives."""

    def time_remaining(self) -> float | None: ...


class GrpcCall:
    """What is noted of one call. Its methods return at once and raise nothing."""

    __slots__ = (
        "_end",
        "_head",
        "_once",
        "_operations",
        "_report",
        "_request_bytes",
        "_response_bytes",
        "code",
        "details",
        "exchange",
        "is_aborted",
        "is_head_sent",
        "metadata",
        "method",
        "received_at",
        "time_remaining",
        "trailing",
    )

    def __init__(
        self,
        method: str,
        metadata: Metadata,
        *,
        received_at: Timestamp,
        report: Callable[[Bag], None],
    ) -> None:
        self.method = method
        self.metadata = metadata
        """As the handler sees it."""
        self.received_at = received_at
        self._report = report
        self.exchange: Exchange | None = None
        self.time_remaining: Callable[[], float | None] | None = None
        """Of the client's deadline."""
        self.code = 0
        """What the handler set; it goes out when the handler is done."""
        self.details = ""
        self.trailing: Metadata = ()
        self.is_aborted = False
        self.is_head_sent = False
        self._head: Metadata = ()
        self._operations = _NO_OPERATIONS
        self._end: tuple[int, str] | None = None
        self._once = Lock()
        self._request_bytes = 0
        self._response_bytes = 0

    # ------------------------------------------------------------ messages

    def counted_in(self, deserialize: Deserializer | None) -> Deserializer:
        """None: handlers take bytes. A request that cannot be read ends the call, says grpcio."""

        def counted(message: bytes) -> object:
            self._request_bytes += len(message)
            try:
                return message if deserialize is None else deserialize(message)
            except Exception:
                self.end(Code.INTERNAL, UNREADABLE)
                raise

        return counted

    def written(self, serialize: Serializer | None, message: object) -> bytes:
        """A response, to be sent as it is. Raises what `serialize` raises."""
        raw = message if serialize is None else serialize(message)
        if not isinstance(raw, bytes):
            text = f"a response must be bytes, not {type(raw).__name__}"
            raise TypeError(text)
        self._response_bytes += len(raw)
        return raw

    # ------------------------------------------------------------ what goes out

    def passed(self, answer: Pass) -> None:
        """The handler is to be called; what it sees, and the head it sends, change."""
        self._operations = answer.response_operations
        if answer.request_operations:
            self.metadata = changed_request(self.metadata, answer.request_operations)

    @property
    def owes_head(self) -> bool:
        """Whether there are operations that would be lost if the handler sent no head."""
        return bool(self._operations) and not self.is_head_sent

    def head(self, metadata: Entries) -> Metadata:
        """The head to send in place of `metadata`."""
        plain = plain_metadata(metadata)
        return changed_head(plain, self._operations) if self._operations else plain

    def note_head(self, metadata: Metadata) -> None:
        """It is on its way."""
        self._head = metadata
        self.is_head_sent = True

    def note_trailing(self, metadata: Entries) -> None:
        self.trailing = plain_metadata(metadata)

    # ------------------------------------------------------------ the end

    def end(self, code: int, message: str) -> None:
        """A status goes out; the last one told counts."""
        self._end = (code, message)

    def complete(self) -> None:
        """The handler is done."""
        self.end(self.code, self.details)

    def abort(self, code: int, message: str, trailing: Entries = None) -> None:
        """The handler ended the call by itself: whatever it raises afterwards counts for nothing."""
        self.is_aborted = True
        self.code, self.details = code or Code.UNKNOWN, message
        if trailing:
            self.note_trailing(trailing)
        self.complete()

    def finish(self) -> None:
        """Report the call, once. Any thread may say so."""
        exchange = self.exchange
        if exchange is None or not self._once.acquire(blocking=False):
            return
        exchange.is_client_gone = self._end is None
        exchange.request_size = self._request_bytes
        exchange.response_size = self._response_bytes
        if self.is_head_sent or self._end is not None:
            exchange.sent_status = _HTTP_STATUS
            exchange.headers = MetadataHeaders((_TYPE_LINE, *self._head))
        code, message = self._end or self._lost()
        status = ("grpc-status", str(int(code)))
        exchange.trailers = MetadataHeaders((status, *_message(message), *self.trailing))
        self._report(exchange.report_bag())

    def _lost(self) -> tuple[int, str]:
        """What a client tells itself of a call that it gave up."""
        left_s = None if self.time_remaining is None else self.time_remaining()
        if left_s is not None and left_s <= _DEADLINE_NEAR_S:
            return Code.DEADLINE_EXCEEDED, "Deadline Exceeded"
        return Code.CANCELLED, "Cancelled"


def _message(text: str) -> Metadata:
    """As on the wire."""
    if not text:
        return ()
    encoded = percent_encoded(text, max_bytes=_LONGEST_MESSAGE_BYTES)
    return (("grpc-message", encoded.decode("ascii")),)


class GrpcInbound:
    """What an interceptor is told of its server, and what it asks for each call."""

    __slots__ = ("_clock", "_decisions", "_inbound", "_reader")

    def __init__(
        self,
        *,
        attributes: Mapping[str, Value | Mapping[str, str]],
        quotas: Quotas,
        exclude: Iterable[str],
        trust: HopTrust,
        authority: str,
        clock: Clock | None,
    ) -> None:
        """`exclude`: `/package.Service/Method`, or `/package.Service/` for all of its methods."""
        beneath = [path + "*" if path.endswith("/") else path for path in exclude]
        self._inbound = Inbound(attributes=attributes, quotas=quotas, exclude=beneath)
        self._reader = CallReader(HopReader(trust), authority=authority)
        self._clock = clock or SystemClock()
        self._decisions = Decisions()

    def is_excluded(self, method: str) -> bool:
        return self._inbound.is_excluded(method)

    def begun(self, method: str, metadata: Entries, report: Callable[[Bag], None]) -> GrpcCall:
        return GrpcCall(
            method,
            tuple(metadata or ()),
            received_at=Timestamp(self._clock.unix_ns()),
            report=report,
        )

    def asked(self, call: GrpcCall, context: TimedContext) -> tuple[Exchange, CheckRequest]:
        """The call's exchange, from now on, and what to ask about it.

        The client's deadline is not handed on: with a short one, clients could choose what the
        failure policy of their check decides.
        """
        call.time_remaining = context.time_remaining
        received_at = call.received_at
        headers = MetadataHeaders((_TYPE_LINE, *call.metadata))
        facts, forwarded = self._reader.facts(call.method, headers, context, received_at)
        if headers[FORWARDED_HEADER] is not None:
            call.metadata = without_forwarded(call.metadata)
        bag = self._inbound.bag(facts, forwarded)
        call.exchange = Exchange(
            bag,
            headers,
            clock=self._clock,
            received_at=received_at,
            decisions=self._decisions,
        )
        return call.exchange, self._inbound.request(bag)
