"""Parameters of `memquota` and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from remixer.attributes.values import Duration
from remixer.sdk import HandlerContext, ParamProblem
from remixer.sdk.quota_params import limit_problems

_ONE_SECOND = Duration(1_000_000_000)


@dataclass(frozen=True, slots=True)
class Override:
    """Another limit for requests whose dimensions are these."""

    dimensions: Mapping[str, str] = field(default_factory=dict)
    max_amount: int = 0
    valid_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable


@dataclass(frozen=True, slots=True)
class Quota:
    """The limit of one instance. `valid_duration` 0: amounts stay taken until released."""

    name: str = ""
    max_amount: int = 0
    valid_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class Params:
    """Limits by instance, and how long a repeated call is recognised (one to two times that)."""

    quotas: tuple[Quota, ...] = ()
    min_deduplication_duration: Duration = _ONE_SECOND


def validate(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    """Limits that cannot be kept, and instances without a limit."""
    if params.min_deduplication_duration <= 0:
        yield ParamProblem(
            "min_deduplication_duration",
            "must be longer than 0",
            "Leave it out for 1s.",
        )
    for index, quota in enumerate(params.quotas):
        yield from _limit_problems(f"quotas[{index}]", quota)
        for inner, override in enumerate(quota.overrides):
            yield from _limit_problems(f"quotas[{index}].overrides[{inner}]", override)
    yield from limit_problems([quota.name for quota in params.quotas], context)


def _limit_problems(path: str, limit: Quota | Override) -> Iterator[ParamProblem]:
    if limit.max_amount < 0:
        yield ParamProblem(f"{path}.max_amount", f"{limit.max_amount} is negative")
    if limit.valid_duration < 0:
        yield ParamProblem(
            f"{path}.valid_duration",
            "is negative",
            "Use 0s for amounts that stay taken until they are released.",
        )
