"""Loaded resources to a snapshot: everything usable resolved, everything else explained.

Order of work: manifests give the vocabulary; handlers and instances are read each by itself;
rules connect them; only then is it known which instances a handler gets, so adapters validate
last and the rules lose the actions of refused handlers. All orders are by name.

Source: snapshot building of Mixer 1.3, without its known faults: an unknown adapter is an error at
once, half-decoded params are never used, a rule whose condition does not compile is left out.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from remixer.config import codes, kinds
from remixer.config.bindings import warn_of_doubles
from remixer.config.context import Context
from remixer.config.dynamic_resources import read_dynamic
from remixer.config.expression_memory import ExpressionMemory
from remixer.config.expressions import ExpressionCompiler
from remixer.config.handlers import HandlerDraft, draft_handler, finish_handler
from remixer.config.instances import ResolvedInstance, resolve_instance
from remixer.config.manifests import build_vocabulary
from remixer.config.namespaces import DEFAULT_NAMESPACE
from remixer.config.problems import Problem
from remixer.config.references import Directory
from remixer.config.resource_index import ResourceIndex
from remixer.config.resources import LoadedResources, Resource
from remixer.config.rules import ActionDraft, RuleDraft, RuleReader, report_empty_rule
from remixer.config.snapshot import ActionConfig, HandlerConfig, RuleConfig, Snapshot
from remixer.expr.semantics import Semantics
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.sdk.remote import RemoteAdapterFactory
from remixer.templates.schema import Template

T = TypeVar("T")


def resolve(
    loaded: LoadedResources,
    *,
    adapters: Mapping[str, AnyAdapterInfo],
    templates: Mapping[str, Template],
    default_namespace: str = DEFAULT_NAMESPACE,
    semantics: Semantics = Semantics.FIXED,
    remote: RemoteAdapterFactory | None = None,
) -> Snapshot:
    """The snapshot; its problems include those found while loading. Never raises for bad input.

    `semantics` holds for resources without an annotation of their own. `remote` makes the adapters
    that run in other processes; without it such resources are told to be unsupported.
    """
    problems = list(loaded.problems)
    index = ResourceIndex(
        loaded.resources, adapters=adapters, templates=templates, has_remote=remote is not None
    )
    index.report_unsupported(problems)
    vocabulary = build_vocabulary(index.of_kinds({kinds.ATTRIBUTE_MANIFEST}), problems)
    context = Context(
        adapters=adapters,
        templates=templates,
        expressions=ExpressionCompiler(vocabulary, ExpressionMemory()),
        semantics=semantics,
        default_namespace=default_namespace,
        problems=problems,
    )
    if remote is not None:
        context = replace(context, dynamic=read_dynamic(index, context, remote))
    reader = RuleReader(context, _handlers(index, context), _instances(index, context))
    drafts = [
        draft
        for resource in index.of_kinds({kinds.RULE})
        if (draft := _walled(reader.draft, resource, context)) is not None
    ]
    handlers = _used_handlers(drafts, context)
    rules = [rule for draft in drafts if (rule := _rule(draft, handlers, context)) is not None]
    warn_of_doubles(rules, default_namespace, problems)
    used = {action.handler.name for rule in rules for action in rule.actions}
    return Snapshot(
        vocabulary=vocabulary,
        rules=tuple(rules),
        handlers=tuple(handlers[name] for name in sorted(used)),
        problems=tuple(sorted(problems, key=_reading_order)),
        counts=index.counts,
        default_namespace=default_namespace,
    )


def _reading_order(problem: Problem) -> tuple[object, ...]:
    return (problem.location, problem.resource, problem.field, problem.code, problem.message)


def _walled(read: Callable[[Resource], T | None], resource: Resource, context: Context) -> T | None:
    return context.walled(resource.name, resource.location, lambda: read(resource))


def _handlers(index: ResourceIndex, context: Context) -> Directory[HandlerDraft]:
    drafts = (
        draft
        for resource in index.of_kinds(index.handler_kinds)
        if (draft := _walled(partial(draft_handler, context=context), resource, context))
    )
    known = {draft.name: draft for draft in drafts}
    # Also kinds of Mixer's that this version lacks: they exist, they just do not work.
    existing = index.names_of(index.handler_kinds | kinds.MIXER_ADAPTERS)
    return Directory(kinds.HANDLER, known, existing - known.keys())


def _instances(index: ResourceIndex, context: Context) -> Directory[ResolvedInstance]:
    instances = (
        instance
        for resource in index.of_kinds(index.instance_kinds)
        if (instance := _walled(partial(resolve_instance, context=context), resource, context))
    )
    known = {instance.config.name: instance for instance in instances}
    existing = index.names_of(index.instance_kinds | kinds.MIXER_TEMPLATES)
    return Directory(kinds.INSTANCE, known, existing - known.keys())


def _used_handlers(drafts: Sequence[RuleDraft], context: Context) -> dict[str, HandlerConfig]:
    """Handlers that surviving rules use and their adapters accept, by name."""
    routed: dict[str, list[ResolvedInstance]] = {}
    handlers: dict[str, HandlerDraft] = {}
    for draft in drafts:
        for action in draft.actions:
            handlers[action.handler.name] = action.handler
            routed.setdefault(action.handler.name, []).extend(action.instances)
    finished = (
        context.walled(name, draft.location, partial(finish_handler, draft, routed[name], context))
        for name, draft in sorted(handlers.items())
    )
    return {each.name: each for each in finished if each is not None}


def _rule(
    draft: RuleDraft, handlers: Mapping[str, HandlerConfig], context: Context
) -> RuleConfig | None:
    """The rule with what is left of its actions; None if nothing is."""
    actions = tuple(_actions(draft, handlers, context))
    if not actions and not draft.has_header_operations:
        report_empty_rule(context.findings(draft.resource.name), draft.resource)
        return None
    return RuleConfig(
        name=draft.resource.name,
        namespace=draft.resource.key.namespace,
        match=draft.match,
        actions=actions,
        request_header_operations=draft.request_header_operations,
        response_header_operations=draft.response_header_operations,
        location=draft.resource.location,
    )


def _actions(
    draft: RuleDraft, handlers: Mapping[str, HandlerConfig], context: Context
) -> Iterator[ActionConfig]:
    for action in draft.actions:
        handler = handlers.get(action.handler.name)
        if handler is None:
            _report_refused_handler(draft, action, context)
            continue
        instances = tuple(each.config for each in action.instances)
        yield ActionConfig(handler, instances, action.name)


def _report_refused_handler(draft: RuleDraft, action: ActionDraft, context: Context) -> None:
    context.findings(draft.resource.name).error(
        codes.TARGET_LEFT_OUT,
        f"handler `{action.handler.name}` was left out because of its own problems",
        action.location,
        field=f"{action.path}.handler",
        hint="Repair that handler.",
    )
