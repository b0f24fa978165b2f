"""The outcome of `remixer lab sidecar`: a table, a picture, one JSON document."""

from collections.abc import Sequence
from dataclasses import asdict

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remixer.cli.console import Json
from remixer.cli.lab.bar_chart import BarChart, BarGroup
from remixer.cli.lab.sidecar_report import SidecarReport, SidecarRow

_COLUMNS = (
    "requests",
    "p50 µs",
    "p90 µs",
    "p99 µs",
    "failed",
    "wrong",
    "hits",
    "Checks",
    "Reports",
    "per Check",
    "per Report",
)
_NOTHING = "-"


def report_text(report: SidecarReport) -> RenderableType:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("traffic")
    for heading in _COLUMNS:
        table.add_column(heading, justify="right")
    for row in report.rows:
        table.add_row(row.name, *_cells(row))
    return Group(table, Text("\n".join(notes(report))))


def _cells(row: SidecarRow) -> tuple[str, ...]:
    times, counts = row.latencies, row.counts
    return (
        f"{row.requests:,}",
        *(
            (f"{each:,.0f}" for each in (times.p50_us, times.p90_us, times.p99_us))
            if times
            else (_NOTHING,) * 3
        ),
        f"{row.failed:,}",
        f"{row.wrong:,}",
        _NOTHING if row.hit_ratio is None else f"{row.hit_ratio:.2%}",
        _NOTHING if counts is None else f"{counts.checks:,}",
        _NOTHING if counts is None else f"{counts.reports:,}",
        _whole(row.requests_per_check),
        _whole(row.requests_per_report),
    )


def _whole(number: float | None) -> str:
    return _NOTHING if number is None else f"{number:,.0f}"


def notes(report: SidecarReport) -> Sequence[str]:
    """What the numbers are of."""
    options, library = report.options, report.client
    prefetches = sum(row.counts.prefetches for row in report.rows if row.counts)
    who = (
        f"{options.keys:,} users ask often, {options.tail:.1%} of the requests are of others (Zipf);"
        f" {options.connections} connections, on each one request after the other; seed "
        f"{options.seed}."
    )
    rules = (
        "The rules: a list, whose verdicts count 10,000 times or 300 s, and a quota that every "
        f"request is charged: {prefetches:,} of the sidecar's Checks fetched tokens ahead."
    )
    away = (
        f"No Mixer for {report.outage_s:.1f} s: failed are requests of users whom the sidecar did "
        f"not know. Requests that were never reported: {report.records_lost:,}."
    )
    per_1000 = (
        f"Library: {library.check_calls_per_1000:.2f} Checks and "
        f"{library.report_calls_per_1000:.2f} Reports per 1,000 requests; "
        f"{library.cpu_us:.1f} µs of CPU for a check with its report."
    )
    return who, rules, away, per_1000


def charts_of(report: SidecarReport) -> tuple[BarChart, ...]:
    """Percentiles of each kind of traffic, and requests for each call of the Mixer."""
    timed = [row for row in report.rows if row.latencies is not None]
    counted = [row for row in report.rows if row.counts is not None]
    return (
        BarChart(
            "Latency, µs",
            ("p50", "p90", "p99"),
            tuple(
                BarGroup(row.name, (each.p50_us, each.p90_us, each.p99_us))
                for row in timed
                if (each := row.latencies) is not None
            ),
        ),
        BarChart(
            "Requests for each call of the Mixer",
            ("Check", "Report"),
            tuple(
                BarGroup(row.name, (row.requests_per_check or 0.0, row.requests_per_report or 0.0))
                for row in counted
            ),
        ),
    )


def report_json(report: SidecarReport) -> dict[str, Json]:
    options, library = report.options, report.client
    return {
        "seed": options.seed,
        "keys": options.keys,
        "tail": options.tail,
        "connections": options.connections,
        "outage_seconds": report.outage_s,
        "records_lost": report.records_lost,
        "rows": [_row_json(row) for row in report.rows],
        "library": {
            "checks": library.checks,
            "wrong": library.wrong,
            "check_calls": library.check_calls,
            "report_calls": library.report_calls,
            "check_calls_per_1000": library.check_calls_per_1000,
            "report_calls_per_1000": library.report_calls_per_1000,
            "cpu_us": library.cpu_us,
        },
    }


def _row_json(row: SidecarRow) -> dict[str, Json]:
    return {
        "traffic": row.name,
        "requests": row.requests,
        "latency": None if row.latencies is None else asdict(row.latencies),
        "failed": row.failed,
        "wrong": row.wrong,
        "hit_ratio": row.hit_ratio,
        "calls": None if row.counts is None else asdict(row.counts),
        "requests_per_check": row.requests_per_check,
        "requests_per_report": row.requests_per_report,
    }
