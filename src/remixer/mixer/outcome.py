"""What a Mixer answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple

from remixer.attributes.bag import Condition, Reference
from remixer.attributes.values import Duration
from remixer.foundation.status import OK, Status

# An answer that nobody had an opinion on. Source: Mixer 1.3.
DEFAULT_VALID_DURATION: Final = Duration(60_000_000_000)
DEFAULT_VALID_USE_COUNT: Final = 10_000

UNKNOWN_REFERENCES: Final = frozenset({Reference("", None, Condition.EXACT)})
"""Of a grant of which nobody can tell what it depends on. No attribute has this name, so no request
fits: clients keep such grants for themselves and for nobody in particular."""


class Provenance(IntEnum):
    """Where an answer comes from."""

    COMPUTED = 0
    MEMORY = 1
    """Remembered by this process."""
    SHARED = 2
    """Remembered by a cache that several processes share."""
    STALE = 3
    """Remembered, past its end: it stands in for a failure."""
    SUBSTITUTE = 4
    """Computed, with something in place of an answer that failed: good for this request alone. It
    does not take the place of what is remembered."""

    @property
    def is_remembered(self) -> bool:
        """Whether the answer was made for an earlier request."""
        return self is not Provenance.COMPUTED and self is not Provenance.SUBSTITUTE


class HeaderOperationKind(IntEnum):
    """Numbers are those of `HeaderOperation.Operation`."""

    REPLACE = 0
    REMOVE = 1
    APPEND = 2


@dataclass(frozen=True, slots=True)
class HeaderOperation:
    """One change to a header. `value` is ignored for REMOVE."""

    name: str
    value: str = ""
    kind: HeaderOperationKind = HeaderOperationKind.REPLACE


@dataclass(frozen=True, slots=True)
class RouteDirective:
    """Header changes, or an answer in place of the upstream's.

    `direct_response_code` 0 means: no direct response. Request operations apply only when the
    request is allowed; response operations also to a direct response.
    """

    request_header_operations: tuple[HeaderOperation, ...] = ()
    response_header_operations: tuple[HeaderOperation, ...] = ()
    direct_response_code: int = 0
    direct_response_body: str = ""


class Decision(NamedTuple):
    """Who said what: one handler call, in configuration order. For people, logs and metadata.

    A tuple, because every request makes some.
    """

    rule: str
    """`name.rule.namespace`."""
    handler: str
    """Run-time name, `name.namespace` or `name.kind.namespace`."""
    instance: str
    """Fully qualified name."""
    status: Status


@dataclass(slots=True)  # not frozen: made per quota of a request, and freezing takes 1 us
class QuotaOutcome:
    """Answer for one quota. `granted` >= 0; `valid_duration` 0 means expires at once.

    To be left as it was made.
    """

    granted: int
    valid_duration: Duration
    references: frozenset[Reference]
    status: Status = OK
    decision: Decision | None = None


@dataclass(frozen=True, slots=True)
class CacheHints:
    """How a cache is to treat one answer; None leaves it to the cache's own settings."""

    refresh_at: float | None = None
    """Part of its life after which it is renewed; 1 for never."""
    stale_for_s: float | None = None
    """How long past its end it may stand in for a failure; 0 for never."""
    is_shared: bool = True
    """Whether other processes may have it, too."""


@dataclass(slots=True, unsafe_hash=True)  # not frozen: every quota makes one; freezing takes 1 us
class CheckOutcome:
    """Verdict and grants. To be left as it was made.

    `valid_use_count`: further uses allowed; 0 none, negative unlimited.
    `quotas` is empty when the verdict is a denial.
    """

    status: Status
    valid_duration: Duration
    valid_use_count: int
    references: frozenset[Reference]
    directive: RouteDirective | None = None
    quotas: Mapping[str, QuotaOutcome] = field(default_factory=dict, hash=False)
    decisions: tuple[Decision, ...] = ()
    provenance: Provenance = Provenance.COMPUTED
    hints: CacheHints | None = None
    prepared: dict[object, bytes] = field(
        init=False, default_factory=dict, compare=False, repr=False
    )
    """Answers on the wire that frontends have made of it, by whatever tells them apart: an outcome
    that is given again need not be encoded again. They say nothing of quotas."""

    def with_quotas(self, quotas: Mapping[str, QuotaOutcome]) -> "CheckOutcome":
        """The same with these quotas, and what is prepared of the rest."""
        outcome = CheckOutcome(
            self.status,
            self.valid_duration,
            self.valid_use_count,
            self.references,
            self.directive,
            quotas,
            self.decisions,
            self.provenance,
            self.hints,
        )
        outcome.prepared = self.prepared
        return outcome


@dataclass(frozen=True, slots=True)
class ReportOutcome:
    """Errors of a report that were known at once, one text each, in order of the bags."""

    errors: tuple[str, ...] = ()


REPORTED: Final = ReportOutcome()
