"""The outcome of `remixer lab availability`: a table for people, one JSON document for machines."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remixer.cli.console import Json
from remixer.cli.lab.options import AvailabilityOptions
from remixer.cli.lab.outages import Schedule
from remixer.cli.lab.tally import Row


@dataclass(frozen=True, slots=True)
class AvailabilityReport:
    """All that is told."""

    options: AvailabilityOptions
    timing: Schedule
    baseline_p50_ms: float
    rows: tuple[Row, ...]


def report_text(report: AvailabilityReport) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("down", "cache"):
        table.add_column(heading)
    for heading in (
        "requests",
        "right",
        "failed",
        "while down",
        "afterwards",
        "while well",
        "availability",
        "nines",
        "added p50",
        "added p99",
    ):
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(
            f"{row.down_share:.1%}",
            row.cache,
            f"{row.sent:,}",
            f"{row.right:,}",
            f"{row.failed:,}",
            f"{row.failed_while_down:.2%}",
            f"{row.failed_afterwards:.2%}",
            f"{row.failed_while_well:.2%}",
            f"{row.availability:.5%}",
            f"{'≥ ' if row.is_at_least else ''}{row.nines:.1f}",
            f"{row.added_p50_ms:.1f} ms",
            f"{row.added_p99_ms:.1f} ms",
        )
    return Group(table, Text("\n".join(notes(report))))


def notes(report: AvailabilityReport) -> Sequence[str]:
    """What the numbers are of."""
    timing, options = report.timing, report.options
    outages = timing.outages
    silent = sum(each.is_silent for each in outages)
    factors = {row.down_share: row.speed_up for row in report.rows}
    stood_for = ", ".join(f"{share:.1%}: {factor:.0f}" for share, factor in factors.items())
    shortest = min((each.length_s for each in outages), default=0.0)
    longest = max((each.length_s for each in outages), default=0.0)
    when = (
        f"{len(outages)} outages ({len(outages) - silent} refused connections, {silent} were "
        f"silent) of {shortest:.1f} to {longest:.1f} s, {timing.down_s:.0f} s in all, in "
        f"{timing.total_s:.0f} s; seed {options.seed}."
    )
    how = (
        "Outages and recoveries last as long as they do. Good time between them is compressed: its "
        f"requests stand for more, so that all time is compressed by a factor of {stood_for}."
    )
    what = (
        f"Verdicts live {options.lifetime_s:g} s; {options.strangers:.1%} of the requests are of "
        "users whom nobody knows yet."
    )
    latency = (
        "Added latency: above the median of an Envoy that asks nobody, "
        f"{report.baseline_p50_ms:.1f} ms."
    )
    recoveries = {row.cache: row.longest_recovery_s for row in report.rows}
    recovery = "Longest time from the end of an outage to the last failure: " + ", ".join(
        f"{seconds:.1f} s ({cache})" for cache, seconds in recoveries.items()
    )
    return when, how, what, latency, f"{recovery}."


def report_json(report: AvailabilityReport) -> dict[str, Json]:
    return {
        "seed": report.options.seed,
        "seconds": report.timing.total_s,
        "rate": report.options.rate,
        "lifetime_seconds": report.options.lifetime_s,
        "strangers": report.options.strangers,
        "baseline_p50_ms": report.baseline_p50_ms,
        "outages": [
            {"begins_seconds": each.begins_s, "seconds": each.length_s, "silent": each.is_silent}
            for each in report.timing.outages
        ],
        "rows": [_row_json(row) for row in report.rows],
    }


def _row_json(row: Row) -> dict[str, Json]:
    return {
        "down_share": row.down_share,
        "cache": row.cache,
        "time_factor": row.speed_up,
        "requests": row.sent,
        "right": row.right,
        "failed": row.failed,
        "wrong": row.wrong,
        "failed_while_down": row.failed_while_down,
        "failed_afterwards": row.failed_afterwards,
        "failed_while_well": row.failed_while_well,
        "longest_recovery_seconds": row.longest_recovery_s,
        "availability": row.availability,
        "nines": row.nines,
        "nines_are_at_least": row.is_at_least,
        "added_p50_ms": row.added_p50_ms,
        "added_p99_ms": row.added_p99_ms,
    }
