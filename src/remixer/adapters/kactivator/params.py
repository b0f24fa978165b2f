"""Parameters of `kactivator` and what is wrong with them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.adapters.kactivator.keys import entry_fault
from remixer.adapters.kactivator.probe import DEFAULT_TEMPLATE, address_fault, template_fault
from remixer.adapters.kactivator.reporting import MOST_REVISIONS, SMALLEST
from remixer.adapters.kactivator.slices import REVISION_LABEL
from remixer.attributes.values import Duration
from remixer.drivers.http_client import shown_url
from remixer.drivers.kubernetes import kubernetes_is_installed
from remixer.drivers.websocket import websocket_url
from remixer.foundation.durations import format_duration
from remixer.sdk import HandlerContext, Int32, ParamProblem
from remixer.sdk.knative_stats import Encoding, StatError, encoding_for

DEFAULT_AUTOSCALER: Final = "ws://autoscaler.knative-serving.svc.cluster.local:8080"
POD_NAME_START: Final = "activator"
"""Autoscalers of 0.4 and 0.5 take other senders for pods that serve, or drop what they say."""
_SECOND_NS: Final = 1_000_000_000
_LONGEST_VALID_NS: Final = 60 * _SECOND_NS
"""Knative's stable window: a revision that was used is not put to sleep sooner."""
_MOST_HELD: Final = 100_000
_MOST_HELD_BYTES: Final = 256 * 1024 * 1024
_LONGEST_NAME: Final = 253
_UNLIMITED: Final = 1_000_000_000


def _seconds(seconds: float) -> Duration:
    return Duration(round(seconds * _SECOND_NS))


class WireEncoding(IntEnum):
    """What the autoscaler reads."""

    PROTOBUF = 0
    GOB = 1
    AUTO = 2


class Mode(IntEnum):
    """What becomes of a request for a revision that is not awake."""

    ANSWER = 0
    HOLD = 1


class ReadinessSource(IntEnum):
    """How it is known that a revision is awake."""

    NONE = 0
    PROBE = 1
    ENDPOINT_SLICES = 2


@dataclass(frozen=True, slots=True)
class Hold:
    """How long requests are held, and how many."""

    timeout: Duration = _seconds(30)  # noqa: RUF009 - an int subclass, immutable
    most_requests: Int32 = Int32(10_000)  # noqa: RUF009 - a number
    most_per_revision: Int32 = Int32(1_000)  # noqa: RUF009 - a number
    most_revisions: Int32 = Int32(1_000)  # noqa: RUF009 - a number
    retry_after: Duration = _seconds(1)  # noqa: RUF009 - an int subclass, immutable
    most_bytes: int = _MOST_HELD_BYTES


@dataclass(frozen=True, slots=True)
class Probe:
    """Where revisions are asked whether they answer, and how often."""

    address: str = DEFAULT_TEMPLATE
    addresses: Mapping[str, str] = field(default_factory=dict)
    interval: Duration = _seconds(0.2)  # noqa: RUF009 - an int subclass, immutable
    least_interval: Duration = _seconds(0.0005)  # noqa: RUF009 - an int subclass, immutable
    timeout: Duration = _seconds(0.3)  # noqa: RUF009 - an int subclass, immutable
    fresh: Duration = _seconds(1)  # noqa: RUF009 - an int subclass, immutable


@dataclass(frozen=True, slots=True)
class EndpointSlices:
    """Which cluster's EndpointSlices are followed."""

    kubeconfig_path: str = ""
    namespace: str = ""
    label_selector: str = REVISION_LABEL
    refresh: Duration = _seconds(300)  # noqa: RUF009 - an int subclass, immutable


@dataclass(frozen=True, slots=True)
class Params:
    """The first field has the name and number of the adapter of 2019."""

    autoscaler_endpoint: str = DEFAULT_AUTOSCALER
    encoding: WireEncoding = WireEncoding.PROTOBUF
    release: str = ""
    pod_name: str = ""
    mode: Mode = Mode.ANSWER
    valid_duration: Duration = _seconds(20)  # noqa: RUF009 - an int subclass, immutable
    idle_valid_duration: Duration = _seconds(1)  # noqa: RUF009 - an int subclass, immutable
    valid_use_count: Int32 = Int32(_UNLIMITED)  # noqa: RUF009 - a number
    revisions: tuple[str, ...] = ()
    service_suffixes: tuple[str, ...] = ("-priv", "-private")
    concurrency_per_request: float = 1.0
    most_revisions: Int32 = Int32(MOST_REVISIONS)  # noqa: RUF009 - a number
    hold: Hold = Hold()
    readiness: ReadinessSource = ReadinessSource.NONE
    probe: Probe = Probe()
    endpoint_slices: EndpointSlices = EndpointSlices()


def wire_encoding(params: Params) -> Encoding:
    """Raises `StatError` for a release that does not read it."""
    return encoding_for(params.encoding.name.lower(), release=params.release)


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """All faults."""
    yield from _wire_problems(params)
    yield from _answer_problems(params)
    yield from _key_problems(params)
    yield from _hold_problems(params)
    yield from _readiness_problems(params)


