"""`kactivator`: the checks.

A request is allowed, or held; it is never denied but for want of readiness. What is no revision,
or none that exists, is none of this adapter's business: it has no opinion.

Theory of operation. Who is awake is told by the readiness, where there is one, else by what the
autoscaler was told lately: a revision that was asked for within `valid_duration` is taken for
awake. Requests for others are reported (`connection`) until they may go on. With mode HOLD that is
when `check` returns. With mode ANSWER, Envoy holds the request and does not come back, so the
request counts as held until the readiness says otherwise, or `hold.timeout` has passed; without a
readiness it counts as one request at one moment.
"""

import platform
from collections.abc import Callable
from typing import Final

from remixer.adapters.kactivator.connection import (
    AutoscalerLink,
    AutoscalerLinks,
    LinkHold,
    LinkSpec,
    LinkTools,
)
from remixer.adapters.kactivator.endpoint_slices import WatchSettings, open_endpoint_slices
from remixer.adapters.kactivator.keys import KeyRules, KnownRevisions, revision_of
from remixer.adapters.kactivator.params import (
    POD_NAME_START,
    Mode,
    Params,
    ReadinessSource,
    validate,
    wire_encoding,
)
from remixer.adapters.kactivator.params import Probe as ProbeParams
from remixer.adapters.kactivator.probe import Probe, ProbeSettings
from remixer.adapters.kactivator.readiness import Readiness, Revision
from remixer.adapters.kactivator.refusal import refusal
from remixer.adapters.kactivator.vigil import Vigils
from remixer.adapters.kactivator.waiting import Held, RoomLimits, WaitingRoom
from remixer.drivers.kubernetes import kubernetes_place
from remixer.sdk import (
    AdapterInfo,
    Authorization,
    CheckResult,
    Environment,
    HandlerContext,
)

_SECOND_NS: Final = 1_000_000_000
_CALL_MARGIN_S: Final = 1.0
"""A hold ends by itself, before its call is cancelled."""
SIZE_PROPERTY: Final = "request.size"
_NO_OPINION: Final = CheckResult()


def body_bytes(instance: Authorization) -> int:
    """Size of the request's body, if the instance tells it; Envoy keeps it while it is held."""
    size = instance.action.properties.get(SIZE_PROPERTY)
    return max(0, size) if isinstance(size, int) else 0


class Desk:
    """What both modes have in common: whose request it is, and whether it may go on."""

    def __init__(
        self,
        params: Params,
        *,
        link: AutoscalerLink,
        readiness: Readiness | None,
        count: Callable[[str], None],
    ) -> None:
        self.link = link
        self._readiness = readiness
        self._rules = KeyRules(params.service_suffixes)
        self._known = KnownRevisions(params.revisions)
        self._awake_s = params.valid_duration / _SECOND_NS
        self.count = count
        self.awake = CheckResult(
            valid_duration=params.valid_duration, valid_use_count=params.valid_use_count
        )
        self.woken = CheckResult(
            valid_duration=params.idle_valid_duration, valid_use_count=params.valid_use_count
        )

    def sleeper(self, instance: Authorization) -> Revision | CheckResult:
        """The revision that has to be woken; or the answer, if none has."""
        revision = revision_of(instance.action.namespace, instance.action.service, self._rules)
        if revision is None:
            self.count("no-revision")
            return _NO_OPINION
        if not self._exists(revision):
            self.count("unknown")
            return _NO_OPINION
        if self.is_awake(revision):
            self.count("awake")
            return self.awake
        self.count("asleep")
        return revision

    def is_awake(self, revision: Revision) -> bool:
        if self._readiness is not None:
            return self._readiness.is_ready(revision) is True
        return self.link.woken_within(revision, self._awake_s)

    def _exists(self, revision: Revision) -> bool:
        if not self._known.holds(revision):
            return False
        return self._readiness is None or self._readiness.may_exist(revision)


class AnsweringActivator:
    """Wakes, and answers at once."""

    def __init__(self, desk: Desk, *, vigils: Vigils | None, held: "Holdings") -> None:
        self._desk = desk
        self._vigils = vigils
        self._held = held

    def check(self, instance: Authorization, /) -> CheckResult:
        """Always allows."""
        found = self._desk.sleeper(instance)
        if isinstance(found, CheckResult):
            return found
        if self._vigils is None:
            self._desk.link.wake(found)
        else:
            self._vigils.keep(found)
        return self._desk.woken

    async def aclose(self) -> None:
        await self._held.aclose()


