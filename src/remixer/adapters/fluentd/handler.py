"""`fluentd`: packs log entries and forwards them in batches."""

import asyncio
from base64 import b64encode
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from remixer.adapters.fluentd.params import (
    DEFAULT_BATCH_BYTES,
    DEFAULT_BUFFER_SIZE,
    DEFAULT_DURATION,
    Params,
    validate,
)
from remixer.adapters.fluentd.records import RecordFormat
from remixer.drivers.forward_protocol import (
    ForwardClient,
    ForwardCodec,
    ForwardError,
    ForwardMessage,
)
from remixer.sdk import (
    AdapterInfo,
    Clock,
    Environment,
    HandlerContext,
    Outbox,
    OutboxFullError,
    OutboxLimits,
    SendError,
)
from remixer.sdk.reports import take_each
from remixer.templates.instances import LogEntry

_NS_PER_S: Final = 1_000_000_000
_MOST_ATTEMPTS: Final = 60  # half an hour: longer, and one batch that nobody takes would end all
_CHUNK_ID_BYTES: Final = 16  # of the specification

Entry = tuple[str, bytes]
"""Tag and packed event."""
_LEFT_OUT: Final = (OutboxFullError, TypeError, ValueError)


class FluentdHandler:
    """Takes log entries; sending happens behind, `report` never waits for it."""

    def __init__(
        self, params: Params, *, client: ForwardClient, codec: ForwardCodec, clock: Clock, name: str
    ) -> None:
        random = Random()  # noqa: S311 - spreads attempts and names chunks, protects nothing
        self._format = RecordFormat(integer_duration=params.integer_duration)
        self._codec = codec
        self._client = client
        self._timeout_s = (params.push_timeout_duration or DEFAULT_DURATION) / _NS_PER_S
        self._new_chunk = _chunk_ids(random) if params.require_ack else _no_chunk_id
        self._pending: list[ForwardMessage] = []
        self.outbox: Outbox[Entry] = Outbox(
            self._send, limits=_limits(params), name=name, random=random, clock=clock
        )

    def report(self, instances: Sequence[LogEntry], /) -> None:
        """Raises `ExceptionGroup`, with one error per entry that was left out."""
        take_each(instances, self._take, leaves_out=_LEFT_OUT, what="log entries")

    async def aclose(self) -> None:
        try:
            await self.outbox.aclose()
        finally:
            self._client.close()

    def _take(self, instance: LogEntry) -> None:
        tag = self._format.tag_of(instance)
        entry = self._codec.entry(int(instance.timestamp), self._format.record_of(instance))
        if not self.outbox.put((tag, entry), size_bytes=len(entry) + len(tag)):
            message = (
                f"{instance.name}: an entry of {len(entry)} bytes dropped, no room for it "
                f"({self.outbox.dropped} so far)"
            )
            raise OutboxFullError(message)

    async def _send(self, batch: Sequence[Entry], attempt: int) -> None:
        """What an earlier attempt delivered is not sent again."""
        if attempt == 1:
            self._pending = self._messages(batch)
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._client.deliver(self._pending)
        except TimeoutError as error:
            message = f"not done within {self._timeout_s:g} s"
            raise SendError(message, can_retry=True) from error
        except ForwardError as error:
            raise SendError(str(error), can_retry=True) from error

    def _messages(self, batch: Sequence[Entry]) -> list[ForwardMessage]:
        """One per tag, in order of the tags' first entries."""
        by_tag: dict[str, list[bytes]] = {}
        for tag, entry in batch:
            by_tag.setdefault(tag, []).append(entry)
        return [
            self._codec.message(tag, entries, self._new_chunk()) for tag, entries in by_tag.items()
        ]


def _limits(params: Params) -> OutboxLimits:
    batch_bytes = params.max_batch_size_bytes or DEFAULT_BATCH_BYTES
    return OutboxLimits(
        batch_entries=batch_bytes,  # each has a byte at least: their bytes are the bound
        batch_bytes=batch_bytes,
        queue_entries=params.instance_buffer_size or DEFAULT_BUFFER_SIZE,
        queue_bytes=batch_bytes,
        interval_s=(params.push_interval_duration or DEFAULT_DURATION) / _NS_PER_S,
        most_attempts=_MOST_ATTEMPTS,
    )


def _chunk_ids(random: Random) -> Callable[[], str]:
    return lambda: b64encode(random.randbytes(_CHUNK_ID_BYTES)).decode()


def _no_chunk_id() -> None:
    return None


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> FluentdHandler:
    """Raises `MsgpackMissingError`."""
    codec = ForwardCodec()
    handler = FluentdHandler(
        params,
        client=ForwardClient(params.address, codec=codec),
        codec=codec,
        clock=environment.clock,
        name=context.name,
    )
    environment.tasks.spawn(handler.outbox.work(), name="sender")
    return handler


INFO = AdapterInfo(
    name="fluentd",
    description="Sends log entries to Fluentd or Fluent Bit.",
    templates=frozenset({"logentry"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
