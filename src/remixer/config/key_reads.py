"""Which attributes can be in the keys of remembered verdicts, and where each is read.

A verdict depends on what was read to find it: conditions of rules that check, the instances they
send, the values of their header operations. This tells the same from the text of the expressions,
before any request: all that *can* be read. Expressions are found in the resources' trees, because
only there have they a place.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from remixer.attributes.bag import attribute_text
from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config import kinds
from remixer.config.resources import Resource
from remixer.config.snapshot import RuleConfig
from remixer.expr.errors import ParseError
from remixer.expr.nodes import Attribute, Call, Literal, walk
from remixer.expr.nodes import Node as ExpressionNode
from remixer.expr.parser import parse
from remixer.expr.source import Source, Span
from remixer.foundation.documents.nodes import ListNode, MapNode, Node, ScalarNode, find
from remixer.foundation.problems import Location
from remixer.templates.schema import Variety

DECIDING: Final = frozenset({Variety.CHECK, Variety.CHECK_WITH_OUTPUT, Variety.ATTRIBUTE_GENERATOR})
"""Varieties whose instances are made before a verdict."""

_HEADER_OPERATIONS: Final = ("request_header_operations", "response_header_operations")


@dataclass(frozen=True, slots=True)
class Mention:
    """An attribute that an expression mentions."""

    attribute: str
    key: str | None
    """Of a string map; None: the attribute as a whole."""
    column: int
    """Of the attribute in the text, from 1; 0 if the text has several lines."""

    def __str__(self) -> str:
        return attribute_text(self.attribute, self.key)


@dataclass(frozen=True, slots=True)
class WrittenExpression:
    """An expression where it stands."""

    node: ScalarNode
    field: str
    """`spec.match`, `spec.params.value`."""


@dataclass(frozen=True, slots=True)
class KeyRead:
    """A rule that may read an attribute for its verdict, and the place that does."""

    mention: Mention
    rule: RuleConfig
    resource: str
    """The rule, or one of its instances."""
    field: str
    location: Location


def key_reads(
    rules: Iterable[RuleConfig],
    resources: Mapping[str, Resource],
    vocabulary: Vocabulary,
    *,
    is_worth: Callable[[str], bool] | None = None,
) -> Iterator[KeyRead]:
    """All of them, rule by rule. `resources` by full name.

    `is_worth` says of an expression's text whether to look into it; parsing costs.
    """
    for rule in rules:
        for name, expression in _expressions_of(rule, resources):
            text = expression.node.text
            if is_worth is not None and not is_worth(text):
                continue
            for mention in mentions(text, vocabulary):
                at = expression.node.place_in_text(mention.column)
                yield KeyRead(mention, rule, name, expression.field, at)


def mentions(text: str, vocabulary: Vocabulary) -> Iterator[Mention]:
    """Known attributes in an expression, each once; nothing if it cannot be parsed."""
    try:
        # Only for bindings: as long as what it stands for, and no attribute's name.
        root = parse(text.replace("$out.", "_out."))
    except ParseError:
        return
    source = Source(text)
    seen: set[tuple[str, str | None]] = set()
    for name, key, span in _reads(root):
        if vocabulary.type_of(name) is None or (name, key) in seen:
            continue
        seen.add((name, key))
        line, column = source.line_and_column(span.start)
        yield Mention(name, key, column if line == 1 and "\n" not in text else 0)


def _reads(root: ExpressionNode) -> Iterator[tuple[str, str | None, Span]]:
    as_maps: set[Span] = set()
    for node, _ in walk(root):  # parents first: an index tells of its map before the map comes
        match node:
            case Call("INDEX", (Attribute() as read, Literal(value=str(key)))):
                as_maps.add(read.span)
                yield read.name, key, read.span
            case Attribute() if node.span not in as_maps:
                yield node.name, None, node.span
            case _:
                pass


def decides(rule: RuleConfig) -> bool:
    """Whether a verdict may depend on the rule."""
    return bool(
        rule.request_header_operations
        or rule.response_header_operations
        or any(
            instance.template.variety in DECIDING
            for action in rule.actions
            for instance in action.instances
        )
    )


def is_whole_map(mention: Mention, vocabulary: Vocabulary) -> bool:
    """Whether all entries of a string map are read."""
    return mention.key is None and vocabulary.type_of(mention.attribute) is ValueType.STRING_MAP


def _expressions_of(
    rule: RuleConfig, resources: Mapping[str, Resource]
) -> Iterator[tuple[str, WrittenExpression]]:
    """With the resource that holds each."""
    resource = resources.get(rule.name)
    if resource is None or not decides(rule):
        return
    for each in _of_rule(resource):
        yield rule.name, each
    seen: set[str] = set()
    for action in rule.actions:
        for instance in action.instances:
            written = resources.get(instance.name)
            if instance.template.variety not in DECIDING or instance.name in seen:
                continue
            seen.add(instance.name)
            for each in () if written is None else _of_instance(written):
                yield instance.name, each


def _of_rule(resource: Resource) -> Iterator[WrittenExpression]:
    condition = find(resource.spec, "match")
    if isinstance(condition, ScalarNode):
        yield WrittenExpression(condition, "spec.match")
    for name in _HEADER_OPERATIONS:
        operations = find(resource.spec, name)
        for number, each in enumerate(operations.items if isinstance(operations, ListNode) else ()):
            yield from _leaves(find(each, "values"), f"spec.{name}[{number}].values")


def _of_instance(resource: Resource) -> Iterator[WrittenExpression]:
    if resource.key.kind != kinds.INSTANCE:
        yield from _leaves(resource.spec, "spec")
        return
    for name in ("params", "attribute_bindings"):
        yield from _leaves(find(resource.spec, name), f"spec.{name}")


def _leaves(node: Node | None, path: str) -> Iterator[WrittenExpression]:
    """Texts in a tree; those that are no expressions mention no attribute."""
    match node:
        case MapNode():
            for entry in node:
                yield from _leaves(entry.value, f"{path}.{entry.key}")
        case ListNode():
            for number, item in enumerate(node.items):
                yield from _leaves(item, f"{path}[{number}]")
        case ScalarNode(value=str()):
            yield WrittenExpression(node, path)
        case _:
            return
