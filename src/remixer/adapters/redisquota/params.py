"""Parameters of `redisquota` and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from remixer.attributes.values import Duration
from remixer.drivers.redis import MOST_CONNECTIONS, redis_is_installed
from remixer.drivers.redis_address import RedisAddressError, parse_redis_address
from remixer.foundation.durations import format_duration
from remixer.sdk import HandlerContext, ParamProblem
from remixer.sdk.quota_params import limit_problems

_SHORTEST: Final = 1_000
"""Nanoseconds: counting is in whole microseconds."""
_LONGEST: Final = 1_000 * 2**51
"""Nanoseconds, 71 years: now and a window must add up within what a double holds."""


class RateLimitAlgorithm(IntEnum):
    """How amounts are forgotten."""

    FIXED_WINDOW = 0
    ROLLING_WINDOW = 1


@dataclass(frozen=True, slots=True)
class Override:
    """Another limit, with a counter of its own, for requests whose dimensions are these."""

    dimensions: Mapping[str, str] = field(default_factory=dict)
    max_amount: int = 0


@dataclass(frozen=True, slots=True)
class Quota:
    """The limit of one instance."""

    name: str = ""
    max_amount: int = 0
    valid_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    bucket_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    rate_limit_algorithm: RateLimitAlgorithm = RateLimitAlgorithm.FIXED_WINDOW
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Params:
    """Limits by instance, and the server that counts."""

    quotas: tuple[Quota, ...] = ()
    redis_server_url: str = field(default="localhost:6379", repr=False)  # may hold a password
    connection_pool_size: int = 10


def validate(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    """Limits that cannot be kept, a server that cannot be named, instances without a limit."""
    yield from _server_problems(params)
    if not params.quotas:
        yield ParamProblem("quotas", "is empty", "Add one entry per instance that is sent here.")
        return
    for index, quota in enumerate(params.quotas):
        yield from _quota_problems(f"quotas[{index}]", quota)
    # An empty name is a problem of its own.
    yield from limit_problems([quota.name or None for quota in params.quotas], context)


def _server_problems(params: Params) -> Iterator[ParamProblem]:
    if not redis_is_installed():
        yield ParamProblem(
            "", "the Redis client is not installed", "Run pip install 'remixer[redis]'."
        )
    hint = "Write host:port, redis://host:port/database, rediss://… or unix:///path."
    try:
        parse_redis_address(params.redis_server_url)
    except RedisAddressError as error:
        reason = str(error) if params.redis_server_url else "is empty"
        yield ParamProblem("redis_server_url", reason, hint)
    if not 0 <= params.connection_pool_size <= MOST_CONNECTIONS:
        yield ParamProblem(
            "connection_pool_size",
            f"{params.connection_pool_size} is not from 0 to {MOST_CONNECTIONS}",
            "0 means the default, 10.",
        )


def _quota_problems(path: str, quota: Quota) -> Iterator[ParamProblem]:
    if not quota.name:
        yield ParamProblem(
            f"{path}.name", "is empty", "Name the instance: requestcount.instance.istio-system."
        )
    if not _SHORTEST <= quota.valid_duration <= _LONGEST:
        found = format_duration(quota.valid_duration)
        yield ParamProblem(f"{path}.valid_duration", f"{found} is no length of a window")
    if quota.rate_limit_algorithm is RateLimitAlgorithm.ROLLING_WINDOW:
        yield from _bucket_problems(path, quota)
    for index, override in enumerate(quota.overrides):
        inner = f"{path}.overrides[{index}]"
        if not override.dimensions:
            yield ParamProblem(
                f"{inner}.dimensions", "is empty", "Raise the quota's own max_amount instead."
            )
        if override.max_amount <= 0:
            yield ParamProblem(f"{inner}.max_amount", f"{override.max_amount} is not above 0")


def _bucket_problems(path: str, quota: Quota) -> Iterator[ParamProblem]:
    bucket, window = quota.bucket_duration, quota.valid_duration
    if bucket < _SHORTEST:
        yield ParamProblem(
            f"{path}.bucket_duration",
            f"{format_duration(bucket)} is no length of a bucket",
            "ROLLING_WINDOW needs one; a tenth of valid_duration is usual.",
        )
    elif bucket >= window > 0:
        yield ParamProblem(
            f"{path}.bucket_duration",
            f"{format_duration(bucket)} is not shorter than valid_duration, "
            f"{format_duration(window)}",
        )
