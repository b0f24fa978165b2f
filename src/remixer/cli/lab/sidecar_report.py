"""What came of `remixer lab sidecar`, row by row. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from remixer.cli.lab.call_counts import CallCounts
from remixer.cli.lab.in_process import LibraryRun
from remixer.cli.lab.options import SidecarOptions
from remixer.cli.lab.tally import Sample

_US_PER_S: Final = 1e6
_NO_VERDICT: Final = frozenset({0, 503})


@dataclass(frozen=True, slots=True)
class Latencies:
    """Microseconds."""

    p50_us: float
    p90_us: float
    p99_us: float

    @staticmethod
    def of(samples: Sequence[Sample]) -> "Latencies":
        """Of one sample at least."""
        ordered = sorted(each.latency_s for each in samples)
        last = len(ordered) - 1
        p50, p90, p99 = (ordered[round(share * last)] * _US_PER_S for share in (0.5, 0.9, 0.99))
        return Latencies(p50, p90, p99)


@dataclass(frozen=True, slots=True)
class SidecarRow:
    """One kind of traffic. `counts` None: nobody was asked, or nobody can say."""

    name: str
    requests: int
    latencies: Latencies | None
    failed: int
    """No verdict: no answer at all, or 503."""
    wrong: int
    """A verdict, and not the one that the rules give."""
    counts: CallCounts | None = None

    @property
    def requests_per_check(self) -> float | None:
        return self._per(None if self.counts is None else self.counts.checks)

    @property
    def requests_per_report(self) -> float | None:
        return self._per(None if self.counts is None else self.counts.reports)

    @property
    def hit_ratio(self) -> float | None:
        """Of those who remember."""
        counts = self.counts
        if counts is None or not counts.hits + counts.misses:
            return None
        return counts.hits / (counts.hits + counts.misses)

    def _per(self, calls: int | None) -> float | None:
        return self.requests / calls if calls else None


@dataclass(frozen=True, slots=True)
class SidecarReport:
    """All that is told."""

    options: SidecarOptions
    rows: tuple[SidecarRow, ...]
    client: LibraryRun
    outage_s: float
    """From the Mixer's end until it served again."""
    records_lost: int
    """Requests that the sidecar took note of, and that no Mixer ever heard of."""


def row_of(name: str, samples: Sequence[Sample], counts: CallCounts | None = None) -> SidecarRow:
    return SidecarRow(
        name=name,
        requests=len(samples),
        latencies=Latencies.of(samples) if samples else None,
        failed=sum(each.status in _NO_VERDICT for each in samples),
        wrong=sum(not each.is_right and each.status not in _NO_VERDICT for each in samples),
        counts=counts,
    )


def library_row(run: LibraryRun) -> SidecarRow:
    """The library's run among the others."""
    counts = CallCounts(
        checks=run.check_calls,
        reports=run.report_calls,
        hits=run.hits,
        misses=run.checks - run.hits,
        records=run.records_sent,
    )
    return SidecarRow("library", run.checks, None, 0, run.wrong, counts)
