"""What handlers of reports have in common: one bad instance costs no other one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from remixer.foundation.errors import RemixerError

T = TypeVar("T")


class MetricError(RemixerError):
    """One instance could not be recorded; the others were."""


def take_each(
    instances: Sequence[T],
    take: Callable[[T], None],
    *,
    leaves_out: type[Exception] | tuple[type[Exception], ...],
    what: str,
) -> None:
    """Hand over all; an instance for which `take` raises one of `leaves_out` is left out.

    Then raises `ExceptionGroup` with these errors, in order. `what` names the instances.
    """
    failures: list[Exception] = []
    for instance in instances:
        try:
            take(instance)
        except leaves_out as error:
            failures.append(error)
    raise_left_out(failures, instances, what=what)


def raise_left_out(
    failures: Sequence[Exception], instances: Sequence[object], *, what: str
) -> None:
    """Raises `ExceptionGroup` of the failures, if there are any: as `take_each`, for own loops."""
    if failures:
        message = f"{len(failures)} of {len(instances)} {what} left out"
        raise ExceptionGroup(message, failures)
