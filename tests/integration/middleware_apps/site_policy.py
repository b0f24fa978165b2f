"""One policy for the same small site in every framework; the sites are loaded by real servers.

Servers run in a directory with a socket `reports.sock`, to which each report is sent.
"""

import json
import os
import socket
from collections.abc import Sequence
from typing import Any

from remixer.attributes.bag import Bag
from remixer.mixer.outcome import REPORTED, CheckOutcome, HeaderOperation, ReportOutcome
from remixer.sidecar.hop_trust import HopTrust
from remixer.testing.app_mixers import (
    FakeAppMixer,
    FakeBlockingMixer,
    FakePort,
    allowed,
    denied,
    seen,
)

PARTS = 3
SETTINGS: dict[str, Any] = {
    "attributes": {"destination.service.name": "cart"},
    "exclude": ("/healthz",),
    "trust": HopTrust.of(addresses=["unix"]),
}


def policy(bag: Bag) -> CheckOutcome:
    """One for all sites."""
    match bag["request.url_path"]:
        case "/denied":
            return denied(message="not you")
        case "/moved":
            return allowed(direct=(302, ""), response=[HeaderOperation("location", "/hello")])
        case _:
            return allowed(
                request=[HeaderOperation("x-policy", "seen")],
                response=[HeaderOperation("x-checked", "yes")],
            )


def tell(bag: Bag) -> None:
    """Send a report to the test."""
    report = {**seen(bag), "pid": os.getpid()}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(json.dumps(report, default=repr).encode(), "reports.sock")


class TellingPort(FakePort):
    """Reports at once."""

    def report(self, bags: Sequence[Bag]) -> ReportOutcome:
        for bag in bags:
            tell(bag)
        return REPORTED


class TellingMixer(FakeAppMixer):
    """Every answer takes a moment."""

    def __init__(self) -> None:
        super().__init__(policy)
        self.inner = TellingPort(policy, answers_at_once=False)


class TellingBlockingMixer(FakeBlockingMixer):
    """Reports at once."""

    def __init__(self) -> None:
        super().__init__(policy)

    def report(self, bag: Bag) -> None:
        tell(bag)
