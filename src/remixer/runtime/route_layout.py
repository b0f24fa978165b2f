"""A snapshot and its handlers, laid out as routes. Pure."""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from remixer.config.outputs import action_prefix, output_types
from remixer.config.snapshot import ActionConfig, InstanceConfig, RuleConfig, Snapshot
from remixer.runtime.callee import METHODS, Callee
from remixer.runtime.calls import Entry
from remixer.runtime.routes import (
    NAMESPACE_ATTRIBUTES,
    CheckAnswer,
    Condition,
    HeaderStep,
    Output,
    QuotaStep,
    Route,
    RouteStamp,
    RouteTable,
    Step,
    Target,
)
from remixer.sdk.results import CheckOutput, CheckResult, QuotaResult
from remixer.templates.schema import Variety

T = TypeVar("T")


def build_routes(snapshot: Snapshot, handlers: Mapping[str, Callee]) -> RouteTable:
    """Lay out `snapshot`; actions of handlers that are missing from `handlers` are left out."""
    rules: dict[str, list[RuleConfig]] = {}
    for rule in snapshot.rules:
        rules.setdefault(rule.namespace, []).append(rule)
    layout = _Layout(handlers)
    shared_rules = rules.pop(snapshot.default_namespace, [])
    shared_parts = _parts(shared_rules, handlers)
    mesh_wide = replace(layout.route(shared_rules), stamp=RouteStamp(*shared_parts))
    by_namespace = {
        namespace: replace(
            _joined(mesh_wide, layout.route(own)),
            name=namespace,
            stamp=RouteStamp(*shared_parts, *_parts(own, handlers)),
        )
        for namespace, own in rules.items()
    }
    every = (mesh_wide, *by_namespace.values())
    any_check = any(route.check_may_wait for route in every)
    any_quota = any(route.quota_may_wait for route in every)
    of_all = RouteStamp(*_parts(snapshot.rules, handlers))

    def finished(route: Route) -> Route:
        return _after_generators(route, any_check=any_check, any_quota=any_quota, of_all=of_all)

    return RouteTable(
        default=finished(mesh_wide),
        by_namespace={namespace: finished(route) for namespace, route in by_namespace.items()},
    )


def _parts(rules: Iterable[RuleConfig], handlers: Mapping[str, Callee]) -> tuple[object, ...]:
    """All that decides how these rules answer: themselves, and the handlers that are alive."""
    return tuple(
        part
        for rule in rules
        for part in (rule, *(handlers.get(action.handler.name) for action in rule.actions))
    )


def _after_generators(
    route: Route, *, any_check: bool, any_quota: bool, of_all: RouteStamp
) -> Route:
    """`route`, knowing that its generators come first and may send a request to another one."""
    if not route.generators:
        return route
    bound = {
        binding.attribute
        for step in route.generators
        for target in step.targets
        for binding in target.instance.bindings.attributes
    }
    may_move = not NAMESPACE_ATTRIBUTES.isdisjoint(bound)
    return replace(
        route,
        check_may_wait=route.generate_may_wait or route.check_may_wait or (may_move and any_check),
        quota_may_wait=route.quota_may_wait or (may_move and any_quota),
        stamp=of_all if may_move else route.stamp,
    )


class _Layout:
    """Makes the steps of rules; the entry of each handler and template once."""

    def __init__(self, handlers: Mapping[str, Callee]) -> None:
        self._handlers = handlers
        self._entries: dict[tuple[str, str], Entry[object]] = {}

    def route(self, rules: Sequence[RuleConfig]) -> Route:
        """The rules of one namespace, without those of the default one."""
        generators: tuple[Step[Output], ...] = tuple(
            self._steps(rules, {Variety.ATTRIBUTE_GENERATOR})
        )
        check: tuple[Step[CheckAnswer], ...] = tuple(
            self._steps(rules, {Variety.CHECK, Variety.CHECK_WITH_OUTPUT})
        )
        quota: tuple[QuotaStep, ...] = tuple(self._steps(rules, {Variety.QUOTA}))
        return Route(
            generators=generators,
            check=check,
            quota=_by_short_name(quota),
            report=tuple(self._steps(rules, {Variety.REPORT})),
            headers=tuple(_header_steps(rules)),
            generate_may_wait=_may_wait(generators),
            check_may_wait=_may_wait(check),
            quota_may_wait=_may_wait(quota),
        )

    def _steps(self, rules: Iterable[RuleConfig], varieties: set[Variety]) -> "Iterator[Step[T]]":
        for rule in rules:
            targets = tuple(
                Target(
                    handler,
                    instance,
                    cast("Entry[T]", self._entry(handler, instance)),
                    _output_names(action, instance),
                )
                for action in rule.actions
                if (handler := self._handlers.get(action.handler.name)) is not None
                for instance in action.instances
                if instance.template.variety in varieties
            )
            if targets:
                yield Step(rule=rule.name, condition=_condition(rule), targets=targets)

    def _entry(self, handler: Callee, instance: InstanceConfig) -> Entry[object]:
        key = (handler.name, instance.template.name)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _new_entry(handler, instance)
        return entry


def _new_entry(handler: Callee, instance: InstanceConfig) -> Entry[object]:
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
    )


def _output_names(action: ActionConfig, instance: InstanceConfig) -> Mapping[str, str]:
    template = instance.template
    if template.variety is not Variety.CHECK_WITH_OUTPUT or not action.name:
        return {}
    prefix = action_prefix(action.name)
    names = output_types(template.output, prefix)
    return {name: name.removeprefix(prefix) for name in names}


def _joined(first: Route, second: Route) -> Route:
    names = dict.fromkeys((*first.quota, *second.quota))
    return Route(
        generators=first.generators + second.generators,
        check=first.check + second.check,
        quota={name: first.quota.get(name, ()) + second.quota.get(name, ()) for name in names},
        report=first.report + second.report,
        headers=first.headers + second.headers,
        generate_may_wait=first.generate_may_wait or second.generate_may_wait,
        check_may_wait=first.check_may_wait or second.check_may_wait,
        quota_may_wait=first.quota_may_wait or second.quota_may_wait,
    )


def _by_short_name(steps: Iterable[QuotaStep]) -> dict[str, tuple[QuotaStep, ...]]:
    """Each step once per name among its targets, with the targets of that name."""
    found: dict[str, list[QuotaStep]] = {}
    for step in steps:
        targets: dict[str, list[Target[QuotaResult]]] = {}
        for target in step.targets:
            targets.setdefault(target.instance.short_name.lower(), []).append(target)
        for name, named in targets.items():
            own = Step(rule=step.rule, condition=step.condition, targets=tuple(named))
            found.setdefault(name, []).append(own)
    return {name: tuple(own) for name, own in found.items()}


def _header_steps(rules: Iterable[RuleConfig]) -> Iterator[HeaderStep]:
    for rule in rules:
        if rule.request_header_operations or rule.response_header_operations:
            yield HeaderStep(
                rule=rule.name,
                condition=_condition(rule),
                request=rule.request_header_operations,
                response=rule.response_header_operations,
            )


def _condition(rule: RuleConfig) -> Condition | None:
    if rule.match is None:
        return None
    return cast("Condition", rule.match.evaluate)  # resolve checked that its type is BOOL


def _may_wait(steps: Iterable[Step[T]]) -> bool:
    return any(target.entry.may_wait for step in steps for target in step.targets)
