"""`zipkin`: chooses spans and posts them in batches."""

from collections.abc import Sequence
from random import Random
from typing import Final

from remixer.adapters.zipkin.encoding import encode_span
from remixer.adapters.zipkin.params import Params, validate
from remixer.sdk import (
    AdapterInfo,
    Clock,
    Environment,
    HandlerContext,
    HttpClient,
    HttpError,
    Outbox,
    OutboxFullError,
    OutboxLimits,
    SendError,
)
from remixer.sdk.spans import SpanSampler, span_of
from remixer.templates.instances import TraceSpan

_LIMITS: Final = OutboxLimits(
    batch_entries=100,
    batch_bytes=1_000_000,  # what most Zipkin collectors take at once is 1 to 5 MB
    queue_entries=10_000,
    queue_bytes=16 * 1024 * 1024,
    interval_s=1.0,
    most_attempts=5,
)
_POST_TIMEOUT_S: Final = 5.0
_LONGEST_ANSWER_BYTES: Final = 64 * 1024  # accepted spans get an empty one
_HEADERS: Final = {"content-type": "application/json"}
_ACCEPTED: Final = range(200, 300)
_REFUSED_FOR_NOW: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class ZipkinHandler:
    """Takes spans; posting happens behind, `report` never waits for it."""

    def __init__(self, params: Params, *, http: HttpClient, clock: Clock, name: str) -> None:
        self._url = params.url
        self._sampler = SpanSampler(params.sample_probability)
        self._http = http
        self.outbox: Outbox[bytes] = Outbox(
            self._post,
            limits=_LIMITS,
            name=name,
            random=Random(),  # noqa: S311 - spreads attempts, protects nothing
            clock=clock,
        )

    def report(self, instances: Sequence[TraceSpan], /) -> None:
        """Raises `OutboxFullError` if some spans found no room; the others are taken."""
        lost = 0
        for instance in instances:
            span = span_of(instance)
            if span is None or not self._sampler.keeps(span.trace_id):
                continue
            entry = encode_span(span)
            if not self.outbox.put(entry, size_bytes=len(entry) + 1):
                lost += 1
        if lost:
            message = f"{lost} spans dropped: no room ({self.outbox.dropped} so far)"
            raise OutboxFullError(message)

    async def aclose(self) -> None:
        await self.outbox.aclose()

    async def _post(self, batch: Sequence[bytes], _attempt: int) -> None:
        try:
            response = await self._http.post(
                self._url,
                b"[" + b",".join(batch) + b"]",
                headers=_HEADERS,
                timeout_s=_POST_TIMEOUT_S,
                limit_bytes=_LONGEST_ANSWER_BYTES,
            )
        except HttpError as error:
            raise SendError(str(error), can_retry=True) from error
        if response.status not in _ACCEPTED:
            message = f"the answer has status {response.status}"
            raise SendError(message, can_retry=response.status in _REFUSED_FOR_NOW)


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> ZipkinHandler:
    handler = ZipkinHandler(
        params, http=environment.http, clock=environment.clock, name=context.name
    )
    environment.tasks.spawn(handler.outbox.work(), name="sender")
    return handler


INFO = AdapterInfo(
    name="zipkin",
    description="Sends spans to Zipkin.",
    templates=frozenset({"tracespan"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
