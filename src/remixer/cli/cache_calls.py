"""Asking a running server to forget verdicts, or what it remembers."""

from collections.abc import Callable
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remixer.cli.complaints import printable
from remixer.cli.console import Json, OutputFormat, emit_json, show
from remixer.cli.exits import ExitCode, OperatorError
from remixer.cli.server_calls import CallPlan, no_answer, send_all
from remixer.foundation.status import Code
from remixer.frontends.cache_admin import SERVICE, Revoked
from remixer.frontends.cache_admin_client import (
    FLUSH_PATH,
    REVOKE_PATH,
    STATS_PATH,
    UnreadableReportError,
    decode_revoked,
    decode_stats,
    encode_revoke,
)
from remixer.tiers.cache_report import CacheReport, PlaceReport, Quantiles, ShapeReport
from remixer.transport.client import RpcFailed

_MOST_SHAPES: Final = 20  # told to people; `--output json` has all that the server told


def flush(address: str, *, timeout_s: float, output: OutputFormat) -> None:
    """Forget everything. Raises `OperatorError`."""
    _show_revoked(decode_revoked(_ask(address, FLUSH_PATH, b"", timeout_s=timeout_s)), output)


def revoke(match: str, address: str, *, timeout_s: float, output: OutputFormat) -> None:
    """Forget what matches. Raises `OperatorError`."""
    answer = _ask(address, REVOKE_PATH, encode_revoke(match), timeout_s=timeout_s)
    _show_revoked(decode_revoked(answer), output)


def show_stats(address: str, *, timeout_s: float, output: OutputFormat) -> None:
    """Everything that the server tells. Raises `OperatorError`."""
    payload = _ask(address, STATS_PATH, b"", timeout_s=timeout_s)
    try:
        report = decode_stats(payload)
    except UnreadableReportError as error:
        raise OperatorError(
            what=f"the answer cannot be read: {error}",
            where=address,
            next_step="is there a Remixer of this version?",
            exit_code=ExitCode.REFUSED,
        ) from error
    if output is OutputFormat.JSON:
        emit_json(report_json(report))
    else:
        show(report_text(report))


def hit_ratio(report: CacheReport) -> float | None:
    """Of checks that could be remembered; None without any."""
    counts = report.counts or {}
    asked = counts.get("hit", 0) + counts.get("miss", 0)
    return counts.get("hit", 0) / asked if asked else None


def report_json(report: CacheReport) -> dict[str, Json]:
    return {
        "on": report.is_on,
        "hit_ratio": hit_ratio(report),
        "entries": report.entries,
        "bytes": report.size_bytes,
        "counts": dict(report.counts or {}),
        "age_seconds": _quantiles_json(report.ages),
        "left_seconds": _quantiles_json(report.left),
        "namespaces": [_place_json(each) for each in report.places],
    }


def report_text(report: CacheReport) -> RenderableType:
    if not report.is_on:
        return Text("the cache is off (--cache off)")
    counts = report.counts or {}
    lines = [
        f"hit ratio  {_percent(hit_ratio(report))}",
        f"entries    {report.entries:,}  ({report.size_bytes:,} bytes)",
        "checks     "
        + ", ".join(
            f"{counts.get(each, 0):,} {each}"
            for each in ("hit", "miss", "joined", "stale", "bypassed")
        ),
        "verdicts   "
        + ", ".join(
            f"{counts.get(each, 0):,} {each.replace('_', ' ')}"
            for each in ("inserted", "evicted", "renewals", "uses_spent")
        ),
        f"age        {_quantiles_text(report.ages)}",
        f"left       {_quantiles_text(report.left)}",
    ]
    return Group(Text("\n".join(lines)), _shapes_table(report))


