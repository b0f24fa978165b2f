"""A live handler, as routes and varieties see it."""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from remixer.foundation.breaker import Breaker, BreakerLimits
from remixer.runtime.calls import Call
from remixer.sdk.adapter import (
    AttributeHandler,
    CheckHandler,
    OutputCheckHandler,
    QuotaHandler,
    ReportHandler,
)
from remixer.templates.schema import Variety

METHODS: Final[Mapping[Variety, str]] = {
    Variety.CHECK: "check",
    Variety.QUOTA: "allocate",
    Variety.REPORT: "report",
    Variety.ATTRIBUTE_GENERATOR: "generate",
    Variety.CHECK_WITH_OUTPUT: "check_with_output",
}
"""What a handler must be able to do for instances of each variety."""


class ReportSink(Protocol):
    """Takes batches for a handler whose `report` waits; never blocks."""

    def put(self, call: Call[object], instances: Sequence[object]) -> None:
        """Accept a batch, or drop and count it."""
        ...


class Callee(Protocol):
    """A handler that can be called. It has the methods that its instances' templates need."""

    @property
    def name(self) -> str:
        """`deny.handler.shop`."""
        ...

    @property
    def display_name(self) -> str:
        """Prefix of denial messages."""
        ...

    @property
    def adapter(self) -> str: ...

    @property
    def checks(self) -> CheckHandler: ...

    @property
    def output_checks(self) -> OutputCheckHandler: ...

    @property
    def generators(self) -> AttributeHandler: ...

    @property
    def quotas(self) -> QuotaHandler: ...

    @property
    def reports(self) -> ReportHandler: ...

    @property
    def report_sink(self) -> ReportSink | None:
        """Set if the handler's `report` waits."""
        ...

    @property
    def call_timeout_s(self) -> float | None:
        """What the handler itself says of its calls, if anything."""
        ...

    def may_wait(self, method: str) -> bool:
        """Whether the handler's method of this name is `async def`."""
        ...

    def breaker_of(self, limits: BreakerLimits) -> Breaker:
        """The breaker with these limits; the same as long as the handler lives."""
        ...
