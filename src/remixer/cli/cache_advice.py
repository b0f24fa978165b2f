"""Reading a recording of checks, and telling what it says of the cache."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remixer.cli.cache_plot import write_plot
from remixer.cli.complaints import printable, show_warning
from remixer.cli.console import Json, OutputFormat, emit_json, show
from remixer.cli.exits import OperatorError
from remixer.cli.input_files import read_file
from remixer.tiers.advice import Advice, Cost, Curve, advise
from remixer.tiers.trace import TracedCheck, TraceError, read_segment

_MOST_CHECKS: Final = 200_000
"""The last ones of a recording: what a person waits for, a few seconds."""


def tell(file: Path, *, plot: Path | None, output: OutputFormat) -> bool:
    """Show the advice; whether there were checks. Raises `OperatorError`."""
    checks = _read(file)
    advice = advise(checks)
    if plot is not None and checks:
        write_plot(advice, plot)
    if output is OutputFormat.JSON:
        emit_json(advice_json(advice))
    elif checks:
        show(advice_text(advice))
    else:
        show("the recording has no checks")
    return bool(checks)


def _read(file: Path) -> list[TracedCheck]:
    """The last checks of the recording, in order of time."""
    recording, checks = _segment(file)
    kept: deque[TracedCheck] = deque(maxlen=_MOST_CHECKS)
    earlier = file.with_name(file.name + ".1")
    if earlier.exists():
        its, found = _segment(earlier)
        if its == recording:
            kept.extend(_checks(found, earlier))
        elif its:
            show_warning(f"{earlier} is of another recording and does not count")
    kept.extend(_checks(checks, file))
    return list(kept)


def _segment(file: Path) -> tuple[bytes, Iterator[TracedCheck]]:
    payload = read_file(file, flag="FILE")
    if not payload:
        return b"", iter(())  # just begun
    try:
        return read_segment(payload)
    except TraceError as error:
        raise _unreadable(file, error) from error


def _checks(checks: Iterator[TracedCheck], file: Path) -> Iterator[TracedCheck]:
    try:
        yield from checks
    except TraceError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: TraceError) -> OperatorError:
    return OperatorError(
        what=f"no recording of checks: {error}",
        where=f"FILE {file}",
        next_step="name a file that `remixer serve --cache-record` wrote",
    )


def advice_json(advice: Advice) -> dict[str, Json]:
    return {
        "checks": advice.checks,
        "keys": advice.keys,
        "recorded_hit_ratio": advice.hit_ratio,
        "sampled": advice.sampled,
        "curves": [
            {
                "ttl_cap_seconds": curve.ttl_cap_s,
                "points": [
                    {"entries": point.entries, "hit_ratio": point.ratio} for point in curve.points
                ],
            }
            for curve in advice.curves
        ],
        "entries": advice.entries,
        "costs": [
            {
                "attribute": each.attribute,
                "namespace": each.place,
                "hit_ratio": each.ratio,
                "values": each.values,
            }
            for each in advice.costs
        ],
    }


def advice_text(advice: Advice) -> RenderableType:
    head = (
        f"{advice.checks:,} checks of {advice.keys:,} keys; "
        f"{advice.hit_ratio:.1%} were hits; curves from {advice.sampled:.0%} of the keys"
    )
    parts: list[RenderableType] = [Text(head), _curves(advice.curves), _verdict(advice)]
    if advice.costs:
        parts.append(_costs(advice.costs))
    return Group(*parts)


def cap_text(curve: Curve) -> str:
    """How long answers live on a curve."""
    return "as allowed" if curve.ttl_cap_s is None else f"at most {curve.ttl_cap_s:g} s"


def _verdict(advice: Advice) -> Text:
    if not advice.entries:
        return Text("No size is of use: no key ever comes again within its life.\n")
    return Text(
        f"Pick --cache-entries {advice.entries}: "
        f"the fewest with 95 % of the best, which is {advice.curves[0].best:.1%}.\n"
    )


def _curves(curves: tuple[Curve, ...]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, title="Hit ratio by entries and lifetime")
    table.add_column("entries", justify="right")
    for curve in curves:
        table.add_column(cap_text(curve), justify="right")
    ratios = [{point.entries: point.ratio for point in curve.points} for curve in curves]
    for point in curves[0].points:
        cells = (known.get(point.entries) for known in ratios)
        table.add_row(
            f"{point.entries:,}", *("-" if each is None else f"{each:.1%}" for each in cells)
        )
    return table


def _costs(costs: tuple[Cost, ...]) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False, title="What would be hits without an attribute")
    for heading in ("attribute", "namespace", "more hits", "values"):
        table.add_column(
            heading, justify="left" if heading in {"attribute", "namespace"} else "right"
        )
    for each in costs:
        table.add_row(
            printable(each.attribute),
            printable(each.place) or "(others)",
            f"+{each.ratio:.1%}",
            f"{each.values:,}",
        )
    return table
