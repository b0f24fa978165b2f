"""What a wake was made of, step by step, from what was seen on the wire. Pure.

Steps of all architectures have the same names, so that they can stand side by side; who does not
take a step has no time for it. Those before the pod count from the request on, the others from
the moment that the pod listens.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from remixer.cli.lab.coldstart_tap import Segment
from remixer.cli.lab.coldstart_wakes import Wake

_MS_PER_S: Final = 1000.0
_NOWHERE: Final = 0


@dataclass(frozen=True, slots=True)
class Ports:
    """Who listens where."""

    pod: int
    autoscaler: int
    kubernetes: int
    decider: int = _NOWHERE
    """Whom Envoy asks: activator or Mixer."""


Steps: TypeAlias = Mapping[str, float]
"""Milliseconds by the step's name."""

TOLD: Final = "stat sent, since whoever sends it was asked"
BEFORE_POD: Final = ("decider asked", "stat sent", "stat read", "decided")
AFTER_POD: Final = (
    "Kubernetes tells",
    "pod answers a connection",
    "decider answers",
    "last connection to the pod",
    "pod asked",
    "pod answers",
    "answered",
)


def steps_of(seen: Iterable[Segment], ports: Ports, wake: Wake) -> Steps:
    """Of one wake that succeeded; `{}` of others."""
    story = wake.story
    up_at_s, decided_at_s = story.up_at_s, story.decided_at_s
    if wake.phases is None or up_at_s is None or decided_at_s is None:
        return {}
    during = [each for each in seen if wake.asked_at_s <= each.at_s <= wake.answered_at_s]
    early = [each for each in during if each.at_s < up_at_s]
    late = [each for each in during if each.at_s >= up_at_s]
    before: dict[str, float | None] = {
        "decider asked": _first(early, lambda each: _says_to(each, ports.decider)),
        # Others tell the autoscaler of their revisions, too: it is the last that it can have read.
        "stat sent": _last(
            early,
            lambda each: _says_to(each, ports.autoscaler) and each.at_s <= story.stats_at_s[0],
        ),
        "stat read": story.stats_at_s[0],
        "decided": decided_at_s,
    }
    after: dict[str, float | None] = {
        "Kubernetes tells": _first(late, lambda each: _says(each, ports.kubernetes)),
        "pod answers a connection": _first(
            late, lambda each: each.accepts and each.source == ports.pod
        ),
        "decider answers": _first(late, lambda each: _says(each, ports.decider)),
        "last connection to the pod": _last(
            late, lambda each: each.opens and each.destination == ports.pod
        ),
        "pod asked": _last(late, lambda each: _says_to(each, ports.pod)),
        "pod answers": _last(late, lambda each: _says(each, ports.pod)),
        "answered": wake.answered_at_s,
    }
    found = {**_since(wake.asked_at_s, before), **_since(up_at_s, after)}
    if "stat sent" in found:
        found[TOLD] = found["stat sent"] - found.get("decider asked", 0.0)
    return found


def _says(segment: Segment, port: int) -> bool:
    return segment.source == port and segment.octets > 0


def _says_to(segment: Segment, port: int) -> bool:
    return segment.destination == port and segment.octets > 0


def _first(seen: Sequence[Segment], is_it: Callable[[Segment], bool]) -> float | None:
    return next((each.at_s for each in seen if is_it(each)), None)


def _last(seen: Sequence[Segment], is_it: Callable[[Segment], bool]) -> float | None:
    return _first(seen[::-1], is_it)


def _since(start_s: float, instants: Mapping[str, float | None]) -> Steps:
    return {
        name: (at_s - start_s) * _MS_PER_S for name, at_s in instants.items() if at_s is not None
    }
