"""What handlers are asked and what they answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from remixer.attributes.values import Duration, Value
from remixer.foundation.status import OK, Status
from remixer.sdk.params import DirectHttpResponse


@dataclass(frozen=True, slots=True)
class CheckResult:
    """A verdict and how long it may be reused.

    OK with 0 and 0 means "no opinion", not "do not cache". `direct_response` counts only
    for a denial.
    """

    status: Status = OK
    valid_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    valid_use_count: int = 0
    direct_response: DirectHttpResponse | None = None

    @property
    def is_default(self) -> bool:
        """Whether the handler had no opinion at all."""
        return (
            self.status.is_ok
            and self.valid_duration == 0
            and self.valid_use_count == 0
            and self.direct_response is None
        )


@dataclass(frozen=True, slots=True)
class CheckOutput:
    """A verdict, and the output fields that are known, by name; an absent one is left out."""

    result: CheckResult = CheckResult()
    output: Mapping[str, Value] = field(default_factory=dict)


@dataclass(slots=True)  # not frozen: made per quota of a request, and freezing takes 0.5 us
class QuotaRequest:
    """How much to allocate. `amount` < 0 releases. To be left as it was made.

    `deduplication_id` "" means: none, always count.
    """

    amount: int
    best_effort: bool = False
    deduplication_id: str = ""


@dataclass(slots=True)  # not frozen, as above
class QuotaResult:
    """What was granted, for how long. To be left as it was made."""

    granted: int = 0
    valid_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    status: Status = OK

    @property
    def is_default(self) -> bool:
        """Whether the handler had no opinion: another handler's answer may take its place."""
        return self.granted == 0 and self.valid_duration == 0 and self.status.is_ok
