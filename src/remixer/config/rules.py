"""Rule resources to drafts: references resolved, conditions compiled."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from remixer.attributes.values import ValueType
from remixer.config import codes
from remixer.config.context import Context
from remixer.config.expressions import semantics_for
from remixer.config.handlers import HandlerDraft
from remixer.config.headers import HeaderOperationReader
from remixer.config.instances import ResolvedInstance
from remixer.config.messages import Action, Rule
from remixer.config.outputs import action_output_types
from remixer.config.references import Directory
from remixer.config.resources import Resource
from remixer.config.snapshot import HeaderOperationConfig
from remixer.expr.compile import Expression
from remixer.expr.semantics import Semantics
from remixer.foundation.documents.nodes import MapNode, ScalarNode, locate
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Location
from remixer.wire.proto_json.decode import Place, decode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ActionDraft:
    """An action whose references exist; its handler is not validated yet."""

    handler: HandlerDraft
    instances: tuple[ResolvedInstance, ...]
    action: Action
    """As it is written."""
    path: str
    location: Location


@dataclass(frozen=True, slots=True)
class RuleDraft:
    """A rule of which something is left to do."""

    resource: Resource
    match: Expression | None
    actions: tuple[ActionDraft, ...]
    request_header_operations: tuple[HeaderOperationConfig, ...]
    response_header_operations: tuple[HeaderOperationConfig, ...]

    @property
    def has_header_operations(self) -> bool:
        """Whether the rule does something even without actions."""
        return bool(self.request_header_operations or self.response_header_operations)


@dataclass(frozen=True, slots=True)
class RuleReader:
    """Reads rules against the handlers and instances that there are."""

    context: Context
    handlers: Directory[HandlerDraft]
    instances: Directory[ResolvedInstance]

    def draft(self, resource: Resource) -> RuleDraft | None:
        """The rule; None if its condition is bad, it cannot be decoded, or nothing is left."""
        findings = self.context.findings(resource.name)
        place = Place("spec", findings)
        semantics = semantics_for(resource, self.context.semantics, findings)
        rule = decode(resource.spec, Rule(), place)
        if rule is None or semantics is None:
            return None
        spec = resource.spec or MapNode((), resource.location)
        self._warn_of_sampling(rule, findings)
        is_matchable, match = self._match(spec, semantics, place)
        reader = _ActionReader(self, spec, resource.key.namespace, findings)
        actions = tuple(reader.read(rule.actions))
        headers = HeaderOperationReader(
            self.context.expressions.extended(_output_types(actions)),
            spec=spec,
            semantics=semantics,
            place=place,
        )
        draft = RuleDraft(
            resource,
            match,
            actions,
            headers.read(rule.request_header_operations, "request_header_operations"),
            headers.read(rule.response_header_operations, "response_header_operations"),
        )
        if not is_matchable:
            return None
        if not actions and not draft.has_header_operations:
            report_empty_rule(findings, resource)
            return None
        return draft

    def still_names(self, draft: RuleDraft) -> bool:
        """Whether a rule without problems refers to what it did when `draft` was made."""
        namespace = draft.resource.key.namespace
        return all(
            self.handlers.find(each.action.handler, namespace=namespace) is each.handler
            and all(
                self.instances.find(text, namespace=namespace) is instance
                for text, instance in zip(each.action.instances, each.instances, strict=True)
            )
            for each in draft.actions
        )

    def _warn_of_sampling(self, rule: Rule, findings: Findings) -> None:
        if rule.sampling is not None:
            message = "`sampling` has no effect, as in Mixer"
            at = rule.sampling.location
            findings.warning(codes.UNUSED_FIELD, message, at, field="spec.sampling")

    def _match(
        self, spec: MapNode, semantics: Semantics, place: Place
    ) -> tuple[bool, Expression | None]:
        """Whether the condition is usable, and the condition; None for "always"."""
        node = spec.get("match")
        text = node.text if isinstance(node, ScalarNode) else ""
        if node is None or text.strip() in {"", "true"}:
            return True, None
        match = self.context.expressions.compile(
            node, place.field("match"), wanted=ValueType.BOOL, semantics=semantics
        )
        return match is not None, match


def report_empty_rule(findings: Findings, resource: Resource) -> None:
    """Nothing of the rule is left to do."""
    findings.error(
        codes.RULE_LEFT_EMPTY,
        "the rule is left out: it has no usable action and no header operation",
        resource.location,
        field="spec",
    )


def _output_types(actions: Iterable[ActionDraft]) -> Mapping[str, ValueType]:
    """What header values may mention beside attributes: outputs of the rule's own actions."""
    return action_output_types(
        (draft.action.name, [each.config.template for each in draft.instances]) for draft in actions
    )


@dataclass(frozen=True, slots=True)
class _ActionReader:
    """Reads the actions of one rule."""

    rules: RuleReader
    spec: MapNode
    namespace: str
    findings: Findings

    def read(self, actions: tuple[Action, ...]) -> Iterator[ActionDraft]:
        for index, action in enumerate(actions):
            path = f"actions[{index}]"
            handler = self._resolve(
                self.rules.handlers, action.handler, f"{path}.handler", codes.NO_SUCH_HANDLER
            )
            instances = tuple(self._instances(action, path, handler))
            if handler is not None and instances:
                at = locate(self.spec, path, self.spec.location)
                yield ActionDraft(handler, instances, action, f"spec.{path}", at)

    def _instances(
        self, action: Action, path: str, handler: HandlerDraft | None
    ) -> Iterator[ResolvedInstance]:
        if not action.instances:
            self._error(path, codes.ACTION_WITHOUT_INSTANCES, "the action lists no instances")
        seen: set[str] = set()
        for index, text in enumerate(action.instances):
            here = f"{path}.instances[{index}]"
            instance = self._resolve(self.rules.instances, text, here, codes.NO_SUCH_INSTANCE)
            if instance is None:
                continue
            name = instance.config.name
            if name in seen:
                message = f"`{name}` is listed twice in this action; once counts"
                at = locate(self.spec, here, self.spec.location)
                self.findings.warning(codes.INSTANCE_TWICE, message, at, field=f"spec.{here}")
            elif handler is None or self._is_taken(instance, handler, here):
                yield instance
            seen.add(name)

    def _is_taken(self, instance: ResolvedInstance, handler: HandlerDraft, path: str) -> bool:
        template = instance.config.template.name
        taken = handler.adapter.templates
        if template in taken:
            return True
        message = f"adapter `{handler.adapter.name}` does not take template `{template}`"
        hint = f"It takes {', '.join(f'`{each}`' for each in sorted(taken))}."
        self._error(path, codes.TEMPLATE_NOT_TAKEN, message, hint)
        return False

    def _resolve(self, directory: Directory[T], text: str, path: str, code: str) -> T | None:
        found = directory.find(text, namespace=self.namespace)
        if found is not None:
            return found
        if directory.is_left_out(text, namespace=self.namespace):
            message = f"{directory.kind} `{text}` was left out because of its own problems"
            self._error(path, codes.TARGET_LEFT_OUT, message, f"Repair that {directory.kind}.")
            return None
        hint = directory.hint(
            text,
            namespace=self.namespace,
            default_namespace=self.rules.context.default_namespace,
        )
        message = f"there is no {directory.kind} `{text}`"
        self._error(path, code, message, hint)
        return None

    def _error(self, path: str, code: str, message: str, hint: str = "") -> None:
        at = locate(self.spec, path, self.spec.location)
        self.findings.error(code, message, at, field=f"spec.{path}", hint=hint)
