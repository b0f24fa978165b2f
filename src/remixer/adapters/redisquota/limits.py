"""Which limit and which counter a request gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, assert_never

from remixer.adapters.redisquota.keys import counter_key, override_hash
from remixer.adapters.redisquota.params import Override, Quota, RateLimitAlgorithm
from remixer.attributes.values import Duration, Value
from remixer.drivers.redis import RedisScript
from remixer.sdk import string_equals

MOST_AMOUNT: Final = 2**53 - 1
"""Scripts count in doubles; a larger limit counts as this, which no caller reaches."""
_MICROSECOND: Final = 1_000


@dataclass(frozen=True, slots=True)
class Scripts:
    """One script per algorithm."""

    fixed: RedisScript
    rolling: RedisScript

    def of(self, algorithm: RateLimitAlgorithm) -> RedisScript:
        match algorithm:
            case RateLimitAlgorithm.FIXED_WINDOW:
                return self.fixed
            case RateLimitAlgorithm.ROLLING_WINDOW:
                return self.rolling
            case _:
                assert_never(algorithm)


def load_scripts() -> Scripts:
    """From the files beside this one."""
    folder = files("remixer.adapters.redisquota")
    fixed, rolling = (
        RedisScript((folder / f"{name}_window.lua").read_text("utf-8"))
        for name in ("fixed", "rolling")
    )
    return Scripts(fixed, rolling)


class QuotaLimits:
    """All limits of one quota, and how it counts. Times in microseconds, but `valid_duration`."""

    __slots__ = (
        "_name",
        "_overrides",
        "_own",
        "bucket_us",
        "script",
        "valid_duration",
        "window_us",
    )

    def __init__(self, quota: Quota, scripts: Scripts) -> None:
        self.script = scripts.of(quota.rate_limit_algorithm)
        self.valid_duration: Duration = quota.valid_duration
        self.window_us = _microseconds(quota.valid_duration)
        self.bucket_us = _microseconds(quota.bucket_duration)
        self._name = quota.name
        self._own = _bounded(quota.max_amount)
        self._overrides = tuple(map(_Override, quota.overrides))

    def counter_of(self, dimensions: Mapping[str, Value]) -> tuple[bytes, int]:
        """Key and limit: of the first override that fits, else the quota's own."""
        key = counter_key(self._name, dimensions)
        for override in self._overrides:
            if override.fits(dimensions):
                return key + override.suffix, override.limit
        return key, self._own


class _Override:
    """One override, its hash worked out."""

    __slots__ = ("_dimensions", "limit", "suffix")

    def __init__(self, source: Override) -> None:
        self._dimensions = dict(source.dimensions)
        self.limit = _bounded(source.max_amount)
        self.suffix = b"-%d" % override_hash(source.dimensions)

    def fits(self, dimensions: Mapping[str, Value]) -> bool:
        """Whether every dimension is there and equal; an absent one does not equal `""`."""
        return all(
            name in dimensions and string_equals(dimensions[name], text)
            for name, text in self._dimensions.items()
        )


def _bounded(amount: int) -> int:
    return max(-MOST_AMOUNT, min(amount, MOST_AMOUNT))


def _microseconds(duration: int) -> int:
    """Rounded up: a window is never shorter than configured."""
    return -(-duration // _MICROSECOND)
