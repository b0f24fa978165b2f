"""Signatures of rules: equal in every process exactly if the rule does the same.

Processes that share answers tell by them whether they have the same rules. Covered is all that a
rule's verdict depends on: texts of expressions and how they are read, handlers (by their own
signatures), instances, header operations, policies. Types of attributes are not: they belong to the
whole configuration.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from remixer.config.expressions import SEMANTICS_ANNOTATION
from remixer.config.rules import RuleDraft
from remixer.config.signature import SignedInstance, canonical_bytes
from remixer.config.snapshot import ActionConfig, FailureConfig, HeaderOperationConfig, RuleConfig
from remixer.expr.compile import Expression
from remixer.expr.semantics import Semantics

RULE_SIGNATURE_BYTES: Final = 16


def rule_signature(rule: RuleConfig, draft: RuleDraft, *, semantics: Semantics) -> bytes:
    """Of `rule`, which was made of `draft`; `semantics` holds where nothing else is said."""
    chosen = draft.resource.annotations.get(SEMANTICS_ANNOTATION)
    signed = {
        each.config.name: each.signed for action in draft.actions for each in action.instances
    }
    content = canonical_bytes(
        (
            rule.name,
            semantics.value if chosen is None else chosen.text,
            _expression(rule.match),
            tuple(_action(each, signed) for each in rule.actions),
            _operations(rule.request_header_operations),
            _operations(rule.response_header_operations),
            rule.cache,
        )
    )
    return hashlib.blake2b(content, digest_size=RULE_SIGNATURE_BYTES).digest()


def _expression(expression: Expression | None) -> object:
    return None if expression is None else (expression.text, expression.type)


def _action(action: ActionConfig, signed: dict[str, SignedInstance]) -> object:
    return (
        action.name,
        action.handler.name,
        action.handler.display_name,
        action.handler.signature,
        tuple(
            (
                each.name,
                each.template.name,
                dict(signed[each.name].type.types),
                dict(signed[each.name].texts),
                signed[each.name].semantics,
                tuple(
                    (bound.attribute, _expression(bound.value))
                    for bound in each.bindings.attributes
                ),
            )
            for each in action.instances
        ),
        action.cache,
        _failure(action.failure),
    )


def _failure(failure: FailureConfig | None) -> object:
    if failure is None:
        return None
    fallback = failure.fallback
    return (
        failure.name,
        tuple(step.value for step in failure.steps),
        failure.closed,
        None if fallback is None else (fallback.display_name, fallback.signature),
    )


def _operations(operations: Iterable[HeaderOperationConfig]) -> object:
    return tuple((each.name, int(each.kind), _expression(each.value)) for each in operations)
