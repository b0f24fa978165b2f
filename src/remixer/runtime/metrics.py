"""What the runtime tells about itself, as a port; `remixer.observability` implements it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ConfigCounts:
    """A configuration in numbers; see `remixer.runtime.config_counts`."""

    attributes: int = 0
    resources_by_kind: Mapping[str, int] = field(default_factory=dict)
    problems_by_kind: Mapping[str, int] = field(default_factory=dict)
    """Warnings included."""
    resources_by_class: Mapping[str, int] = field(default_factory=dict)
    errors_by_class: Mapping[str, int] = field(default_factory=dict)
    destinations_by_variety: Mapping[str, int] = field(default_factory=dict)


class RuntimeMetrics(Protocol):
    """Counters and durations of the runtime. Calls are cheap and never raise."""

    def dispatched(
        self, *, template: str, handler: str, adapter: str, error: bool, seconds: float
    ) -> None:
        """One handler call ended."""
        ...

    def successes_of(self, *, template: str, handler: str, adapter: str) -> Callable[[float], None]:
        """As `dispatched`, without errors: takes the seconds of calls of one kind."""
        ...

    def failure_covered(self, *, handler: str, step: str) -> None:
        """Something stood in for a handler's answer. `step`: a `FailureStep`'s value."""
        ...

    def destinations(self, count: int, instances: int) -> None:
        """One request reached `count` handlers with `instances` instances."""
        ...

    def config_loaded(self, counts: ConfigCounts) -> None:
        """A new snapshot is in force."""
        ...

    def handlers_changed(
        self, *, new: int, reused: int, closed: int, build_failures: int, close_failures: int
    ) -> None:
        """A handler table took over from another."""
        ...

    def report_dropped(self, count: int, reason: str) -> None:
        """Instances were dropped instead of reaching a handler."""
        ...


class NoMetrics:
    """Takes note of nothing."""

    def dispatched(
        self, *, template: str, handler: str, adapter: str, error: bool, seconds: float
    ) -> None:
        """Ignore it."""

    def successes_of(self, *, template: str, handler: str, adapter: str) -> Callable[[float], None]:
        """What hands each to `dispatched`, for those who take note there."""

        def dispatched(seconds: float) -> None:
            self.dispatched(
                template=template, handler=handler, adapter=adapter, error=False, seconds=seconds
            )

        return dispatched

    def failure_covered(self, *, handler: str, step: str) -> None:
        """Ignore it."""

    def destinations(self, count: int, instances: int) -> None:
        """Ignore it."""

    def config_loaded(self, counts: ConfigCounts) -> None:
        """Ignore it."""

    def handlers_changed(
        self, *, new: int, reused: int, closed: int, build_failures: int, close_failures: int
    ) -> None:
        """Ignore it."""

    def report_dropped(self, count: int, reason: str) -> None:
        """Ignore it."""
