"""What becomes of a request when nobody can decide on it: it passes, or it is refused.

The one place where a client's failures become verdicts. Open also lets pass what the Mixer itself
could not decide (INTERNAL), but no request that cannot be understood: else whoever makes such
requests would be above all rules. Source: `network_fail_policy` of Mixer's client.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.foundation.clock import Clock
from remixer.foundation.errors import InvalidRequestError, PolicyError
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.outcome import CheckOutcome, Provenance, QuotaOutcome, ReportOutcome
from remixer.mixer.port import Mixer
from remixer.mixer.request import CheckRequest
from remixer.mixer.verdict import verdict_of
from remixer.tiers.settings import FailPolicy

_LOG_INTERVAL_S: Final = 10.0
_REFUSED: Final = "the request could not be checked"
"""What clients are told: the failure's own text names servers and handlers."""
_log: Final = event_log(__name__)


@dataclass(slots=True)
class FailureCounts:
    """Verdicts that were given, and requests that nobody decided on."""

    accepted: int = 0
    """Whatever becomes of their quotas."""
    denied: int = 0
    opened: int = 0
    """Among those accepted."""
    closed: int = 0
    """Among those denied."""


class NetworkFailureMixer:
    """Implements `Mixer` around another; its checks raise no `PolicyError`."""

    def __init__(self, inner: Mixer, *, policy: FailPolicy, clock: Clock) -> None:
        self._inner = inner
        self._policy = policy
        self._clock = clock
        self._logged = EventLimit(interval_s=_LOG_INTERVAL_S)
        self.counts = FailureCounts()

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        try:
            outcome = self._inner.check_now(request)
        except PolicyError as error:
            return self._failed(error)
        if outcome is None:
            return None
        if outcome.status.code == 0 and not outcome.quotas:
            self.counts.accepted += 1
            return outcome
        return self._judged(outcome)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        try:
            outcome = await self._inner.check(request)
        except PolicyError as error:
            return self._failed(error)
        return self._judged(outcome)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        return self._inner.grant_now(request)

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        return await self._inner.grant(request)

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        return self._inner.report(bags)

    # ------------------------------------------------------------ inside

    def _failed(self, error: PolicyError) -> CheckOutcome:
        is_open = self._policy is FailPolicy.OPEN and not isinstance(error, InvalidRequestError)
        return self._undecided(Status(error.code, error.message), is_open=is_open)

    def _judged(self, outcome: CheckOutcome) -> CheckOutcome:
        """The outcome, unless it says that there is none."""
        if outcome.status.code == Code.INTERNAL and self._policy is FailPolicy.OPEN:
            return self._undecided(outcome.status, is_open=True)
        if not all(each.granted for each in outcome.quotas.values()):
            try:
                verdict_of(outcome)
            except PolicyError as error:
                undecided = self._failed(error)
                return replace(outcome, quotas={}) if undecided.status.is_ok else undecided
        self._count(outcome)
        return outcome

    def _count(self, outcome: CheckOutcome) -> None:
        is_ok = outcome.status.is_ok
        self.counts.accepted += is_ok
        self.counts.denied += not is_ok

    def _undecided(self, status: Status, *, is_open: bool) -> CheckOutcome:
        self.counts.opened += is_open
        self.counts.closed += not is_open
        held_back = self._logged.pass_now("", now_s=self._clock.monotonic_s())
        if held_back is not None:
            code = Code(status.code).name
            _log.warning(
                "check_undecided", failure=self._policy.value, code=code, held_back=held_back
            )
        # Apart, because it may quote an attribute's value.
        _log.debug("check_undecided_reason", reason=status.message)
        outcome = CheckOutcome(
            status=OK if is_open else Status(status.code, _REFUSED),
            valid_duration=Duration(0),
            valid_use_count=0,
            references=frozenset(),
            provenance=Provenance.SUBSTITUTE,
        )
        self._count(outcome)
        return outcome
