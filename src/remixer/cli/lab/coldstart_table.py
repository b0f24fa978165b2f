"""The outcome of `remixer lab coldstart`: tables with goals, one JSON document."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remixer.cli.console import Json
from remixer.cli.lab.coldstart_architectures import ACTIVATOR, FILTER, HOLD
from remixer.cli.lab.coldstart_steps import AFTER_POD, BEFORE_POD, TOLD
from remixer.cli.lab.coldstart_wakes import Row
from remixer.cli.lab.options import ColdstartOptions

P50: Final = 0.5
P99: Final = 0.99
_OK: Final = 200
_HOLD_SHARE: Final = 0.8
_FILTER_MS: Final = 3.0
_FILTER_CPU_US: Final = 5.0
_STAT_MS: Final = 1.0
_NOTHING: Final = "-"


@dataclass(frozen=True, slots=True)
class ColdstartReport:
    """All that is told."""

    options: ColdstartOptions
    rows: tuple[Row, ...]
    missing: Mapping[str, str]
    """Architectures that did not run, and why."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What was to be reached, and what was."""

    text: str
    found: str
    is_met: bool


def report_text(report: ColdstartReport) -> RenderableType:
    tables = [_wakes(report), _others(report), _goals(report)]
    if report.options.steps:
        tables.insert(1, _steps(report))
    return Group(*tables, Text("\n".join(notes(report))))


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(headings[0])
    for heading in headings[1:]:
        table.add_column(heading, justify="right")
    return table


def _wakes(report: ColdstartReport) -> Table:
    table = _table(
        "cold start, ms",
        *("wakes", "failed", "p50", "p99"),
        *("to stat", "to decision", "pod", "to answer"),
        *("stats/wake", "pods too many"),
    )
    for row in report.rows:
        typical = row.typical()
        table.add_row(
            row.title,
            f"{len(row.wakes)}",
            f"{row.failed}",
            _number(row.overhead_ms(P50)),
            _number(row.overhead_ms(P99)),
            *(
                (_NOTHING,) * 4
                if typical is None
                else (
                    _number(typical.report_ms),
                    _number(typical.decision_ms),
                    _number(typical.pod_ms),
                    _number(typical.answer_ms),
                )
            ),
            f"{row.stats_per_wake:.1f}",
            f"{row.pods_beyond_need}",
        )
    return table


def _steps(report: ColdstartReport) -> Table:
    table = _table("step, ms", *(row.title for row in report.rows))
    for start, names in (("asked", BEFORE_POD), ("pod listens", AFTER_POD)):
        table.add_row(start, *("0.00" for _ in report.rows))
        for name in names:
            table.add_row(f"  {name}", *(_number(row.step_ms(name, P50)) for row in report.rows))
    table.add_row(f"{TOLD}", *(_number(row.step_ms(TOLD, P50)) for row in report.rows))
    table.add_row(
        "  its 99th percentile", *(_number(row.step_ms(TOLD, P99)) for row in report.rows)
    )
    return table


def _others(report: ColdstartReport) -> Table:
    table = _table(
        "otherwise",
        *("burst failed", "burst stats", "burst last, ms", "pods too many"),
        *("warm p50, µs", "added", "added CPU of Envoy", "without autoscaler"),
    )
    for row in report.rows:
        burst, warm, survival = row.burst, row.warm, row.survival
        table.add_row(
            row.title,
            f"{burst.failed} of {burst.sent}",
            f"{burst.stats}",
            _number(burst.last_answer_ms),
            f"{burst.pods_beyond_need}",
            f"{warm.p50_us:.0f}",
            f"{warm.added_us:+.0f}",
            f"{warm.added_cpu_us:+.1f}",
            f"{survival.answered_after_s:.1f} s" if survival.status == _OK else "failed",
        )
    return table


def _goals(report: ColdstartReport) -> Table:
    table = _table("goal", "found", "")
    for goal in goals(report):
        table.add_row(goal.text, goal.found, "met" if goal.is_met else "missed")
    return table


