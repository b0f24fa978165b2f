"""What applies to a request: by variety and namespace, ready to be asked. Pure.

`remixer.runtime.route_layout` makes these of a snapshot. Order is configuration order everywhere:
rules of the default namespace first, then those of the request's own; inside a namespace by rule
name, then action, then instance. The original's order was that of a hash map.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeAlias, TypeVar

from remixer.attributes.bag import Bag
from remixer.attributes.values import Value
from remixer.config.policy_settings import CachePolicyConfig, FailureStep
from remixer.config.snapshot import HeaderOperationConfig, InstanceConfig
from remixer.expr.compile import Expression
from remixer.foundation.status import Status
from remixer.runtime.callee import Callee
from remixer.runtime.calls import Entry
from remixer.runtime.step_index import StepIndex
from remixer.sdk.results import CheckOutput, CheckResult, QuotaResult

T = TypeVar("T")

_KIND: Final = "context.reporter.kind"
_INBOUND: Final = "inbound"
_NAMESPACE_ATTRIBUTE_BY_KIND: Final[Mapping[str, str]] = {
    _INBOUND: "destination.namespace",
    "outbound": "source.namespace",
}

NAMESPACE_ATTRIBUTES: Final = frozenset({_KIND, *_NAMESPACE_ATTRIBUTE_BY_KIND.values()})
"""On which the choice of a route depends."""

Condition: TypeAlias = Callable[[Bag], bool]
CheckAnswer: TypeAlias = CheckResult | CheckOutput
Output: TypeAlias = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class FailurePlan(Generic[T]):
    """What is done if the handler of a target fails."""

    policy: str
    steps: tuple[FailureStep, ...]
    closed: Status
    fallback: "Target[T] | None"
    """The same instance for the handler that stands in."""


@dataclass(frozen=True, slots=True)
class Target(Generic[T]):
    """One instance for one handler."""

    handler: Callee
    instance: InstanceConfig
    entry: Entry[T]
    output_names: Mapping[str, str] = field(default_factory=dict)
    """Fields of a check's output by the names under which header values find them."""
    failure: FailurePlan[T] | None = None
    cache: tuple[CachePolicyConfig, ...] = ()


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """The part of one rule that serves one variety. `condition` None means always."""

    rule: str
    condition: Condition | None
    targets: tuple[Target[T], ...]
    match: Expression | None = None
    """Of which `condition` was made."""


CheckStep: TypeAlias = Step[CheckAnswer]
CheckTarget: TypeAlias = Target[CheckAnswer]
GeneratorStep: TypeAlias = Step[Output]
GeneratorTarget: TypeAlias = Target[Output]
QuotaStep: TypeAlias = Step[QuotaResult]
QuotaTarget: TypeAlias = Target[QuotaResult]
ReportStep: TypeAlias = Step[object]


@dataclass(frozen=True, slots=True)
class HeaderStep:
    """The header operations of one rule."""

    rule: str
    condition: Condition | None
    request: tuple[HeaderOperationConfig, ...]
    response: tuple[HeaderOperationConfig, ...]
    cache: CachePolicyConfig | None = None
    match: Expression | None = None
    """Of which `condition` was made."""


class RouteStamp:
    """What a route was made of: equal stamps mean that requests are answered alike.

    Parts are compared by identity, because resolving hands out the same objects for what no change
    has touched.
    """

    __slots__ = ("_parts",)

    def __init__(self, *parts: object) -> None:
        self._parts = parts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RouteStamp) and (
            len(self._parts) == len(other._parts)
            and all(own is its for own, its in zip(self._parts, other._parts, strict=True))
        )

    __hash__ = None  # type: ignore[assignment] # only ever compared


@dataclass(frozen=True, slots=True)
class Route:
    """All that applies to requests of one namespace."""

    name: str = ""
    """The namespace; "" for those without rules of their own."""
    stamp: RouteStamp | None = field(default_factory=RouteStamp)
    """None: nothing may be remembered."""
    generators: tuple[GeneratorStep, ...] = ()
    check: tuple[CheckStep, ...] = ()
    quota: Mapping[str, tuple[QuotaStep, ...]] = field(default_factory=dict)
    """By the instances' short names in lower case, in order of first use."""
    report: tuple[ReportStep, ...] = ()
    headers: tuple[HeaderStep, ...] = ()
    generate_may_wait: bool = False
    check_may_wait: bool = False
    """Of a request that begins here, generators and where they may send it included."""
    quota_may_wait: bool = False
    cache: tuple[CachePolicyConfig, ...] = ()
    """Policies for every answer of this route."""
    has_cache_policies: bool = False
    """Whether policies concern any of its answers."""
    covers_failures: bool = False
    """Whether something stands in for some check that fails."""
    check_index: StepIndex[CheckStep] | None = None
    """Of `check`, if these are many; the same of `headers`."""
    header_index: StepIndex[HeaderStep] | None = None


@dataclass(frozen=True, slots=True)
class RouteTable:
    """Routes by namespace; `default` serves namespaces without rules of their own."""

    default: Route = field(default_factory=Route)
    by_namespace: Mapping[str, Route] = field(default_factory=dict)

    def route_for(self, bag: Bag) -> Route:
        """The route of a request; what is read here counts as read.

        Source: `context.reporter.kind` (absent or not a string: inbound) picks
        `destination.namespace` or `source.namespace`.
        """
        kind = bag[_KIND]
        attribute = _NAMESPACE_ATTRIBUTE_BY_KIND.get(kind if type(kind) is str else _INBOUND)
        if attribute is None:
            return self.default
        namespace = bag[attribute]
        if type(namespace) is not str:
            return self.default
        return self.by_namespace.get(namespace, self.default)


def route_names(known: Mapping[str, Value | None]) -> Sequence[str]:
    """The attributes that the choice of a route depends on, beside those that are `known`."""
    if _KIND not in known:
        return (_KIND, *_NAMESPACE_ATTRIBUTE_BY_KIND.values())
    kind = known[_KIND]
    attribute = _NAMESPACE_ATTRIBUTE_BY_KIND.get(kind if type(kind) is str else _INBOUND)
    return () if attribute is None else (attribute,)
