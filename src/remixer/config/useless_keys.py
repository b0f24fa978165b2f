"""Attributes that make the keys of remembered verdicts useless, because no two requests share them.

A verdict that depends on one of them is never found again: the cache fills and answers nothing.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config import codes
from remixer.config.key_reads import KeyRead, Mention, is_whole_map, key_reads
from remixer.config.resources import Resource
from remixer.config.snapshot import RuleConfig
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Location, Problem

_PER_REQUEST: Final = "differs in every request"
_PER_CONNECTION: Final = "differs in every connection"
_PER_BEARER: Final = "differs for every bearer's token"
_HEADERS: Final = "request.headers"

_ATTRIBUTES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "request.id": _PER_REQUEST,
        "request.time": _PER_REQUEST,
        "connection.id": _PER_CONNECTION,
        "source.port": _PER_CONNECTION,
    }
)
_ENTRIES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        _HEADERS: dict.fromkeys(
            (
                "b3",
                "idempotency-key",
                "sec-websocket-key",
                "traceparent",
                "uber-trace-id",
                "x-amzn-trace-id",
                "x-b3-parentspanid",
                "x-b3-spanid",
                "x-b3-traceid",
                "x-cloud-trace-context",
                "x-correlation-id",
                "x-datadog-parent-id",
                "x-datadog-trace-id",
                "x-ot-span-context",
                "x-request-id",
            ),
            _PER_REQUEST,
        ),
        "request.auth.claims": {"jti": _PER_BEARER},
    }
)
_HINT: Final = (
    "Leave it to rules that report, or to the adapter; or say with a CachePolicy "
    "(`enabled: false`) that each request asks anew."
)


def harm_of(mention: Mention, vocabulary: Vocabulary) -> str:
    """Why no key with this attribute is of use; empty if it may be."""
    if mention.key is not None:
        return _ENTRIES.get(mention.attribute, {}).get(mention.key.lower(), "")
    known = _ATTRIBUTES.get(mention.attribute, "")
    if known:
        return known
    if vocabulary.type_of(mention.attribute) is ValueType.TIMESTAMP:
        return "is a time"
    if mention.attribute == _HEADERS and is_whole_map(mention, vocabulary):
        return "as a whole has `x-request-id`, which differs in every request"
    return ""


def warn_of_useless_keys(
    rules: Iterable[RuleConfig],
    resources: Iterable[Resource],
    vocabulary: Vocabulary,
    problems: list[Problem],
) -> None:
    """One warning for each place that reads such an attribute, whichever rules come by it."""
    by_place: dict[tuple[str, str, Location, Mention], list[KeyRead]] = {}
    found = key_reads(
        rules, {each.name: each for each in resources}, vocabulary, is_worth=_suspicion(vocabulary)
    )
    for read in found:
        if harm_of(read.mention, vocabulary):
            place = read.resource, read.field, read.location, read.mention
            by_place.setdefault(place, []).append(read)
    for reads in by_place.values():
        _warn(reads, vocabulary, problems)


def _warn(reads: list[KeyRead], vocabulary: Vocabulary, problems: list[Problem]) -> None:
    first = reads[0]
    others = len(reads) - 1
    rules = f"rule `{first.rule.name}`" + (f" and {others} more" if others else "")
    Findings(first.resource, problems).warning(
        codes.USELESS_KEY,
        f"`{first.mention}` {harm_of(first.mention, vocabulary)}: "
        f"no verdict of {rules} can be remembered with profit",
        first.location,
        field=first.field,
        hint=_HINT,
    )


def _suspicion(vocabulary: Vocabulary) -> Callable[[str], bool]:
    """Whether a text may mention one of them: true too often, never too seldom."""
    times = [name for name, kind in vocabulary.types.items() if kind is ValueType.TIMESTAMP]
    names = tuple({*times, *_ATTRIBUTES})
    entries = tuple({key for keys in _ENTRIES.values() for key in keys})

    def is_suspect(text: str) -> bool:
        if any(name in text for name in names):
            return True
        if _HEADERS in text.replace(f"{_HEADERS}[", ""):
            return True
        lowered = text.lower()
        return any(key in lowered for key in entries)

    return is_suspect
