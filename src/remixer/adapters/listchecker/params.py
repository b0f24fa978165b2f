"""Parameters of `listchecker` and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from remixer.adapters.listchecker.addresses import AddressFormatError, parse_network
from remixer.attributes.values import Duration
from remixer.drivers.http_client import http_url, shown_url
from remixer.foundation.durations import format_duration
from remixer.foundation.regex import PatternError, compile_pattern
from remixer.sdk import HandlerContext, Int32, ParamProblem

_SECOND_NS: Final = 1_000_000_000


class EntryType(IntEnum):
    """How entries are written and compared."""

    STRINGS = 0
    CASE_INSENSITIVE_STRINGS = 1
    IP_ADDRESSES = 2
    REGEX = 3


@dataclass(frozen=True, slots=True)
class Params:
    """Where the list comes from, how it is read, how long its answers hold."""

    provider_url: str = ""
    refresh_interval: Duration = Duration(60 * _SECOND_NS)  # noqa: RUF009 - an int subclass, immutable
    ttl: Duration = Duration(300 * _SECOND_NS)  # noqa: RUF009 - an int subclass, immutable
    caching_interval: Duration = Duration(300 * _SECOND_NS)  # noqa: RUF009 - an int subclass, immutable
    caching_use_count: Int32 = Int32(10_000)  # noqa: RUF009 - a number
    overrides: tuple[str, ...] = ()
    entry_type: EntryType = EntryType.STRINGS
    blacklist: bool = False


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """All faults: provider, caching, overrides."""
    if params.provider_url:
        yield from _provider_problems(params)
    if params.caching_interval < 0:
        yield ParamProblem("caching_interval", "is negative", "Use 0s to cache nothing.")
    if params.caching_use_count < 0:
        yield ParamProblem("caching_use_count", f"{params.caching_use_count} is negative")
    for index, entry in enumerate(params.overrides):
        if reason := _entry_fault(entry, params.entry_type):
            yield ParamProblem(f"overrides[{index}]", f"`{entry}`: {reason}")


def _provider_problems(params: Params) -> Iterator[ParamProblem]:
    if http_url(params.provider_url) is None:
        yield ParamProblem(
            "provider_url",
            f"`{shown_url(params.provider_url)}` is not an HTTP address",
            "Write it with scheme and host: https://lists.example.com/callers.",
        )
    if params.refresh_interval < _SECOND_NS:
        found = format_duration(params.refresh_interval)
        yield ParamProblem("refresh_interval", f"{found} is shorter than 1s")
    if params.ttl < params.refresh_interval:
        yield ParamProblem(
            "ttl",
            f"{format_duration(params.ttl)} is shorter than refresh_interval, "
            f"{format_duration(params.refresh_interval)}",
            "The list would be gone between two fetches.",
        )


def _entry_fault(entry: str, entry_type: EntryType) -> str:
    """Why an override cannot be an entry, or `""`."""
    try:
        if entry_type is EntryType.IP_ADDRESSES:
            parse_network(entry)
        elif entry_type is EntryType.REGEX:
            compile_pattern(entry)
    except (AddressFormatError, PatternError) as error:
        return str(error)
    return ""
