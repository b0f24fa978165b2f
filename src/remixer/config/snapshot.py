"""The immutable result of reading configuration: everything resolved, expressions compiled.

A request takes what was built from one snapshot and keeps it to its end.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.attributes.vocabulary import Vocabulary
from remixer.config.namespaces import DEFAULT_NAMESPACE
from remixer.config.policy_settings import (
    UNANSWERED,
    BreakerConfig,
    CachePolicyConfig,
    FailureStep,
)
from remixer.expr.compile import Expression
from remixer.foundation.problems import Location, Problem
from remixer.foundation.status import Status
from remixer.mixer.outcome import HeaderOperationKind
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.templates.schema import InstanceType, Template, Variety


@dataclass(frozen=True, slots=True)
class AttributeBinding:
    """One attribute that comes of a handler's output."""

    attribute: str
    value: Expression
    """Over the output's fields and the request's attributes."""
    location: Location


@dataclass(frozen=True, slots=True)
class Bindings:
    """What becomes of the output of an attribute-generating handler."""

    attributes: tuple[AttributeBinding, ...] = ()
    """In order of writing."""
    output_fields: Mapping[str, str] = field(default_factory=dict)
    """The output's fields by the names that the bindings' expressions have for them."""


@dataclass(frozen=True, slots=True)
class InstanceConfig:
    """An instance that rules can send to handlers.

    `build` evaluates the instance's expressions on a bag and gives the template's carrier;
    it raises `InstanceError`, whose text names the field path.
    """

    name: str
    """`requestcount.metric.istio-system`."""
    short_name: str
    """What quota requests name: the part before the first dot."""
    template: Template
    type: InstanceType
    build: Callable[[Bag], object]
    location: Location
    bindings: Bindings = field(default_factory=Bindings)
    """Empty unless the template generates attributes."""
    expressions: Mapping[str, Expression] | None = field(default=None, repr=False)
    """By field path, all that `build` evaluates; None if it does something else as well."""


@dataclass(frozen=True, slots=True)
class HandlerConfig:
    """A handler that at least one rule uses, or that stands in for such a one."""

    name: str
    """`deny.handler.shop`, `deny.denier.shop`."""
    display_name: str
    """Run-time name, the prefix of denial messages: `deny.shop` for compiled-in handlers of
    kind `handler`, else `name`."""
    adapter: AnyAdapterInfo
    params: object
    """The adapter's own params dataclass, defaults merged."""
    instances: tuple[InstanceType, ...]
    """Every instance that a rule sends to it, sorted by name."""
    varieties: frozenset[Variety]
    """Those of the instances' templates: which methods the handler must have."""
    signature: bytes
    """Equal signatures of one name mean: keep the running handler. 20 bytes, canonical, equal
    in every process."""
    location: Location


@dataclass(frozen=True, slots=True)
class HeaderOperationConfig:
    """One header operation of a rule. `value` is None for REMOVE."""

    name: str
    kind: HeaderOperationKind
    value: Expression | None = None


@dataclass(frozen=True, slots=True)
class FailureConfig:
    """What is done about an action's handler that fails."""

    name: str
    """Of the policy that says so, `guarded.FailurePolicy.shop`."""
    steps: tuple[FailureStep, ...] = ()
    """In the order in which they are tried; empty: the failure stays one."""
    closed: Status = UNANSWERED
    fallback: HandlerConfig | None = None
    timeout: Duration | None = None
    breaker: BreakerConfig | None = None


@dataclass(frozen=True, slots=True)
class ActionConfig:
    """Instances for one handler; never empty."""

    handler: HandlerConfig
    instances: tuple[InstanceConfig, ...]
    name: str = ""
    """Under which the rule's header operations find outputs: `NAME.output.FIELD`."""
    cache: tuple[CachePolicyConfig, ...] = ()
    """Of the rule and of the handler."""
    failure: FailureConfig | None = None


@dataclass(frozen=True, slots=True)
class RuleConfig:
    """A rule. `match` None means always."""

    name: str
    """`deny-all.rule.shop`."""
    namespace: str
    match: Expression | None
    actions: tuple[ActionConfig, ...]
    request_header_operations: tuple[HeaderOperationConfig, ...] = ()
    response_header_operations: tuple[HeaderOperationConfig, ...] = ()
    location: Location = field(default_factory=Location)
    cache: CachePolicyConfig | None = None
    """The rule's own."""
    signature: bytes = b""
    """Equal, in every process, only for rules that do the same; see `rule_signature`."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that survived, and all that did not.

    `rules` are sorted by name; `handlers` are those that rules use, or that stand in for such,
    sorted by name.
    """

    vocabulary: Vocabulary = field(default_factory=Vocabulary)
    rules: tuple[RuleConfig, ...] = ()
    handlers: tuple[HandlerConfig, ...] = ()
    problems: tuple[Problem, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    """Resources by kind: `{"rule": 3, "handler": 2}`."""
    cache_by_namespace: Mapping[str, CachePolicyConfig] = field(default_factory=dict)
    """For all answers to which the rules of these namespaces apply."""
    default_namespace: str = DEFAULT_NAMESPACE


EMPTY_SNAPSHOT = Snapshot()
