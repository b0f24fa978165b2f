"""One stat: what a sender saw of one revision during about a second."""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from remixer.foundation.errors import RemixerError

MOST_NAME_BYTES: Final = 4096
"""Of a namespace, a revision or a pod; Kubernetes allows 253."""
_EARLIEST_NS: Final = -(2**62)
_LATEST_NS: Final = 2**63 - 1  # the year 2262: protobuf's and Go's instants all reach further


class StatError(RemixerError):
    """Bytes that are no stat of the wanted encoding, or a stat that must not be sent."""


class RevisionKey(NamedTuple):
    """Names a PodAutoscaler, whose name is its revision's."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Stat:
    """Raises `StatError` for what would poison the autoscaler's windows.

    NaN and infinity stay in a window for a minute: the real server validates nothing, so that no
    such stat exists is our part.
    """

    key: RevisionKey
    pod_name: str = ""
    concurrency: float = 0.0
    """Average number of requests at a time."""
    proxied_concurrency: float = 0.0
    """The part of it that an activator passed on."""
    request_count: float = 0.0
    """Requests that arrived, per second."""
    proxied_request_count: float = 0.0
    process_uptime_s: float = 0.0
    time_ns: int | None = None
    """Unix time; None, as it should be, makes the autoscaler take its own clock's."""

    def __post_init__(self) -> None:
        for name in ("namespace", "name"):
            _check_text(name, getattr(self.key, name))
        _check_text("pod_name", self.pod_name)
        for name in _NUMBERS:
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                message = f"{self.key!s}: {name} is {value}, wanted a finite number from 0"
                raise StatError(message)
        if self.time_ns is not None and not _EARLIEST_NS <= self.time_ns <= _LATEST_NS:
            message = f"{self.key!s}: time_ns is {self.time_ns}, out of range"
            raise StatError(message)


_NUMBERS: Final = (
    "concurrency",
    "proxied_concurrency",
    "request_count",
    "proxied_request_count",
    "process_uptime_s",
)


def _check_text(name: str, text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        message = f"{name} {text!a}: not text that UTF-8 can hold"
        raise StatError(message) from error
    if size > MOST_NAME_BYTES:
        message = f"{name} has {size} bytes, at most {MOST_NAME_BYTES} are sent"
        raise StatError(message)
