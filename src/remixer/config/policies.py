"""Policy resources to drafts: decoded and checked, each by itself."""

from collections.abc import Iterator
from dataclasses import dataclass

from remixer.attributes.values import Duration
from remixer.config import codes
from remixer.config.context import Context
from remixer.config.handlers import HandlerDraft
from remixer.config.policy_messages import CachePolicy, FailurePolicy
from remixer.config.policy_settings import (
    LAST_STEPS,
    BreakerConfig,
    CachePolicyConfig,
    FailureStep,
)
from remixer.config.references import Directory
from remixer.config.resources import Resource
from remixer.foundation.documents.nodes import locate
from remixer.foundation.findings import Findings, hint_for
from remixer.foundation.status import Status
from remixer.wire.proto_json.decode import Place, decode

_STEPS = {step.value: step for step in FailureStep}


@dataclass(frozen=True, slots=True)
class CacheDraft:
    """A CachePolicy and the names it selects."""

    resource: Resource
    selected: CachePolicy
    config: CachePolicyConfig

    @property
    def namespaces(self) -> tuple[str, ...]:
        return self.selected.namespaces


@dataclass(frozen=True, slots=True)
class FailureDraft:
    """A FailurePolicy and the names it selects. No `steps`: failures stay failures."""

    resource: Resource
    selected: FailurePolicy
    steps: tuple[FailureStep, ...]
    closed: Status
    fallback: HandlerDraft | None
    timeout: Duration | None
    breaker: BreakerConfig | None

    @property
    def namespaces(self) -> tuple[str, ...]:
        """None: whose calls fail is told by name."""
        return ()


@dataclass(frozen=True, slots=True)
class PolicyReader:
    """Reads policies against the handlers that there are."""

    context: Context
    handlers: Directory[HandlerDraft]

    def cache(self, resource: Resource) -> CacheDraft | None:
        """The policy; None after any problem in its settings."""
        checks = _Checks(resource, self.context.findings(resource.name))
        policy = decode(resource.spec, CachePolicy(), checks.place)
        if policy is None:
            return None
        if not (policy.rules or policy.handlers or policy.namespaces):
            checks.error("", "it concerns nothing", "Add `rules`, `handlers` or `namespaces`.")
        for name in ("max_age", "denial_max_age", "stale_for"):
            given: Duration | None = getattr(policy, name)
            checks.require(given is None or given >= 0, name, "a duration of at least 0s")
        uses = policy.max_uses
        checks.require(uses is None or uses >= 0, "max_uses", "a number of at least 0")
        part = policy.refresh_at
        checks.require(part is None or 0 < part <= 1, "refresh_at", "a part above 0, up to 1")
        if checks.findings.error_count:
            return None
        return CacheDraft(
            resource,
            policy,
            CachePolicyConfig(
                name=resource.name,
                is_enabled=policy.enabled,
                max_age=policy.max_age,
                max_uses=policy.max_uses,
                denial_max_age=policy.denial_max_age,
                refresh_at=policy.refresh_at,
                stale_for=policy.stale_for,
                is_shared=policy.shared,
            ),
        )

    def failure(self, resource: Resource) -> FailureDraft | None:
        """The policy; None after any problem in its settings."""
        checks = _Checks(resource, self.context.findings(resource.name))
        policy = decode(resource.spec, FailurePolicy(), checks.place)
        if policy is None:
            return None
        if not (policy.rules or policy.handlers):
            checks.error("", "it concerns nothing", "Add `rules` or `handlers`.")
        steps = tuple(checks.steps(policy.on_failure))
        checks.order(steps)
        fallback = self._fallback(policy, steps, checks)
        timeout, breaker = policy.timeout, policy.breaker
        checks.require(timeout is None or timeout > 0, "timeout", "a duration above 0s")
        checks.require(policy.closed.code != 0, "closed.code", "a code that denies, not OK")
        if breaker is not None:
            number = "breaker.consecutive_failures"
            checks.require(breaker.consecutive_failures > 0, number, "a number of at least 1")
            checks.require(breaker.open_for > 0, "breaker.open_for", "a duration above 0s")
        if checks.findings.error_count:
            return None
        return FailureDraft(
            resource,
            policy,
            steps=steps,
            closed=Status(policy.closed.code, policy.closed.message),
            fallback=fallback,
            timeout=timeout,
            breaker=None
            if breaker is None
            else BreakerConfig(breaker.consecutive_failures, breaker.open_for),
        )

    def still_names(self, draft: FailureDraft) -> bool:
        """Whether a policy without problems falls back to what it did when `draft` was made."""
        return self._found(draft.selected, draft.resource) is draft.fallback

    def _found(self, policy: FailurePolicy, resource: Resource) -> HandlerDraft | None:
        if not policy.fallback:
            return None
        return self.handlers.find(policy.fallback, namespace=resource.key.namespace)

    def _fallback(
        self, policy: FailurePolicy, steps: tuple[FailureStep, ...], checks: "_Checks"
    ) -> HandlerDraft | None:
        wants = FailureStep.FALLBACK in steps
        if wants is not bool(policy.fallback):
            message = (
                "`on_failure` has `fallback`, and no `fallback` names a handler"
                if wants
                else "`on_failure` does not have `fallback`"
            )
            checks.error("fallback", message, "Give both or none.")
            return None
        found = self._found(policy, checks.resource)
        if found is None and policy.fallback:
            self._report_missing(policy.fallback, checks)
        return found

    def _report_missing(self, text: str, checks: "_Checks") -> None:
        namespace = checks.resource.key.namespace
        if self.handlers.is_left_out(text, namespace=namespace):
            message = f"handler `{text}` was left out because of its own problems"
            checks.error("fallback", message, "Repair that handler.", code=codes.TARGET_LEFT_OUT)
            return
        hint = self.handlers.hint(
            text, namespace=namespace, default_namespace=self.context.default_namespace
        )
        message = f"there is no handler `{text}`"
        checks.error("fallback", message, hint, code=codes.NO_SUCH_HANDLER)


@dataclass(frozen=True, slots=True)
class _Checks:
    """Faults of one policy, each at its field."""

    resource: Resource
    findings: Findings

    @property
    def place(self) -> Place:
        return Place("spec", self.findings)

    def error(
        self, path: str, message: str, hint: str = "", *, code: str = codes.BAD_POLICY
    ) -> None:
        at = locate(self.resource.spec, path, self.resource.location)
        self.findings.error(code, message, at, field=f"spec.{path}" if path else "spec", hint=hint)

    def require(self, holds: object, path: str, wanted: str) -> None:
        if not holds:
            self.error(path, f"out of range; wanted {wanted}")

    def steps(self, texts: tuple[str, ...]) -> Iterator[FailureStep]:
        for index, text in enumerate(texts):
            step = _STEPS.get(text)
            if step is not None:
                yield step
                continue
            message = f"found `{text}`; wanted a step"
            self.error(f"on_failure[{index}]", message, hint_for(text, _STEPS))

    def order(self, steps: tuple[FailureStep, ...]) -> None:
        """The list says all that may happen: it ends where nothing can fail any more."""
        if not steps or self.findings.error_count:
            return
        if len(set(steps)) < len(steps):
            self.error("on_failure", "a step occurs twice", "Remove one of them.")
        elif steps[-1] not in LAST_STEPS or not LAST_STEPS.isdisjoint(steps[:-1]):
            message = "the last step, and no other, must be `open` or `closed`"
            self.error("on_failure", message, "Example: `[stale, closed]`.")
