"""What a person can choose about the experiments."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remixer.cli.console import OutputFormat

SHARES: Final = (0.001, 0.01)
"""Of the time that the back end is down."""
MOST_WAKES: Final = 80
"""Of each architecture: Envoy watches a file of endpoints for each, with one of the 128 watchers
that Linux allows a user."""


@dataclass(frozen=True, slots=True)
class AvailabilityOptions:
    """Of `remixer lab availability`. Each has the flag of its name."""

    minutes: float = 5.0
    seed: int = 1
    rate: float = 30.0
    """Requests per second through each Envoy."""
    lifetime_s: float = 5.0
    """Of the back end's verdicts."""
    strangers: float = 0.002
    """The part of the requests of users whom nobody can know."""
    steady_s: float = 6.0
    """Time that is lived between outages, after all has recovered; longer than verdicts live."""
    output: OutputFormat = OutputFormat.TEXT


@dataclass(frozen=True, slots=True)
class SidecarOptions:
    """Of `remixer lab sidecar`. Each has the flag of its name."""

    requests: int = 20_000
    """Through each Envoy."""
    keys: int = 1_000
    """Users who ask often."""
    tail: float = 0.001
    """The part of the requests of other users, of whom few ask much (Zipf)."""
    connections: int = 4
    """To each Envoy; on each, one request after the other."""
    outage_s: float = 5.0
    """How long the Mixer is away."""
    checks: int = 3_000_000
    """Of the library, in the lab's own process; each is reported, too."""
    seed: int = 1
    plot: Path | None = None
    """A picture of it, SVG."""
    output: OutputFormat = OutputFormat.TEXT


@dataclass(frozen=True, slots=True)
class ColdstartOptions:
    """Of `remixer lab coldstart`. Each has the flag of its name."""

    wakes: int = 30
    """Of each architecture, each of a revision of its own."""
    pod_start_s: float = 0.5
    burst: int = 200
    """Requests at once to one idle revision."""
    warm: int = 2_000
    """Requests to a revision that is awake, through each Envoy."""
    filters: Path = Path("build/libremixer_envoy.so")
    """The module with the filter; without it its rows are left out."""
    only: tuple[str, ...] = ()
    """Names of architectures; none: all."""
    steps: bool = False
    """Whether to listen on loopback, and tell what wakes are made of."""
    plot: Path | None = None
    """A picture of it, SVG."""
    output: OutputFormat = OutputFormat.TEXT