def _shapes_table(report: CacheReport) -> Table:
    table = Table(box=box.SIMPLE, pad_edge=False)
    for heading in ("namespace", "hit ratio", "hits", "keys", "verdicts depend on"):
        table.add_column(heading, justify="right" if heading in {"hits", "keys"} else "left")
    shapes = [(place, shape) for place in report.places for shape in place.shapes]
    for place, shape in shapes[:_MOST_SHAPES]:
        table.add_row(
            printable(place.name) or "(others)",
            _percent(_ratio(shape.hits, shape.learned)),
            f"{shape.hits:,}",
            f"{shape.keys:,}",
            _attributes_text(shape),
        )
    return table


def _attributes_text(shape: ShapeReport) -> Text:
    text = Text()
    for each in shape.attributes:
        text.append(", " if text else "")
        text.append(printable(each.name), style="bold red" if each.harm else "")
        text.append(" absent" if each.is_absent else "", style="dim")
        text.append(f" ({each.harm})" if each.harm else "")
    return text


def _place_json(place: PlaceReport) -> dict[str, Json]:
    return {
        "namespace": place.name,
        "hits": place.hits,
        "learned": place.learned,
        "hit_ratio": _ratio(place.hits, place.learned),
        "shapes": [
            {
                "attributes": [
                    {"name": one.name, "absent": one.is_absent, "harm": one.harm}
                    for one in shape.attributes
                ],
                "hits": shape.hits,
                "learned": shape.learned,
                "hit_ratio": _ratio(shape.hits, shape.learned),
                "keys": shape.keys,
            }
            for shape in place.shapes
        ],
    }


def _ratio(hits: int, learned: int) -> float | None:
    return hits / (hits + learned) if hits + learned else None


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1%}"


def _quantiles_json(found: Quantiles) -> dict[str, Json]:
    return {
        "least": found.least,
        "median": found.median,
        "p90": found.p90,
        "most": found.most,
    }


def _quantiles_text(found: Quantiles) -> str:
    return (
        f"{found.median:.1f} s median, from {found.least:.1f} s to {found.most:.1f} s, "
        f"9 of 10 below {found.p90:.1f} s"
    )


def _show_revoked(done: Revoked, output: OutputFormat) -> None:
    if output is OutputFormat.JSON:
        emit_json({"dropped": done.dropped, "shared": done.is_shared})
        return
    noun = "verdict" if done.dropped == 1 else "verdicts"
    others = "; other instances hear of it" if done.is_shared else ""
    show(f"{done.dropped} {noun} forgotten{others}")


def _ask(address: str, path: str, payload: bytes, *, timeout_s: float) -> bytes:
    """The answer to one call. Raises `OperatorError`."""
    plan = CallPlan(address, 1, 1, timeout_s)
    answers: list[bytes] = []
    failures: list[RpcFailed] = []
    send_all(
        plan,
        path,
        lambda _: payload,
        lambda answer: answers.append(answer.response),
        failures.append,
    )
    for failure in failures:
        special = _EXPLAINED.get(failure.code)
        raise no_answer(plan, failure) if special is None else special(plan, failure)
    return answers[0]


def _bad_condition(_plan: CallPlan, failure: RpcFailed) -> OperatorError:
    return OperatorError(
        what=failure.message,
        where="--match",
        next_step="try it with `remixer expr eval`",
    )


def _not_allowed(plan: CallPlan, failure: RpcFailed) -> OperatorError:
    return OperatorError(
        what=failure.message,
        where=plan.address,
        next_step="ask from the server's own machine, or name this one in its --admin-from",
        exit_code=ExitCode.REFUSED,
    )


def _no_service(plan: CallPlan, _failure: RpcFailed) -> OperatorError:
    return OperatorError(
        what=f"the server speaks gRPC, but not `{SERVICE}`",
        where=plan.address,
        next_step="name a Remixer with --address",
        exit_code=ExitCode.REFUSED,
    )


_EXPLAINED: Final[dict[Code, Callable[[CallPlan, RpcFailed], OperatorError]]] = {
    Code.INVALID_ARGUMENT: _bad_condition,
    Code.PERMISSION_DENIED: _not_allowed,
    Code.UNIMPLEMENTED: _no_service,
}
