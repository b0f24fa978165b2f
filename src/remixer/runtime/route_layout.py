"""A snapshot and its handlers, laid out as routes. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar, cast

from remixer.config.policy_settings import CachePolicyConfig
from remixer.config.snapshot import (
    RuleConfig,
    Snapshot,
)
from remixer.runtime.callee import Callee
from remixer.runtime.route_targets import TargetMaker
from remixer.runtime.routes import (
    NAMESPACE_ATTRIBUTES,
    CheckAnswer,
    Condition,
    HeaderStep,
    Output,
    QuotaStep,
    QuotaTarget,
    Route,
    RouteStamp,
    RouteTable,
    Step,
    Target,
)
from remixer.runtime.step_index import FEWEST_INDEXED, Conditional, StepIndex
from remixer.templates.schema import Variety

T = TypeVar("T")
S = TypeVar("S", bound=Conditional)


def build_routes(snapshot: Snapshot, handlers: Mapping[str, Callee]) -> RouteTable:
    """Lay out `snapshot`; actions of handlers that are missing from `handlers` are left out."""
    rules: dict[str, list[RuleConfig]] = {}
    for rule in snapshot.rules:
        rules.setdefault(rule.namespace, []).append(rule)
    layout = _Layout(handlers)
    shared_rules = rules.pop(snapshot.default_namespace, [])
    caches = snapshot.cache_by_namespace
    mesh_policy = caches.get(snapshot.default_namespace)
    shared_parts = _parts(shared_rules, handlers, mesh_policy)
    mesh_wide = replace(layout.route(shared_rules), stamp=RouteStamp(*shared_parts))
    mesh_wide = _with_policy(mesh_wide, mesh_policy)
    by_namespace = {
        namespace: _with_policy(
            replace(
                _joined(mesh_wide, layout.route(own)),
                name=namespace,
                stamp=RouteStamp(*shared_parts, *_parts(own, handlers, caches.get(namespace))),
            ),
            caches.get(namespace),
        )
        for namespace, own in rules.items()
    }
    every = (mesh_wide, *by_namespace.values())
    any_check = any(route.check_may_wait for route in every)
    any_quota = any(route.quota_may_wait for route in every)
    of_all = RouteStamp(*_parts(snapshot.rules, handlers), *caches.values())

    def finished(route: Route) -> Route:
        route = replace(route, check_index=_index(route.check), header_index=_index(route.headers))
        return _after_generators(route, any_check=any_check, any_quota=any_quota, of_all=of_all)

    return RouteTable(
        default=finished(mesh_wide),
        by_namespace={namespace: finished(route) for namespace, route in by_namespace.items()},
    )


def _parts(
    rules: Iterable[RuleConfig],
    handlers: Mapping[str, Callee],
    policy: CachePolicyConfig | None = None,
) -> tuple[object, ...]:
    """All that decides how these rules answer: themselves, and the handlers that are alive.

    `policy`: of their namespace. Those of rules and handlers are parts of the rules.
    """
    parts = (
        part
        for rule in rules
        for part in (rule, *(handlers.get(name) for name in _handler_names(rule)))
    )
    return tuple(parts) if policy is None else (policy, *parts)


def _handler_names(rule: RuleConfig) -> Iterator[str]:
    for action in rule.actions:
        yield action.handler.name
        if action.failure is not None and action.failure.fallback is not None:
            yield action.failure.fallback.name


def _with_policy(route: Route, policy: CachePolicyConfig | None) -> Route:
    """`route`, knowing which policy concerns all answers that its rules take part in."""
    if policy is None:
        return route
    return replace(route, cache=(*route.cache, policy), has_cache_policies=True)


def _index(steps: Sequence[S]) -> StepIndex[S] | None:
    return StepIndex(steps) if len(steps) >= FEWEST_INDEXED else None


def _stamped(route: Route) -> Route:
    """`route` without a stamp if its policies forbid to remember anything."""
    if all(policy.is_enabled for policy in route.cache):
        return route
    return replace(route, stamp=None)


def _after_generators(
    route: Route, *, any_check: bool, any_quota: bool, of_all: RouteStamp
) -> Route:
    """`route`, knowing that its generators come first and may send a request to another one."""
    if not route.generators:
        return _stamped(route)
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
        stamp=of_all if may_move else _stamped(route).stamp,
    )


class _Layout:
    """Makes the steps of rules."""

    def __init__(self, handlers: Mapping[str, Callee]) -> None:
        self._targets = TargetMaker(handlers)

    def route(self, rules: Sequence[RuleConfig]) -> Route:
        """The rules of one namespace, without those of the default one."""
        generators: tuple[Step[Output], ...] = tuple(
            self._steps(rules, {Variety.ATTRIBUTE_GENERATOR})
        )
        check: tuple[Step[CheckAnswer], ...] = tuple(
            self._steps(rules, {Variety.CHECK, Variety.CHECK_WITH_OUTPUT})
        )
        quota: tuple[QuotaStep, ...] = tuple(self._steps(rules, {Variety.QUOTA}))
        headers = tuple(_header_steps(rules))
        targets = [target for step in check for target in step.targets]
        return Route(
            generators=generators,
            check=check,
            quota=_by_short_name(quota),
            report=tuple(self._steps(rules, {Variety.REPORT})),
            headers=headers,
            generate_may_wait=_may_wait(generators),
            check_may_wait=_may_wait(check),
            quota_may_wait=_may_wait(quota),
            has_cache_policies=any(target.cache for target in targets)
            or any(step.cache is not None for step in headers),
            covers_failures=any(target.failure is not None for target in targets),
        )

    def _steps(self, rules: Iterable[RuleConfig], varieties: set[Variety]) -> "Iterator[Step[T]]":
        for rule in rules:
            targets = tuple(
                cast("Target[T]", target)
                for action in rule.actions
                for instance in action.instances
                if instance.template.variety in varieties
                and (target := self._targets.of(action, instance)) is not None
            )
            if targets:
                yield Step(rule.name, _condition(rule), targets, match=rule.match)


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
        cache=first.cache,
        has_cache_policies=first.has_cache_policies or second.has_cache_policies,
        covers_failures=first.covers_failures or second.covers_failures,
    )


def _by_short_name(steps: Iterable[QuotaStep]) -> dict[str, tuple[QuotaStep, ...]]:
    """Each step once per name among its targets, with the targets of that name."""
    found: dict[str, list[QuotaStep]] = {}
    for step in steps:
        targets: dict[str, list[QuotaTarget]] = {}
        for target in step.targets:
            targets.setdefault(target.instance.short_name.lower(), []).append(target)
        for name, named in targets.items():
            own = Step(step.rule, step.condition, tuple(named), match=step.match)
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
                cache=rule.cache,
                match=rule.match,
            )


def _condition(rule: RuleConfig) -> Condition | None:
    if rule.match is None:
        return None
    return cast("Condition", rule.match.evaluate)  # resolve checked that its type is BOOL


def _may_wait(steps: Iterable[Step[T]]) -> bool:
    """Whether some handler waits, those that stand in for others included."""
    return any(
        target.entry.may_wait
        or (
            target.failure is not None
            and target.failure.fallback is not None
            and target.failure.fallback.entry.may_wait
        )
        for step in steps
        for target in step.targets
    )
