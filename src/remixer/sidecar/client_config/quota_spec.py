"""What a request is charged: quota specifications, evaluated over its attributes.

A rule without `match` applies to all requests; of several matches any one suffices; of one match
all clauses hold. A clause never holds for an attribute that is absent or no text. What several
rules charge to one quota is not added up: the last rule counts, as in the original, whose request
has room for one amount per quota.

Source: Mixer's client. Its patterns are ECMAScript's; ours are RE2's, so that no request can make
one slow.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from remixer.attributes.bag import Bag
from remixer.foundation.regex import compile_pattern
from remixer.mixer.request import QuotaArgs
from remixer.sidecar.client_config.messages import AttributeMatch, QuotaRule, QuotaSpec, StringMatch
from remixer.wire.text import encodable

_TextTest: TypeAlias = Callable[[str], bool]
_Match: TypeAlias = tuple[tuple[str, _TextTest], ...]
_Rule: TypeAlias = tuple[tuple[_Match, ...], dict[str, QuotaArgs]]


class QuotaTable:
    """Specifications, ready to be evaluated. Immutable."""

    __slots__ = ("_rules",)

    def __init__(self, specs: Iterable[QuotaSpec]) -> None:
        """Raises `PatternError` for a regular expression that RE2 cannot do."""
        self._rules: Final = tuple(_rule(rule) for spec in specs for rule in spec.rules)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._rules)

    def charges(self, bag: Bag) -> dict[str, QuotaArgs]:
        """What the request is charged, by quota."""
        charged: dict[str, QuotaArgs] = {}
        for matches, quotas in self._rules:
            if not matches or any(_holds(match, bag) for match in matches):
                charged.update(quotas)
        return charged


def _rule(rule: QuotaRule) -> _Rule:
    quotas = {each.quota: QuotaArgs(amount=each.charge) for each in rule.quotas}
    return tuple(_match(match) for match in rule.match), quotas


def _match(match: AttributeMatch) -> _Match:
    return tuple((name, text_test(wanted)) for name, wanted in match.clause.items())


def _holds(match: _Match, bag: Bag) -> bool:
    for name, holds in match:
        value = bag[name]
        if type(value) is not str or not holds(value):
            return False
    return True


def text_test(wanted: StringMatch) -> _TextTest:
    """Whether a text is as wanted; one that wants nothing holds for every text."""
    if wanted.exact is not None:
        return wanted.exact.__eq__
    if wanted.prefix is not None:
        prefix = wanted.prefix
        return lambda text: text.startswith(prefix)
    if wanted.regex is not None:
        matches = compile_pattern(wanted.regex).matches
        return lambda text: matches(encodable(text))
    return lambda _: True
