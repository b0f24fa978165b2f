"""Which limit applies to a request: the first override that fits, else the quota's own."""

from collections.abc import Mapping
from typing import Final

from remixer.adapters.memquota.params import Override, Quota
from remixer.attributes.values import Value
from remixer.sdk import string_equals

_TICKS_PER_SECOND: Final = 10
_SECOND_NS: Final = 1_000_000_000


class Limit:
    """How much, and over how many ticks of 100 ms; 0 ticks: until released.

    Windows are whole seconds: 250ms counts over 1 s, yet reports a validity of 250 ms.
    """

    __slots__ = ("max_amount", "ticks", "valid_duration")

    def __init__(self, source: Quota | Override) -> None:
        self.max_amount = source.max_amount
        self.valid_duration = source.valid_duration
        self.ticks = _TICKS_PER_SECOND * -(-source.valid_duration // _SECOND_NS)


class QuotaLimits:
    """All limits of one quota."""

    __slots__ = ("overrides", "own")

    def __init__(self, quota: Quota) -> None:
        self.own = Limit(quota)
        self.overrides = tuple((each.dimensions, Limit(each)) for each in quota.overrides)

    def limit_for(self, dimensions: Mapping[str, Value]) -> Limit:
        """An override's dimension that the instance lacks equals only the empty text."""
        for wanted, limit in self.overrides:
            if all(string_equals(dimensions.get(key), text) for key, text in wanted.items()):
                return limit
        return self.own