def _wire_problems(params: Params) -> Iterator[ParamProblem]:
    if websocket_url(params.autoscaler_endpoint) is None:
        yield ParamProblem(
            "autoscaler_endpoint",
            f"`{shown_url(params.autoscaler_endpoint)}` is not a websocket address",
            f"Write it with scheme and host: {DEFAULT_AUTOSCALER}.",
        )
    try:
        wire_encoding(params)
    except StatError as error:
        yield ParamProblem("release", str(error), "Use protobuf for 0.17 and later.")
    name = params.pod_name
    if name and not (name.startswith(POD_NAME_START) and _is_plain(name)):
        yield ParamProblem(
            "pod_name",
            f"`{name!a}` is no pod name that starts with `{POD_NAME_START}`",
            "Old autoscalers drop what others say. Leave it empty for one made of the host's name.",
        )


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isprintable() and len(name) <= _LONGEST_NAME


def _answer_problems(params: Params) -> Iterator[ParamProblem]:
    for name in ("valid_duration", "idle_valid_duration"):
        found: Duration = getattr(params, name)
        if not 0 <= found <= _LONGEST_VALID_NS:
            yield ParamProblem(
                name,
                f"is {format_duration(found)}, wanted 0s to 60s",
                "A remembered answer must end before a revision can have gone to sleep again.",
            )
    if params.valid_use_count < 0:
        yield ParamProblem("valid_use_count", f"{params.valid_use_count} is negative")


def _key_problems(params: Params) -> Iterator[ParamProblem]:
    for index, entry in enumerate(params.revisions):
        if fault := entry_fault(entry):
            yield ParamProblem(
                f"revisions[{index}]", f"`{entry!a}` {fault}", "Write namespace/revision."
            )
    for index, suffix in enumerate(params.service_suffixes):
        if not suffix:
            yield ParamProblem(f"service_suffixes[{index}]", "is empty")
    if not SMALLEST <= params.concurrency_per_request <= 1 or math.isnan(
        params.concurrency_per_request
    ):
        yield ParamProblem(
            "concurrency_per_request",
            f"{params.concurrency_per_request} is not between {SMALLEST:f} and 1",
            "0.01 never asks for a second pod; 1 is the truth.",
        )
    if not 1 <= params.most_revisions <= _MOST_HELD:
        yield ParamProblem("most_revisions", f"{params.most_revisions} is not 1 to {_MOST_HELD}")


def _hold_problems(params: Params) -> Iterator[ParamProblem]:
    hold = params.hold
    for name in ("most_requests", "most_per_revision", "most_revisions"):
        found: int = getattr(hold, name)
        if not 1 <= found <= _MOST_HELD:
            yield ParamProblem(f"hold.{name}", f"{found} is not 1 to {_MOST_HELD}")
    if hold.most_bytes < 1:
        yield ParamProblem("hold.most_bytes", f"{hold.most_bytes} is not 1 or more")
    for name in ("timeout", "retry_after"):
        length: Duration = getattr(hold, name)
        if length <= 0:
            yield ParamProblem(f"hold.{name}", f"is {format_duration(length)}, wanted more than 0s")


def _readiness_problems(params: Params) -> Iterator[ParamProblem]:
    match params.readiness:
        case ReadinessSource.NONE:
            if params.mode is Mode.HOLD:
                yield ParamProblem(
                    "readiness",
                    "is NONE, but requests are to be held until a revision is ready",
                    "Choose PROBE or ENDPOINT_SLICES, or mode ANSWER.",
                )
        case ReadinessSource.PROBE:
            yield from _probe_problems(params.probe)
        case ReadinessSource.ENDPOINT_SLICES:
            if not kubernetes_is_installed():
                yield ParamProblem(
                    "readiness",
                    "the Kubernetes client is not installed",
                    "Run pip install 'remixer[kubernetes]'.",
                )
            if params.endpoint_slices.refresh < 0:
                yield ParamProblem("endpoint_slices.refresh", "is negative")


def _probe_problems(probe: Probe) -> Iterator[ParamProblem]:
    if fault := template_fault(probe.address):
        yield ParamProblem("probe.address", f"`{probe.address!a}` {fault}", DEFAULT_TEMPLATE)
    for entry, address in probe.addresses.items():
        if fault := entry_fault(entry):
            yield ParamProblem(
                "probe.addresses", f"`{entry!a}` {fault}", "Write namespace/revision."
            )
        if fault := address_fault(address):
            yield ParamProblem(
                f"probe.addresses[{entry!a}]", f"`{address!a}` {fault}", "tcp://HOST:PORT"
            )
    for name in ("interval", "least_interval", "timeout"):
        found: Duration = getattr(probe, name)
        if found <= 0:
            yield ParamProblem(f"probe.{name}", f"is {format_duration(found)}, wanted more than 0s")
    if probe.fresh < 0:
        yield ParamProblem("probe.fresh", "is negative")
