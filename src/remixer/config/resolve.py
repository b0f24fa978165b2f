"""Loaded resources to a snapshot: everything usable resolved, everything else explained.

Order of work: manifests give the vocabulary; handlers and instances are read each by itself;
rules connect them; only then is it known which instances a handler gets, so adapters validate
last and the rules lose the actions of refused handlers. Policies are read beside the rules, for they
may bring a handler into play. All orders are by name.

Source: snapshot building of Mixer 1.3, without its known faults: an unknown adapter is an error at
once, half-decoded params are never used, a rule whose condition does not compile is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, TypeVar

from remixer.config import codes, kinds
from remixer.config.bindings import warn_of_doubles
from remixer.config.context import Context
from remixer.config.dynamic_resources import read_dynamic
from remixer.config.expressions import ExpressionCompiler
from remixer.config.handlers import HandlerDraft, draft_handler, finish_handler
from remixer.config.instances import ResolvedInstance, resolve_instance
from remixer.config.manifests import build_vocabulary
from remixer.config.memory import ResolveMemory
from remixer.config.namespaces import DEFAULT_NAMESPACE
from remixer.config.policies import PolicyReader
from remixer.config.policy_plans import PolicyPlans
from remixer.config.policy_targets import Policies, PolicyTargets
from remixer.config.references import Directory
from remixer.config.resource_index import ResourceIndex
from remixer.config.resources import LoadedResources, Resource
from remixer.config.rule_signature import rule_signature
from remixer.config.rules import ActionDraft, RuleDraft, RuleReader, report_empty_rule
from remixer.config.snapshot import ActionConfig, HandlerConfig, RuleConfig, Snapshot
from remixer.config.useless_keys import warn_of_useless_keys
from remixer.expr.semantics import Semantics
from remixer.foundation.problems import Problem
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.sdk.remote import RemoteAdapterFactory
from remixer.templates.schema import Template

T = TypeVar("T")

_FOUNDATION: Final = frozenset({kinds.ATTRIBUTE_MANIFEST, kinds.TEMPLATE, kinds.ADAPTER})
"""Kinds on which any resource may depend."""


def resolve(
    loaded: LoadedResources,
    *,
    adapters: Mapping[str, AnyAdapterInfo],
    templates: Mapping[str, Template],
    default_namespace: str = DEFAULT_NAMESPACE,
    semantics: Semantics = Semantics.FIXED,
    remote: RemoteAdapterFactory | None = None,
    memory: ResolveMemory | None = None,
) -> Snapshot:
    """The snapshot; its problems include those found while loading. Never raises for bad input.

    `semantics` holds for resources without an annotation of their own. `remote` makes the adapters
    that run in other processes; without it such resources are told to be unsupported. `memory` has
    what earlier runs made; without it everything is made anew, with the same result.
    """
    memory = ResolveMemory() if memory is None else memory
    problems = list(loaded.problems)
    index = ResourceIndex(
        loaded.resources, adapters=adapters, templates=templates, has_remote=remote is not None
    )
    index.report_unsupported(problems)
    foundation = index.of_kinds(_FOUNDATION)
    memory.begin((adapters, templates, default_namespace, semantics, remote, *foundation))
    vocabulary = build_vocabulary(index.of_kinds({kinds.ATTRIBUTE_MANIFEST}), problems)
    context = Context(
        adapters=adapters,
        templates=templates,
        expressions=ExpressionCompiler(vocabulary, memory.expressions),
        semantics=semantics,
        default_namespace=default_namespace,
        problems=problems,
    )
    if remote is not None:
        context = replace(context, dynamic=read_dynamic(index, context, remote))
    run = _Run(index, context, memory)
    rules, policies = run.connected()
    warn_of_doubles(rules, default_namespace, problems)
    warn_of_useless_keys(rules, loaded.resources, vocabulary, problems)
    handlers = {each.name: each for rule in rules for each in _handlers_of(rule)}
    return Snapshot(
        vocabulary=vocabulary,
        rules=rules,
        handlers=tuple(handlers[name] for name in sorted(handlers)),
        problems=tuple(sorted(problems, key=_reading_order)),
        counts=index.counts,
        cache_by_namespace={
            name: draft.config for name, draft in sorted(policies.cache.of_namespaces.items())
        },
        default_namespace=default_namespace,
    )


def _handlers_of(rule: RuleConfig) -> Iterator[HandlerConfig]:
    for action in rule.actions:
        yield action.handler
        if action.failure is not None and action.failure.fallback is not None:
            yield action.failure.fallback


def _reading_order(problem: Problem) -> tuple[object, ...]:
    return (problem.location, problem.resource, problem.field, problem.code, problem.message)


@dataclass(frozen=True, slots=True)
class _Run:
    """One run on one foundation."""

    index: ResourceIndex
    context: Context
    memory: ResolveMemory

    def connected(self) -> tuple[tuple[RuleConfig, ...], Policies]:
        """All usable rules, by name, connected with handlers that their adapters accept."""
        known_handlers = self._handlers()
        reader = RuleReader(self.context, known_handlers, self._instances())
        resources = self.index.of_kinds({kinds.RULE})
        drafts = [
            draft
            for resource in resources
            if (draft := self._read(reader.draft, resource, holds=reader.still_names)) is not None
        ]
        policies = self._policies(known_handlers, resources)
        plans = PolicyPlans(self.context, policies)
        handlers = self._used_handlers(drafts, plans)
        rules = (self._rule(draft, handlers, plans) for draft in drafts)
        return tuple(rule for rule in rules if rule is not None), policies

    def _policies(self, handlers: Directory[HandlerDraft], rules: Iterable[Resource]) -> Policies:
        if not self.index.names_of(kinds.OWN_KINDS):
            return Policies()
        reader = PolicyReader(self.context, handlers)
        caches = (
            self._read(reader.cache, each) for each in self.index.of_kinds({kinds.CACHE_POLICY})
        )
        failures = (
            self._read(reader.failure, each, holds=reader.still_names)
            for each in self.index.of_kinds({kinds.FAILURE_POLICY})
        )
        targets = PolicyTargets(self.context, {each.name: each for each in rules}, handlers)
        return Policies(
            targets.chosen(each for each in caches if each is not None),
            targets.chosen(each for each in failures if each is not None),
            are_any=True,
        )

    def _read(
        self,
        read: Callable[[Resource], T | None],
        resource: Resource,
        *,
        holds: Callable[[T], bool] | None = None,
    ) -> T | None:
        return self.memory.recall(
            resource.name,
            (resource,),
            self.context.problems,
            lambda: self.context.walled(resource.name, resource.location, lambda: read(resource)),
            holds=holds,
        )

    def _handlers(self) -> Directory[HandlerDraft]:
        wanted = self.index.handler_kinds
        read = partial(draft_handler, context=self.context)
        drafts = (self._read(read, resource) for resource in self.index.of_kinds(wanted))
        known = {draft.name: draft for draft in drafts if draft is not None}
        # Also kinds of Mixer's that this version lacks: they exist, they just do not work.
        existing = self.index.names_of(wanted | kinds.MIXER_ADAPTERS)
        return Directory(kinds.HANDLER, known, existing - known.keys())

    def _instances(self) -> Directory[ResolvedInstance]:
        wanted = self.index.instance_kinds
        read = partial(resolve_instance, context=self.context)
        instances = (self._read(read, resource) for resource in self.index.of_kinds(wanted))
        known = {each.config.name: each for each in instances if each is not None}
        existing = self.index.names_of(wanted | kinds.MIXER_TEMPLATES)
        return Directory(kinds.INSTANCE, known, existing - known.keys())

    def _used_handlers(
        self, drafts: Sequence[RuleDraft], plans: PolicyPlans
    ) -> dict[str, HandlerConfig]:
        """Handlers that surviving rules use and their adapters accept, by name.

        Those that stand in for such get their instances, too.
        """
        routed: dict[str, dict[str, ResolvedInstance]] = {}
        handlers: dict[str, HandlerDraft] = {}
        for draft in drafts:
            for action in draft.actions:
                name = action.handler.name
                handlers[name] = action.handler
                known = routed.setdefault(name, {})
                known.update((each.config.name, each) for each in action.instances)
                fallback = plans.fallback(draft, action)
                if fallback is not None:
                    handlers[fallback.name] = fallback
                    known = routed.setdefault(fallback.name, {})
                    known.update((each.config.name, each) for each in plans.routed(draft, action))
        finished = (
            self._finished(draft, [routed[name][each] for each in sorted(routed[name])])
            for name, draft in sorted(handlers.items())
        )
        return {each.name: each for each in finished if each is not None}

    def _finished(
        self, draft: HandlerDraft, routed: Sequence[ResolvedInstance]
    ) -> HandlerConfig | None:
        finish = partial(finish_handler, draft, routed, self.context)
        return self.memory.recall(
            f"finished {draft.name}",
            (draft, *routed),
            self.context.problems,
            lambda: self.context.walled(draft.name, draft.location, finish),
        )

    def _rule(
        self, draft: RuleDraft, handlers: Mapping[str, HandlerConfig], plans: PolicyPlans
    ) -> RuleConfig | None:
        used = (handlers.get(action.handler.name) for action in draft.actions)
        return self.memory.recall(
            f"finished {draft.resource.name}",
            (draft, *used, *plans.inputs(draft, handlers)),
            self.context.problems,
            lambda: _rule(draft, handlers, plans),
        )


def _rule(
    draft: RuleDraft, handlers: Mapping[str, HandlerConfig], plans: PolicyPlans
) -> RuleConfig | None:
    """The rule with what is left of its actions; None if nothing is."""
    actions = tuple(_actions(draft, handlers, plans))
    if not actions and not draft.has_header_operations:
        report_empty_rule(plans.context.findings(draft.resource.name), draft.resource)
        return None
    rule = RuleConfig(
        name=draft.resource.name,
        namespace=draft.resource.key.namespace,
        match=draft.match,
        actions=actions,
        request_header_operations=draft.request_header_operations,
        response_header_operations=draft.response_header_operations,
        location=draft.resource.location,
        cache=plans.cache_of(draft),
    )
    signature = rule_signature(rule, draft, semantics=plans.context.semantics)
    return replace(rule, signature=signature)


def _actions(
    draft: RuleDraft, handlers: Mapping[str, HandlerConfig], plans: PolicyPlans
) -> Iterator[ActionConfig]:
    for action in draft.actions:
        handler = handlers.get(action.handler.name)
        if handler is None:
            _report_refused_handler(draft, action, plans.context)
            continue
        instances = tuple(each.config for each in action.instances)
        yield ActionConfig(
            handler,
            instances,
            action.action.name,
            cache=plans.of(draft.resource.name, action.handler.name).cache,
            failure=plans.config(draft, action, handlers),
        )


def _report_refused_handler(draft: RuleDraft, action: ActionDraft, context: Context) -> None:
    context.findings(draft.resource.name).error(
        codes.TARGET_LEFT_OUT,
        f"handler `{action.handler.name}` was left out because of its own problems",
        action.location,
        field=f"{action.path}.handler",
        hint="Repair that handler.",
    )
