"""Answers as `mixc` printed them, for scripts that look for its words.

Source: mixc of Mixer 1.3: text, columns, blank lines, and Go's names of codes where it used
those. Quotas are sorted here; mixc's order was that of a hash map.
"""

from collections.abc import Mapping
from typing import Final

from remixer.attributes.bag import Condition, Reference
from remixer.attributes.values import Duration
from remixer.cli.complaints import printable
from remixer.foundation.durations import format_duration
from remixer.foundation.status import Code, Status, code_name
from remixer.mixer.outcome import CheckOutcome, QuotaOutcome
from remixer.transport.client import RpcFailed
from remixer.wire.client_codec import FOREVER

_GAP: Final = "  "
_GO_NAMES: Final[Mapping[int, str]] = {Code.OK: "OK", Code.CANCELLED: "Canceled"}
REPORTED: Final = "Report RPC returned OK"


def check_text(outcome: CheckOutcome) -> str:
    """All lines for one answered check."""
    lifetime = _duration(outcome.valid_duration)
    lines = [
        f"Check RPC completed successfully. Check status was {_status(outcome.status)}",
        f"  Valid use count: {outcome.valid_use_count}, valid duration: {lifetime}",
        "  Referenced Attributes",
        *(f"    {each}" for each in sorted(map(_reference, outcome.references))),
        "",
    ]
    if outcome.quotas:
        lines += [*_quota_lines(outcome.quotas), ""]
    return "\n".join(map(printable, lines))


def check_failure(failure: RpcFailed) -> str:
    """The line for a check without an answer."""
    return f"Check RPC failed with: {_failure(failure)}"


def report_failure(failure: RpcFailed) -> str:
    """The line for a report that was not taken."""
    return f"Report RPC returned {_failure(failure)}"


def _status(status: Status) -> str:
    try:
        name = Code(status.code).name
    except ValueError:
        name = f"Code {status.code}"
    return _with_text(name, status.message)


def _failure(failure: RpcFailed) -> str:
    code = failure.code
    # INVALID_ARGUMENT is InvalidArgument to Go's gRPC.
    name = _GO_NAMES.get(code) or code_name(code).title().replace("_", "")
    return printable(_with_text(name, failure.message))


def _with_text(name: str, text: str) -> str:
    return f"{name} ({text})" if text else name


def _duration(duration: Duration) -> str:
    """An unset one is zero to Go."""
    return format_duration(Duration(0) if duration == FOREVER else duration)


def _reference(reference: Reference) -> str:
    key = "" if reference.key is None else f"::{reference.key}"
    return f"{reference.name}{key} {Condition(reference.condition).name}"


def _quota_lines(quotas: Mapping[str, QuotaOutcome]) -> list[str]:
    rows = [("  Quota", "Granted Amount", "Duration")]
    rows += [
        (f"  {name}", str(quota.granted), _duration(quota.valid_duration))
        for name, quota in sorted(quotas.items())
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    return [_GAP.join((row[0].ljust(widths[0]), row[1].ljust(widths[1]), row[2])) for row in rows]