class HoldingActivator:
    """Wakes, and answers when the revision is ready."""

    def __init__(
        self,
        desk: Desk,
        *,
        room: WaitingRoom,
        held: "Holdings",
        retry_after_s: float,
        call_timeout_s: float,
    ) -> None:
        self.call_timeout_s = call_timeout_s
        """So that nobody has to allow all adapters as much time as this one holds requests."""
        self._desk = desk
        self._room = room
        self._held = held
        self._retry_after_s = retry_after_s

    async def check(self, instance: Authorization, /) -> CheckResult:
        """Allows, or tells the client to come again."""
        found = self._desk.sleeper(instance)
        if isinstance(found, CheckResult):
            return found
        link = self._desk.link
        link.arrive(found)
        try:
            outcome = await self._room.hold(found, size_bytes=body_bytes(instance))
        finally:
            link.leave(found)
        self._desk.count(outcome.value)
        if outcome is Held.READY:
            return self._desk.awake
        return refusal(outcome, found, retry_after_s=self._retry_after_s)

    async def aclose(self) -> None:
        self._room.close()
        await self._held.aclose()


class Holdings:
    """What a handler must give back."""

    def __init__(self, hold: LinkHold, readiness: Readiness | None) -> None:
        self._hold = hold
        self._readiness = readiness

    async def aclose(self) -> None:
        """Once or twice."""
        self._hold.release()
        readiness, self._readiness = self._readiness, None
        if readiness is not None:
            await readiness.aclose()


def probe_settings(probe: ProbeParams) -> ProbeSettings:
    """In seconds."""
    return ProbeSettings(
        template=probe.address,
        interval_s=probe.interval / _SECOND_NS,
        least_interval_s=probe.least_interval / _SECOND_NS,
        timeout_s=probe.timeout / _SECOND_NS,
        fresh_s=probe.fresh / _SECOND_NS,
        addresses={
            Revision(*entry.split("/", 1)): address for entry, address in probe.addresses.items()
        },
    )


async def open_readiness(
    params: Params, context: HandlerContext, environment: Environment
) -> Readiness | None:
    """None without a source. Raises what the source raises for what it cannot use."""
    match params.readiness:
        case ReadinessSource.NONE:
            return None
        case ReadinessSource.PROBE:
            return Probe(
                probe_settings(params.probe), tasks=environment.tasks, clock=environment.clock
            )
        case ReadinessSource.ENDPOINT_SLICES:
            watch = params.endpoint_slices
            return await open_endpoint_slices(
                WatchSettings(
                    watch.kubeconfig_path,
                    watch.namespace,
                    watch.label_selector,
                    watch.refresh / _SECOND_NS,
                ),
                context,
                environment,
                place=kubernetes_place(),
            )


def assemble(
    params: Params,
    context: HandlerContext,
    environment: Environment,
    *,
    readiness: Readiness | None,
    tools: LinkTools,
) -> AnsweringActivator | HoldingActivator:
    """A handler on the process's connection to its autoscaler. Takes `readiness` over."""
    links = environment.scrape.shared("kactivator", AutoscalerLinks)
    spec = LinkSpec(
        params.autoscaler_endpoint,
        wire_encoding(params),
        params.pod_name or f"{POD_NAME_START}-{platform.node()}",
        params.concurrency_per_request,
        params.most_revisions,
    )
    hold = links.hold(spec, tools)
    environment.tasks.spawn(hold.link.run(), name="autoscaler")
    held = Holdings(hold, readiness)
    checks = links.checks

    def count(found: str) -> None:
        checks[context.name, found] += 1

    desk = Desk(params, link=hold.link, readiness=readiness, count=count)
    timeout_s = params.hold.timeout / _SECOND_NS
    if params.mode is Mode.ANSWER or readiness is None:
        vigils = None
        if readiness is not None:
            vigils = Vigils(readiness, link=hold.link, tasks=environment.tasks, timeout_s=timeout_s)
        return AnsweringActivator(desk, vigils=vigils, held=held)
    limits = RoomLimits(
        timeout_s,
        params.hold.most_requests,
        params.hold.most_per_revision,
        params.hold.most_revisions,
        params.hold.most_bytes,
    )
    room = WaitingRoom(readiness=readiness, limits=limits, clock=environment.clock)
    return HoldingActivator(
        desk,
        room=room,
        held=held,
        retry_after_s=params.hold.retry_after / _SECOND_NS,
        call_timeout_s=timeout_s + _CALL_MARGIN_S,
    )


async def _build(
    params: Params, context: HandlerContext, environment: Environment
) -> AnsweringActivator | HoldingActivator:
    # Loads aiohttp: 8 MB that a server without this adapter does without.
    from remixer.drivers.aio_websocket import AioWebSocketConnector  # noqa: PLC0415 - see above

    readiness = await open_readiness(params, context, environment)
    tools = LinkTools(AioWebSocketConnector(), environment.clock)
    return assemble(params, context, environment, readiness=readiness, tools=tools)


INFO = AdapterInfo(
    name="kactivator",
    description="Wakes idle Knative services, and holds their requests until they answer.",
    templates=frozenset({"authorization"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
