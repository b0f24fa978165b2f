"""The gRPC method `envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs`."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Final, TypeAlias

from remixer.foundation.errors import PolicyError
from remixer.foundation.log import event_log
from remixer.frontends.envoy.access_log.codec import StreamDecoder
from remixer.frontends.envoy.message_bag import MessageBag, VocabularySource
from remixer.frontends.envoy.message_columns import MessageColumns
from remixer.mixer.port import Mixer
from remixer.transport.port import CallContext, RpcError, StreamMethod
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsResponse

ACCESS_LOG_PATH: Final = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

_MOST_GATHERED: Final = 100
"""Entries of several messages in one report: more make none of them cheaper. A message that has more
is one report all the same."""

_FEW: Final = 8
"""Fewer entries of several messages are dealt with more quickly one by one."""

_Entries: TypeAlias = MessageColumns[MessageBag]

_log: Final = event_log(__name__)


class _Complaints:
    """Errors of one stream's reports, which nobody answers: once in the log, the rest at debug.

    The texts may hold values of requests, so they are told at debug alone.
    """

    __slots__ = ("_decoder", "_has_told")

    def __init__(self, decoder: StreamDecoder) -> None:
        self._decoder = decoder
        self._has_told = False

    def take(self, errors: Sequence[str]) -> None:
        if not errors:
            return
        if not self._has_told:
            self._has_told = True
            name = self._decoder.log_name
            _log.warning("access_log_partly_reported", log_name=name, errors=len(errors))
        for error in errors:
            _log.debug("access_log_error", reason=error)


class _Gathered:
    """Entries of one stream that came together: one report, unless they are few.

    Messages that are there already are read one after the other; the loop goes on when there is none
    left, and then they are reported. So a message that is alone waits for nothing.
    """

    __slots__ = ("_complaints", "_count", "_is_expected", "_loop", "_messages", "_mixer", "_most")

    def __init__(self, mixer: Mixer, complaints: _Complaints, *, most: int) -> None:
        self._mixer = mixer
        self._complaints = complaints
        self._most = most
        self._loop = asyncio.get_running_loop()
        self._is_expected = False
        self._messages: list[_Entries] = []
        self._count = 0

    def add(self, entries: _Entries) -> None:
        """Those of a message: at most as many as are reported at once."""
        count = len(entries)
        if self._count + count > self._most:
            self.report()
        self._messages.append(entries)
        self._count += count
        if not self._is_expected:
            self._is_expected = True
            self._loop.call_soon(self._report_in_turn)

    def report(self) -> None:
        """What there is, now."""
        messages, count = self._messages, self._count
        self._messages, self._count = [], 0
        for entries in messages if count < _FEW else _joined(messages):
            self._complaints.take(self._mixer.report(entries).errors)

    def _report_in_turn(self) -> None:
        self._is_expected = False
        self.report()


def _joined(messages: Iterable[_Entries]) -> Iterator[_Entries]:
    """As few as can be, in order."""
    latest: _Entries | None = None
    for entries in messages:
        both = None if latest is None else latest.followed_by(entries)
        if latest is not None and both is None:
            yield latest
        latest = both or entries
    if latest is not None:
        yield latest


def access_log_methods(
    mixer: Mixer, *, vocabulary: VocabularySource, entries_at_once: int | None = None
) -> tuple[StreamMethod, ...]:
    """Methods that take Envoy's HTTP and TCP access logs as reports to `mixer`.

    Messages that come together become one report, long ones several of `entries_at_once`, between
    which checks may be answered. Envoy is never answered while it logs; a message that cannot be read
    ends its stream, and Envoy opens another.
    """

    async def stream(messages: AsyncIterator[bytes], _: CallContext) -> AsyncIterator[bytes]:
        decoder = StreamDecoder()
        gathered = _Gathered(mixer, _Complaints(decoder), most=entries_at_once or _MOST_GATHERED)
        try:
            async for message in messages:
                bags = decoder.decode(message, vocabulary())
                count = len(bags)
                step = entries_at_once or count
                if 0 < count <= step:
                    gathered.add(bags)
                    continue
                for first in range(0, count, step or 1):
                    gathered.add(bags.part(first, first + step))
                    await asyncio.sleep(0)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        finally:
            gathered.report()
        yield StreamAccessLogsResponse().SerializeToString()

    return (StreamMethod(ACCESS_LOG_PATH, stream),)
