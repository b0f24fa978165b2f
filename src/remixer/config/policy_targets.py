"""Which policy concerns which rule, handler or namespace."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from remixer.config import codes, kinds
from remixer.config.context import Context
from remixer.config.handlers import HandlerDraft
from remixer.config.policies import CacheDraft, FailureDraft
from remixer.config.references import Directory
from remixer.config.resources import Resource
from remixer.foundation.documents.nodes import locate
from remixer.foundation.findings import hint_for

D = TypeVar("D", CacheDraft, FailureDraft)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chosen(Generic[D]):
    """Policies of one kind by what they concern."""

    of_rules: dict[str, D] = field(default_factory=dict)
    of_handlers: dict[str, D] = field(default_factory=dict)
    of_namespaces: dict[str, D] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Policies:
    """All policies in force."""

    cache: Chosen[CacheDraft] = field(default_factory=Chosen)
    failure: Chosen[FailureDraft] = field(default_factory=Chosen)
    are_any: bool = False
    """Whether there are any; without them nothing need be looked up."""


@dataclass(frozen=True, slots=True)
class PolicyTargets:
    """Finds what policies select. Problems of selectors are told here, in every run."""

    context: Context
    rules: Mapping[str, Resource]
    handlers: Directory[HandlerDraft]

    def chosen(self, drafts: Iterable[D]) -> Chosen[D]:
        """`drafts` by name: of two for one target the first counts."""
        found: Chosen[D] = Chosen()
        rules = Directory(kinds.RULE, self.rules)
        for draft in drafts:
            namespace = draft.resource.key.namespace
            for index, text in enumerate(draft.selected.rules):
                path = f"rules[{index}]"
                rule = rules.find(text, namespace=namespace)
                if rule is None:
                    self._report_nothing(draft, path, text, rules)
                else:
                    self._choose(found.of_rules, rule.name, draft, path)
            for index, text in enumerate(draft.selected.handlers):
                path = f"handlers[{index}]"
                handler = self.handlers.find(text, namespace=namespace)
                if handler is not None:
                    self._choose(found.of_handlers, handler.name, draft, path)
                elif not self.handlers.is_left_out(text, namespace=namespace):
                    self._report_nothing(draft, path, text, self.handlers)
            self._choose_namespaces(found.of_namespaces, draft)
        return found

    def _choose_namespaces(self, found: dict[str, D], draft: D) -> None:
        if not draft.namespaces:
            return
        known = {each.key.namespace for each in self.rules.values()}
        for index, name in enumerate(draft.namespaces):
            path = f"namespaces[{index}]"
            if name in known:
                self._choose(found, name, draft, path)
            else:
                message = f"there are no rules in namespace `{name}`"
                self._error(draft, path, codes.NOTHING_SELECTED, message, hint_for(name, known))

    def _choose(self, found: dict[str, D], name: str, draft: D, path: str) -> None:
        earlier = found.setdefault(name, draft)
        if earlier is not draft:
            message = f"{earlier.resource.name} is for `{name}` already, and counts"
            self._error(draft, path, codes.POLICY_TWICE, message, "Name it in one of them.")

    def _report_nothing(self, draft: D, path: str, text: str, names: Directory[T]) -> None:
        hint = names.hint(
            text,
            namespace=draft.resource.key.namespace,
            default_namespace=self.context.default_namespace,
        )
        message = f"there is no {names.kind} `{text}`"
        self._error(draft, path, codes.NOTHING_SELECTED, message, hint)

    def _error(self, draft: D, path: str, code: str, message: str, hint: str) -> None:
        resource = draft.resource
        at = locate(resource.spec, path, resource.location)
        self.context.findings(resource.name).error(
            code, message, at, field=f"spec.{path}", hint=hint
        )
