"""An action's instance and handler as a target: whom to call, how, and what if that fails. Pure."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from remixer.attributes.values import Duration
from remixer.config.outputs import action_prefix, output_types
from remixer.config.policy_settings import BreakerConfig
from remixer.config.snapshot import ActionConfig, FailureConfig, InstanceConfig
from remixer.foundation.breaker import Breaker, BreakerLimits
from remixer.runtime.callee import METHODS, Callee
from remixer.runtime.calls import Entry
from remixer.runtime.routes import FailurePlan, Target
from remixer.sdk.results import CheckOutput, CheckResult, QuotaResult
from remixer.templates.schema import Variety

_NS_PER_S: Final = 1_000_000_000
_NEVER: Final = 1 << 62
"""Calls: failures count in a row, not as a share."""
_COVERED: Final = frozenset({Variety.CHECK, Variety.CHECK_WITH_OUTPUT, Variety.QUOTA})


class TargetMaker:
    """Makes targets; the entry of each handler, template and way to call once."""

    def __init__(self, handlers: Mapping[str, Callee]) -> None:
        self._handlers = handlers
        self._entries: dict[tuple[object, ...], Entry[object]] = {}

    def of(self, action: ActionConfig, instance: InstanceConfig) -> Target[object] | None:
        """The target; None if the handler could not be built."""
        handler = self._handlers.get(action.handler.name)
        if handler is None:
            return None
        failure = action.failure
        watch = None if failure is None else _Watch(failure.timeout, failure.breaker)
        return Target(
            handler,
            instance,
            self._entry(handler, instance, watch),
            _output_names(action, instance),
            failure=None if failure is None else self._plan(action, failure, instance),
            cache=action.cache,
        )

    def _plan(
        self, action: ActionConfig, failure: FailureConfig, instance: InstanceConfig
    ) -> FailurePlan[object] | None:
        """None if failures of this target stay failures."""
        if not failure.steps or instance.template.variety not in _COVERED:
            return None
        fallback = None
        config = failure.fallback
        if config is not None and instance.template.name in config.adapter.templates:
            fallback = self._handlers.get(config.name)
        return FailurePlan(
            policy=failure.name,
            steps=failure.steps,
            closed=failure.closed,
            fallback=None
            if fallback is None
            else Target(
                fallback,
                instance,
                self._entry(fallback, instance, _Watch(failure.timeout)),
                _output_names(action, instance),
            ),
        )

    def _entry(
        self, handler: Callee, instance: InstanceConfig, watch: "_Watch | None"
    ) -> Entry[object]:
        if instance.template.variety is Variety.REPORT:
            watch = None  # what cannot be delivered is dropped and counted where it waits
        key = (handler.name, instance.template.name, watch)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _new_entry(handler, instance, watch or _UNWATCHED)
        return entry


@dataclass(frozen=True, slots=True)
class _Watch:
    """How calls of a handler are bounded."""

    timeout: Duration | None = None
    breaker: BreakerConfig | None = None

    @property
    def timeout_s(self) -> float | None:
        return None if self.timeout is None else self.timeout / _NS_PER_S

    def breaker_of(self, handler: Callee) -> Breaker | None:
        if self.breaker is None:
            return None
        pause_s = self.breaker.open_for / _NS_PER_S
        return handler.breaker_of(
            BreakerLimits(
                failures_in_a_row=self.breaker.consecutive_failures,
                calls_in_window=_NEVER,
                first_pause_s=pause_s,
                longest_pause_s=pause_s,
            )
        )


_UNWATCHED: Final = _Watch()


def _new_entry(handler: Callee, instance: InstanceConfig, watch: _Watch) -> Entry[object]:
    method: Callable[..., object | Awaitable[object]]
    answer: type[object]
    match instance.template.variety:
        case Variety.CHECK:
            method, answer = handler.checks.check, CheckResult
        case Variety.CHECK_WITH_OUTPUT:
            method, answer = handler.output_checks.check_with_output, CheckOutput
        case Variety.QUOTA:
            method, answer = handler.quotas.allocate, QuotaResult
        case Variety.ATTRIBUTE_GENERATOR:
            method, answer = handler.generators.generate, Mapping
        case Variety.REPORT:
            # Nobody looks at what a report answers.
            method, answer = handler.reports.report, object
    return Entry(
        template=instance.template.name,
        handler=handler.name,
        adapter=handler.adapter,
        method=method,
        may_wait=handler.may_wait(METHODS[instance.template.variety]),
        answer=answer,
        timeout_s=handler.call_timeout_s if watch.timeout_s is None else watch.timeout_s,
        breaker=watch.breaker_of(handler),
    )


def _output_names(action: ActionConfig, instance: InstanceConfig) -> Mapping[str, str]:
    template = instance.template
    if template.variety is not Variety.CHECK_WITH_OUTPUT or not action.name:
        return {}
    prefix = action_prefix(action.name)
    names = output_types(template.output, prefix)
    return {name: name.removeprefix(prefix) for name in names}
