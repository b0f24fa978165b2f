"""Mixers for tests of what stands before applications: a function decides, reports are kept."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration, Value
from remixer.foundation.errors import InternalError
from remixer.foundation.status import OK, Code, Status
from remixer.mixer.outcome import (
    REPORTED,
    CheckOutcome,
    HeaderOperation,
    Provenance,
    QuotaOutcome,
    ReportOutcome,
    RouteDirective,
)
from remixer.mixer.request import CheckRequest

Policy: TypeAlias = Callable[[Bag], CheckOutcome]
Reported: TypeAlias = dict[str, object]
_HELD_FOR: Final = Duration(3_600_000_000_000)  # an hour: longer than any test


def allowed(
    *,
    request: Sequence[HeaderOperation] = (),
    response: Sequence[HeaderOperation] = (),
    direct: tuple[int, str] = (0, ""),
    provenance: Provenance = Provenance.COMPUTED,
) -> CheckOutcome:
    """Go on, with these header operations; or be answered `direct`: HTTP status and body."""
    return _outcome(OK, request, response, direct, provenance)


def denied(
    code: Code = Code.PERMISSION_DENIED,
    message: str = "",
    *,
    response: Sequence[HeaderOperation] = (),
    direct: tuple[int, str] = (0, ""),
    provenance: Provenance = Provenance.COMPUTED,
) -> CheckOutcome:
    """Go no further."""
    return _outcome(Status(code, message), (), response, direct, provenance)


def _outcome(
    status: Status,
    request: Sequence[HeaderOperation],
    response: Sequence[HeaderOperation],
    direct: tuple[int, str],
    provenance: Provenance,
) -> CheckOutcome:
    directive = RouteDirective(tuple(request), tuple(response), *direct)
    return CheckOutcome(
        status,
        _HELD_FOR,
        100,
        frozenset(),
        directive=None if directive == RouteDirective() else directive,
        provenance=provenance,
    )


def seen(bag: Bag) -> Reported:
    """All attributes of a bag, string maps as plain dicts."""
    return {name: _plain(bag[name]) for name in bag.names()}


def _plain(value: Value | None) -> object:
    if isinstance(value, str | int | float | bytes | None):
        return value
    return dict(value.whole())


class FakePort:
    """A `Mixer` of one function."""

    def __init__(self, policy: Policy, *, answers_at_once: bool) -> None:
        self._policy = policy
        self.answers_at_once = answers_at_once
        self.requests: list[CheckRequest] = []
        self.reports: list[Reported] = []
        self.cancelled = 0
        """Checks that their askers gave up."""
        self.gate: asyncio.Event | None = None
        """Checks that wait, wait for this, too."""
        self.asked: asyncio.Event = asyncio.Event()
        """Somebody waits."""

    def check_now(self, request: CheckRequest) -> CheckOutcome | None:
        if not self.answers_at_once:
            return None
        self.requests.append(request)
        return self._policy(request.bag)

    async def check(self, request: CheckRequest) -> CheckOutcome:
        self.requests.append(request)
        self.asked.set()
        try:
            await (asyncio.sleep(0) if self.gate is None else self.gate.wait())
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self._policy(request.bag)

    def grant_now(self, request: CheckRequest) -> Mapping[str, QuotaOutcome] | None:
        del request
        return {}

    async def grant(self, request: CheckRequest) -> Mapping[str, QuotaOutcome]:
        del request
        return {}

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        self.reports += (seen(each) for each in bags)
        return REPORTED


class FakeAppMixer:
    """An `AppMixer`; counts how often it came to life and ended."""

    def __init__(self, policy: Policy, *, answers_at_once: bool = True) -> None:
        self.inner = FakePort(policy, answers_at_once=answers_at_once)
        self.started = 0
        self.closed = 0
        self.failure: Exception | None = None
        """Raised by `start`."""
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def port(self) -> FakePort:
        if self._loop is not asyncio.get_running_loop():
            message = "asked before it was started in this loop"
            raise InternalError(message)
        return self.inner

    @property
    def reports(self) -> list[Reported]:
        return self.inner.reports

    async def start(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self._loop is not asyncio.get_running_loop():
            self._loop = asyncio.get_running_loop()
            self.started += 1

    async def aclose(self) -> None:
        if self._loop is not None:
            self._loop = None
            self.closed += 1


class FakeBlockingMixer:
    """A `BlockingAppMixer`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.requests: list[CheckRequest] = []
        self.reports: list[Reported] = []

    def check(self, request: CheckRequest) -> CheckOutcome:
        self.requests.append(request)
        return self._policy(request.bag)

    def report(self, bag: Bag) -> None:
        self.reports.append(seen(bag))

    def close(self) -> None:
        """Nothing is held."""
