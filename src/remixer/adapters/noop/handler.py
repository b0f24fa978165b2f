"""The answers of `noop`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from remixer.attributes.values import Duration
from remixer.sdk import (
    AdapterInfo,
    CheckResult,
    Environment,
    HandlerContext,
    QuotaRequest,
    QuotaResult,
)

# Thirty-one years: as good as always. Source: Mixer 1.3's noop.
_ALWAYS_S: Final = 1_000_000_000
_ALWAYS: Final = Duration(_ALWAYS_S * 1_000_000_000)
_ALLOWED: Final = CheckResult(valid_duration=_ALWAYS, valid_use_count=1_000_000_000)


@dataclass(frozen=True, slots=True)
class Params:
    """There are none."""


class Noop:
    """Says yes and does nothing."""

    __slots__ = ()

    def check(self, _instance: object, /) -> CheckResult:
        return _ALLOWED

    def allocate(self, _instance: object, request: QuotaRequest, /) -> QuotaResult:
        """All that was asked for; of a release, all that was given back."""
        return QuotaResult(granted=abs(request.amount), valid_duration=_ALWAYS)

    def report(self, _instances: Sequence[object], /) -> None:
        """Ignore everything."""

    async def aclose(self) -> None:
        """Nothing is held."""


async def _build(_params: Params, _context: HandlerContext, _environment: Environment) -> Noop:
    return Noop()


INFO = AdapterInfo(
    name="noop",
    description="Allows every check, grants every quota, ignores every report.",
    templates=frozenset(
        {
            "authorization",
            "checknothing",
            "listentry",
            "logentry",
            "metric",
            "quota",
            "reportnothing",
            "tracespan",
        }
    ),
    defaults=Params(),
    build=_build,
)
