"""A snapshot in numbers, in the classes that Mixer's own metrics have. Pure."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from typing import Final, TypeVar

from remixer.config import kinds
from remixer.config.snapshot import Snapshot
from remixer.foundation.problems import Problem, Severity
from remixer.runtime.metrics import ConfigCounts
from remixer.runtime.routes import RouteTable, Step
from remixer.templates.schema import Variety

T = TypeVar("T")

_PARTS_OF_A_NAME: Final = 3  # name, kind, namespace; a name may itself hold dots
_MATCH_FIELD: Final = "spec.match"


def counts_of(snapshot: Snapshot, handlers: Container[str], routes: RouteTable) -> ConfigCounts:
    """All numbers of one configuration. `handlers`: names of those that could be built."""
    return ConfigCounts(
        attributes=len(snapshot.vocabulary.types),
        resources_by_kind=snapshot.counts,
        problems_by_kind=Counter(_kind(problem) for problem in snapshot.problems),
        resources_by_class=_resources_by_class(snapshot.counts),
        errors_by_class=_errors_by_class(snapshot, handlers),
        destinations_by_variety=_destinations_by_variety(routes),
    )


def _resources_by_class(by_kind: Mapping[str, int]) -> Mapping[str, int]:
    """As `handler`, `instance`, `rule`, `adapter`, `template`; older kinds included."""
    counts: Counter[str] = Counter()
    for kind, count in by_kind.items():
        counts[_class_of(kind)] += count
    return counts


def _errors_by_class(snapshot: Snapshot, handlers: Container[str]) -> Mapping[str, int]:
    """Errors, without warnings, in the same classes, and two more.

    `rule_match`: conditions that do not compile, not counted as `rule` too.
    `unsatisfied_action_handler`: actions whose handler could not be built.
    """
    counts = Counter(
        _class_of_error(problem)
        for problem in snapshot.problems
        if problem.severity is Severity.ERROR
    )
    counts["unsatisfied_action_handler"] = sum(
        action.handler.name not in handlers for rule in snapshot.rules for action in rule.actions
    )
    return counts


def _destinations_by_variety(routes: RouteTable) -> Mapping[str, int]:
    """Handler and template pairs of all namespaces, by variety."""
    counts: Counter[str] = Counter()
    for route in (routes.default, *routes.by_namespace.values()):
        quota = [step for steps in route.quota.values() for step in steps]
        counts[Variety.ATTRIBUTE_GENERATOR.name] += _destinations(route.generators)
        counts[Variety.CHECK.name] += _destinations(route.check)
        counts[Variety.QUOTA.name] += _destinations(quota)
        counts[Variety.REPORT.name] += _destinations(route.report)
    return counts


def _destinations(steps: Iterable[Step[T]]) -> int:
    return len(
        {(target.entry.handler, target.entry.template) for step in steps for target in step.targets}
    )


def _class_of_error(problem: Problem) -> str:
    kind = _kind(problem)
    if kind == kinds.RULE and problem.field == _MATCH_FIELD:
        return "rule_match"
    return _class_of(kind)


def _class_of(kind: str) -> str:
    if kind in kinds.MIXER_ADAPTERS:
        return kinds.HANDLER
    if kind in kinds.MIXER_TEMPLATES:
        return kinds.INSTANCE
    return kind


def _kind(problem: Problem) -> str:
    """`rule` for `deny.rule.shop`; empty if the problem belongs to no resource."""
    parts = problem.resource.split(".")
    return parts[-2] if len(parts) >= _PARTS_OF_A_NAME else ""