def goals(report: ColdstartReport) -> Iterator[Goal]:
    """Of the architectures that ran."""
    rows = {row.name: row for row in report.rows}
    activator, hold, inside = (rows.get(name) for name in (ACTIVATOR, HOLD, FILTER))
    for share, name in ((P50, "p50"), (P99, "p99")):
        yield from _ratio(hold, activator, share, _HOLD_SHARE, f"hold ÷ Activator, {name}")
        yield from _ratio(inside, hold, share, 1.0, f"filter ÷ hold, {name}")
        found = inside.overhead_ms(share) if inside else None
        if found is not None:
            text = f"filter, {name} ≤ {_FILTER_MS:g} ms"
            yield Goal(text, f"{found:.2f} ms", found <= _FILTER_MS)
    for row in (hold, inside):
        if row is not None:
            failed = row.burst.failed
            yield Goal(f"failed in the burst, {row.name} = 0", f"{failed}", failed == 0)
            told = row.step_ms(TOLD, P99)
            if told is not None:
                text = f"{row.name}: stat on the wire, p99 ≤ {_STAT_MS:g} ms"
                yield Goal(text, f"{told:.2f} ms", told <= _STAT_MS)
    if inside is not None:
        added = inside.warm.added_cpu_us
        text = f"filter when awake ≤ {_FILTER_CPU_US:g} µs of Envoy's CPU"
        yield Goal(text, f"{added:+.1f} µs", added <= _FILTER_CPU_US)


def _ratio(
    row: Row | None, other: Row | None, share: float, most: float, text: str
) -> Iterator[Goal]:
    found = row.overhead_ms(share) if row else None
    against = other.overhead_ms(share) if other else None
    if found is not None and against:
        ratio = found / against
        yield Goal(f"{text} ≤ {most:g}", f"{ratio:.2f}", ratio <= most)


def notes(report: ColdstartReport) -> Sequence[str]:
    """What the numbers are of."""
    options = report.options
    wakes = (
        "p50, p99: from request to answer without the pod's own start "
        f"({options.pod_start_s * 1000:g} ms and what its process takes), of {options.wakes} wakes "
        "each, in turn, each of another revision. The phases are medians."
    )
    burst = (
        f"Burst: {options.burst} requests at once to one idle revision; last: the slowest answer, "
        "without the pod's start."
    )
    warm = (
        f"Warm: {options.warm} requests to a pod that is awake, one after the other; added: "
        "compared with a listener of the same Envoy that asks nobody, block by block."
    )
    orphan = (
        "Without autoscaler: asked while it was killed; seconds from its return, having forgotten "
        "everything, to the answer."
    )
    lines = [wakes, burst, warm, orphan]
    lines += [f"Not measured: {title}. {why}." for title, why in report.missing.items()]
    return lines


def _number(milliseconds: float | None) -> str:
    return _NOTHING if milliseconds is None else f"{milliseconds:.2f}"


def report_json(report: ColdstartReport) -> dict[str, Json]:
    options = report.options
    return {
        "wakes": options.wakes,
        "pod_start_seconds": options.pod_start_s,
        "burst": options.burst,
        "warm": options.warm,
        "rows": [_row_json(row) for row in report.rows],
        "goals": [asdict(each) for each in goals(report)],
        "missing": dict(report.missing),
    }


def _row_json(row: Row) -> dict[str, Json]:
    typical = row.typical()
    return {
        "name": row.name,
        "title": row.title,
        "wakes": len(row.wakes),
        "failed": row.failed,
        "overhead_p50_ms": row.overhead_ms(P50),
        "overhead_p99_ms": row.overhead_ms(P99),
        "overheads_ms": [round(each.overhead_ms, 3) for each in row.phases],
        "phases": None if typical is None else asdict(typical),
        "stats_per_wake": row.stats_per_wake,
        "pods_beyond_need": row.pods_beyond_need,
        "burst": asdict(row.burst),
        "warm": asdict(row.warm),
        "without_autoscaler": asdict(row.survival),
        "steps_ms": {
            name: {"p50": row.step_ms(name, P50), "p99": row.step_ms(name, P99)}
            for name in (*BEFORE_POD, TOLD, *AFTER_POD)
        },
    }
