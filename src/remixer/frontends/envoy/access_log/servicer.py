"""The gRPC method `envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs`."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

from remixer.foundation.errors import PolicyError
from remixer.foundation.log import event_log
from remixer.frontends.envoy.access_log.codec import StreamDecoder
from remixer.frontends.envoy.message_bag import VocabularySource
from remixer.mixer.port import Mixer
from remixer.transport.port import CallContext, RpcError, StreamMethod
from remixer.wire._pb.envoy.service.accesslog.v3.als_pb2 import StreamAccessLogsResponse

ACCESS_LOG_PATH: Final = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

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


def access_log_methods(
    mixer: Mixer, *, vocabulary: VocabularySource, entries_at_once: int | None = None
) -> tuple[StreamMethod, ...]:
    """Methods that take Envoy's HTTP and TCP access logs as reports to `mixer`.

    Each message becomes one report, or several of `entries_at_once`, between which checks may be
    answered. Envoy is never answered while it logs; a message that cannot be read ends its stream,
    and Envoy opens another.
    """

    async def stream(messages: AsyncIterator[bytes], _: CallContext) -> AsyncIterator[bytes]:
        decoder = StreamDecoder()
        complaints = _Complaints(decoder)
        try:
            async for message in messages:
                bags = decoder.decode(message, vocabulary())
                count = len(bags)
                step = entries_at_once or count
                if 0 < count <= step:
                    complaints.take(mixer.report(bags).errors)
                    continue
                for first in range(0, count, step or 1):
                    if first:
                        await asyncio.sleep(0)
                    complaints.take(mixer.report(bags.part(first, first + step)).errors)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        yield StreamAccessLogsResponse().SerializeToString()

    return (StreamMethod(ACCESS_LOG_PATH, stream),)
