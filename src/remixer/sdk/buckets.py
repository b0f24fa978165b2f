"""Buckets of distributions, as operators write them: parameters, bounds, and what is wrong. Pure.

Source: `BucketsDefinition` of Mixer 1.3's prometheus and stackdriver adapters.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Final

from remixer.sdk.params import Int32, ParamProblem

MOST_BOUNDS: Final = 500
"""Per distribution; each is a time series of its own in Prometheus."""
_DEFAULT_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class LinearBuckets:
    """`num_finite_buckets` + 1 bounds: offset, offset + width, and so on."""

    num_finite_buckets: Int32 = Int32(0)  # noqa: RUF009 - a number
    width: float = 0.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class ExponentialBuckets:
    """`num_finite_buckets` + 1 bounds: scale, scale · growth_factor, and so on."""

    num_finite_buckets: Int32 = Int32(0)  # noqa: RUF009 - a number
    growth_factor: float = 0.0
    scale: float = 0.0


@dataclass(frozen=True, slots=True)
class ExplicitBuckets:
    """Bounds as given; none means Prometheus's default ones."""

    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class BucketsDefinition:
    """At most one of them; without any, Prometheus's default bounds."""

    linear_buckets: LinearBuckets | None = None
    exponential_buckets: ExponentialBuckets | None = None
    explicit_buckets: ExplicitBuckets | None = None


def bounds_of(buckets: BucketsDefinition | None) -> tuple[float, ...]:
    """Upper bounds, without the infinite one."""
    if buckets is not None and (linear := buckets.linear_buckets) is not None:
        count = linear.num_finite_buckets + 1
        return tuple(linear.offset + index * linear.width for index in range(count))
    if buckets is not None and (exponential := buckets.exponential_buckets) is not None:
        count = exponential.num_finite_buckets + 1
        return tuple(exponential.scale * exponential.growth_factor**index for index in range(count))
    if buckets is not None and buckets.explicit_buckets is not None:
        return buckets.explicit_buckets.bounds or _DEFAULT_BOUNDS
    return _DEFAULT_BOUNDS


def bucket_problems(path: str, buckets: BucketsDefinition) -> Iterator[ParamProblem]:
    """Faults of the parameter `path`."""
    given = [
        name
        for name in ("linear_buckets", "exponential_buckets", "explicit_buckets")
        if getattr(buckets, name) is not None
    ]
    if len(given) > 1:
        yield ParamProblem(path, f"has {' and '.join(given)}, wanted one of them")
        return
    counted = buckets.linear_buckets or buckets.exponential_buckets
    if counted is not None and not 1 <= counted.num_finite_buckets < MOST_BOUNDS:
        yield ParamProblem(
            f"{path}.{given[0]}.num_finite_buckets",
            f"{counted.num_finite_buckets} is not between 1 and {MOST_BOUNDS - 1}",
        )
        return
    step_faults = tuple(_step_problems(path, counted))
    yield from step_faults
    if not step_faults:
        yield from _bounds_problems(f"{path}.{given[0]}" if given else path, buckets)


def _step_problems(
    path: str, counted: LinearBuckets | ExponentialBuckets | None
) -> Iterator[ParamProblem]:
    match counted:
        case LinearBuckets(width=width) if not width > 0:
            yield ParamProblem(f"{path}.linear_buckets.width", f"{width:g} is not above 0")
        case ExponentialBuckets(growth_factor=factor, scale=scale):
            place = f"{path}.exponential_buckets"
            if not factor > 1:
                yield ParamProblem(f"{place}.growth_factor", f"{factor:g} is not above 1")
            if not scale > 0:
                yield ParamProblem(f"{place}.scale", f"{scale:g} is not above 0")
        case _:
            pass


def _bounds_problems(path: str, buckets: BucketsDefinition) -> Iterator[ParamProblem]:
    try:
        bounds = bounds_of(buckets)
    except OverflowError:
        bounds = (float("inf"),)
    if len(bounds) > MOST_BOUNDS:
        yield ParamProblem(path, f"has {len(bounds)} bounds; at most {MOST_BOUNDS} are allowed")
    elif not all(map(isfinite, bounds)):
        yield ParamProblem(path, "has a bound that is not finite")
    elif any(upper <= lower for lower, upper in pairwise(bounds)):
        yield ParamProblem(path, "has bounds that do not increase")
