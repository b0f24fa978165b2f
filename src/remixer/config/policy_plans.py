"""Policies of rules and handlers, joined for each action of each rule."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from remixer.config import codes
from remixer.config.context import Context
from remixer.config.handlers import HandlerDraft
from remixer.config.instances import ResolvedInstance
from remixer.config.policies import CacheDraft, FailureDraft
from remixer.config.policy_settings import CachePolicyConfig
from remixer.config.policy_targets import Policies
from remixer.config.rules import ActionDraft, RuleDraft
from remixer.config.snapshot import FailureConfig, HandlerConfig
from remixer.foundation.documents.nodes import locate
from remixer.templates.schema import Variety

_COVERED: Final = frozenset({Variety.CHECK, Variety.CHECK_WITH_OUTPUT, Variety.QUOTA})
"""What another handler may answer; nobody waits for what a report answers."""


@dataclass(frozen=True, slots=True)
class ActionPolicies:
    """What concerns one action. What its rule has counts before what its handler has."""

    rule_cache: CacheDraft | None
    handler_cache: CacheDraft | None
    rule_failure: FailureDraft | None
    handler_failure: FailureDraft | None

    @property
    def inputs(self) -> tuple[object, ...]:
        """All that `cache` and `failure` depend on, for comparison by identity."""
        return (self.rule_cache, self.handler_cache, self.rule_failure, self.handler_failure)

    @property
    def are_any(self) -> bool:
        """Whether any policy concerns the action."""
        return any(each is not None for each in self.inputs)

    @property
    def cache(self) -> tuple[CachePolicyConfig, ...]:
        drafts = (self.rule_cache, self.handler_cache)
        return tuple(dict.fromkeys(each.config for each in drafts if each is not None))

    @property
    def fallback_of(self) -> FailureDraft | None:
        """The policy that says what happens after a failure."""
        for draft in (self.rule_failure, self.handler_failure):
            if draft is not None and draft.steps:
                return draft
        return None

    def failure(self, fallback: HandlerConfig | None) -> FailureConfig | None:
        """The rule's settings over the handler's. `fallback`: the handler that may be asked."""
        drafts = [each for each in (self.rule_failure, self.handler_failure) if each is not None]
        if not drafts:
            return None
        timeouts = [each.timeout for each in drafts if each.timeout is not None]
        breakers = [each.breaker for each in drafts if each.breaker is not None]
        deciding = self.fallback_of or drafts[0]
        return FailureConfig(
            name=deciding.resource.name,
            steps=deciding.steps,
            closed=deciding.closed,
            fallback=fallback,
            timeout=timeouts[0] if timeouts else None,
            breaker=breakers[0] if breakers else None,
        )


@dataclass(frozen=True, slots=True)
class PolicyPlans:
    """Policies by action, and the handlers that stand in for others."""

    context: Context
    policies: Policies
    _told: set[tuple[str, str]] = field(default_factory=set)
    """Policies and faults that were reported: one fault may concern many rules."""

    def of(self, rule: str, handler: str) -> ActionPolicies:
        """Policies of an action of this rule for this handler."""
        cache, failure = self.policies.cache, self.policies.failure
        return ActionPolicies(
            cache.of_rules.get(rule),
            cache.of_handlers.get(handler),
            failure.of_rules.get(rule),
            failure.of_handlers.get(handler),
        )

    def fallback(self, rule: RuleDraft, action: ActionDraft) -> HandlerDraft | None:
        """Who stands in for this action's handler."""
        if not self.policies.are_any:
            return None
        deciding = self.of(rule.resource.name, action.handler.name).fallback_of
        if deciding is None or deciding.fallback is None:
            return None
        if deciding.fallback.name == action.handler.name:
            message = f"`{action.handler.name}` cannot stand in for itself"
            hint = "Name another handler, or select it by another policy."
            self._error(deciding, codes.BAD_POLICY, message, hint)
            return None
        return deciding.fallback

    def routed(self, rule: RuleDraft, action: ActionDraft) -> Iterator[ResolvedInstance]:
        """The instances that the fallback of an action may get."""
        fallback = self.fallback(rule, action)
        for instance in action.instances if fallback is not None else ():
            template = instance.config.template
            if template.variety not in _COVERED:
                continue
            if fallback is not None and template.name in fallback.adapter.templates:
                yield instance
            else:
                self._report_not_taken(rule, action, template.name)

    def config(
        self, rule: RuleDraft, action: ActionDraft, handlers: Mapping[str, HandlerConfig]
    ) -> FailureConfig | None:
        """What is done about failures of this action."""
        fallback = self.fallback(rule, action)
        usable = None if fallback is None else handlers.get(fallback.name)
        return self.of(rule.resource.name, action.handler.name).failure(usable)

    def inputs(self, rule: RuleDraft, handlers: Mapping[str, HandlerConfig]) -> Iterator[object]:
        """All that `cache_of`, `config` and `of` give for a rule, for comparison by identity.

        Nothing if no policy concerns it: so others may come and go. Tells of a fallback whose
        adapter refuses it, in every run.
        """
        own = self.cache_of(rule)
        if own is not None:
            yield own
        for action in rule.actions if self.policies.are_any else ():
            policies = self.of(rule.resource.name, action.handler.name)
            if not policies.are_any:
                continue
            yield action
            yield from policies.inputs
            fallback = self.fallback(rule, action)
            used = None if fallback is None else handlers.get(fallback.name)
            if fallback is not None and used is None:
                self._report_refused(rule, action)
            yield used

    def cache_of(self, rule: RuleDraft) -> CachePolicyConfig | None:
        """The rule's own policy for caching."""
        draft = self.policies.cache.of_rules.get(rule.resource.name)
        return None if draft is None else draft.config

    def _report_refused(self, rule: RuleDraft, action: ActionDraft) -> None:
        deciding = self.of(rule.resource.name, action.handler.name).fallback_of
        if deciding is not None:
            text = deciding.selected.fallback
            message = f"handler `{text}` was left out because of its own problems"
            self._error(deciding, codes.TARGET_LEFT_OUT, message, "Repair that handler.")

    def _report_not_taken(self, rule: RuleDraft, action: ActionDraft, template: str) -> None:
        deciding = self.of(rule.resource.name, action.handler.name).fallback_of
        if deciding is not None:
            message = (
                f"`{deciding.selected.fallback}` does not take template `{template}`, "
                f"so it cannot stand in for `{action.handler.name}`"
            )
            self._error(deciding, codes.TEMPLATE_NOT_TAKEN, message, "")

    def _error(self, draft: FailureDraft, code: str, message: str, hint: str) -> None:
        resource = draft.resource
        if (resource.name, message) in self._told:
            return
        self._told.add((resource.name, message))
        at = locate(resource.spec, "fallback", resource.location)
        findings = self.context.findings(resource.name)
        findings.error(code, message, at, field="spec.fallback", hint=hint)
