"""A server's answer to a check, for people and for machines."""

from collections.abc import Iterable, Mapping

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from remixer.attributes.bag import Reference
from remixer.attributes.values import Duration
from remixer.cli.complaints import printable
from remixer.cli.console import Json
from remixer.cli.references import condition_text, references_json, sorted_references
from remixer.foundation.durations import format_duration
from remixer.foundation.status import Status, code_name
from remixer.mixer.outcome import (
    CheckOutcome,
    HeaderOperation,
    HeaderOperationKind,
    QuotaOutcome,
    RouteDirective,
)
from remixer.wire.client_codec import FOREVER


def check_text(outcome: CheckOutcome, *, asked: Mapping[str, int]) -> RenderableType:
    """Everything in the answer. `asked`: the quota amounts of the request."""
    parts: list[RenderableType] = [_verdict_line(outcome.status), _facts(outcome)]
    if outcome.directive is not None:
        parts.append(_directive_table(outcome.directive))
    if outcome.quotas:
        parts.append(_quota_table(outcome.quotas, asked))
    if outcome.references:
        parts.append(_reference_table(outcome.references))
    return Group(*parts)


def check_line(outcome: CheckOutcome) -> Text:
    """The answer on one line, for one of many."""
    line = _verdict_line(outcome.status)
    line.append(f"  {_lifetime(outcome)}")
    for name, quota in sorted(outcome.quotas.items()):
        line.append(f"  {printable(name)}={quota.granted}")
    return line


def check_json(outcome: CheckOutcome, *, asked: Mapping[str, int]) -> dict[str, Json]:
    """The answer as one document; durations in Go's text form, null without limit."""
    return {
        "verdict": _verdict(outcome.status),
        **_status_json(outcome.status),
        "valid_duration": _duration(outcome.valid_duration),
        "valid_use_count": outcome.valid_use_count,
        "referenced_attributes": references_json(outcome.references),
        "route_directive": _directive_json(outcome.directive),
        "quotas": {
            name: {
                "requested": asked.get(name),
                "granted": quota.granted,
                "valid_duration": _duration(quota.valid_duration),
                **_status_json(quota.status),
                "referenced_attributes": references_json(quota.references),
            }
            for name, quota in sorted(outcome.quotas.items())
        },
    }


def _verdict(status: Status) -> str:
    return "allowed" if status.is_ok else "denied"


def _verdict_line(status: Status) -> Text:
    line = Text(_verdict(status), style="bold green" if status.is_ok else "bold red")
    line.append(f"  {code_name(status.code)} ({int(status.code)})", style="not bold default")
    if status.message:
        line.append(f"  {printable(status.message)}", style="not bold default")
    return line


def _lifetime(outcome: CheckOutcome) -> str:
    lifetime = _duration(outcome.valid_duration)
    limit = "valid without time limit" if lifetime is None else f"valid for {lifetime}"
    return f"{limit}, {_uses(outcome.valid_use_count)}"


def _duration(duration: Duration) -> str | None:
    """Go's text form; None if the server set no limit."""
    return None if duration == FOREVER else format_duration(duration)


def _uses(count: int) -> str:
    if count < 0:
        return "any number of further uses"
    return f"{count} further use{'' if count == 1 else 's'}"


def _facts(outcome: CheckOutcome) -> Text:
    return Text(f"  {_lifetime(outcome)}")


def _directive_table(directive: RouteDirective) -> RenderableType:
    parts: list[RenderableType] = []
    if directive.direct_response_code or directive.direct_response_body:
        body = printable(directive.direct_response_body)
        parts.append(Text(f"\nDirect response  {directive.direct_response_code}  {body}".rstrip()))
    operations = [("request", each) for each in directive.request_header_operations] + [
        ("response", each) for each in directive.response_header_operations
    ]
    if operations:
        table = _table("Header operations", "of", "operation", "header", "value")
        for side, operation in operations:
            _add(table, side, operation.kind.name.lower(), operation.name, _value_of(operation))
        parts.append(table)
    return Group(*parts)


def _value_of(operation: HeaderOperation) -> str:
    return "" if operation.kind is HeaderOperationKind.REMOVE else operation.value


def _quota_table(quotas: Mapping[str, QuotaOutcome], asked: Mapping[str, int]) -> Table:
    table = _table("Quotas", "name", "requested", "granted", "valid for", "status")
    for name, quota in sorted(quotas.items()):
        status = code_name(quota.status.code)
        if quota.status.message:
            status += f": {quota.status.message}"
        _add(
            table,
            name,
            str(asked.get(name, "")),
            str(quota.granted),
            _duration(quota.valid_duration) or "",
            status,
        )
    return table


def _reference_table(references: Iterable[Reference]) -> Table:
    table = _table("Referenced attributes", "attribute", "key", "condition")
    for each in sorted_references(references):
        _add(table, each.name, each.key or "", condition_text(each))
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(Text(printable(cell)) for cell in cells))


def _status_json(status: Status) -> dict[str, Json]:
    return {
        "code": int(status.code),
        "code_name": code_name(status.code),
        "message": status.message,
    }


def _directive_json(directive: RouteDirective | None) -> Json:
    if directive is None:
        return None
    return {
        "request_header_operations": _operations_json(directive.request_header_operations),
        "response_header_operations": _operations_json(directive.response_header_operations),
        "direct_response_code": directive.direct_response_code,
        "direct_response_body": directive.direct_response_body,
    }


def _operations_json(operations: Iterable[HeaderOperation]) -> list[Json]:
    return [
        {"operation": each.kind.name.lower(), "name": each.name, "value": each.value}
        for each in operations
    ]
