"""Single values of `params`: constants and expressions for fields of every type.

Source: the dynamic encoder of Mixer 1.3. Numbers for `Value` are doubles there and here. New:
constants for wrapper messages, maps of texts for `Value`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, cast

from remixer.attributes.values import ValueType
from remixer.config import codes
from remixer.config.dynamic_parts import Part, expression_part
from remixer.config.dynamic_texts import constant_text
from remixer.config.expressions import ExpressionCompiler
from remixer.expr.compile import Expression
from remixer.expr.go_text import go_quoted
from remixer.expr.semantics import Semantics
from remixer.foundation.documents.nodes import ListNode, Node, ScalarNode, describe
from remixer.foundation.findings import hint_for
from remixer.wire.descriptor_schema import EnumSchema, FieldType
from remixer.wire.proto_json.decode import Place
from remixer.wire.typed_payloads import (
    RANGES,
    Payload,
    PayloadError,
    scalar_payload,
    text_payload,
    value_payload,
    wrapper_payload,
)

_TYPES: Final = {
    FieldType.STRING: ValueType.STRING,
    FieldType.BOOL: ValueType.BOOL,
    FieldType.DOUBLE: ValueType.DOUBLE,
    FieldType.FLOAT: ValueType.DOUBLE,
}
"""What an expression must be of for a field; INT64 for all others."""

# What makes a value of a text, in the expression language.
_CONVERSIONS: Final = {
    ValueType.TIMESTAMP: "timestamp({})",
    ValueType.DURATION: "{}",
    ValueType.IP_ADDRESS: "ip({})",
    ValueType.DNS_NAME: "dnsName({})",
    ValueType.EMAIL_ADDRESS: "email({})",
    ValueType.URI: "uri({})",
}


@dataclass(slots=True)
class ValueReader:
    """Compiles the values of one instance, and keeps what handlers may know of them."""

    expressions: ExpressionCompiler
    semantics: Semantics
    used: dict[str, Expression] = field(default_factory=dict)
    """Expressions by field path."""
    types: dict[str, ValueType] = field(default_factory=dict)
    """Types by field path, of constants too."""
    texts: dict[str, str] = field(default_factory=dict)
    """What the operator wrote, by field path."""

    def scalar(self, node: Node, type_: FieldType, path: str, place: Place) -> Part | None:
        """A text, boolean or number; None after a problem."""
        if not _is_leaf(node, place):
            return None
        leaf = cast("ScalarNode", node)
        wanted = _TYPES.get(type_, ValueType.INT64)
        if isinstance(leaf.value, str):
            text = constant_text(leaf.value, self.semantics)
            if type_ is FieldType.STRING and text is not None:
                return self._constant(leaf, path, wanted, text_payload(text))
            return self._expression(leaf, path, place, wanted, scalar_payload(type_))
        constant = _constant_of(leaf, type_)
        if constant is None:
            message = f"found {describe(leaf)}; wanted {_WANTED.get(type_, 'a whole number')}"
            place.error(codes.WRONG_TYPE, message, leaf, _quoting(leaf, type_))
            return None
        return self._safely(
            leaf,
            place,
            lambda: self._constant(leaf, path, wanted, scalar_payload(type_)(constant)),
        )

    def enum(self, node: Node, enum: EnumSchema, path: str, place: Place) -> Part | None:
        """A quoted name, a number, or an expression that gives one of the two."""
        if not _is_leaf(node, place):
            return None
        leaf = cast("ScalarNode", node)
        encode = scalar_payload(FieldType.ENUM)
        if not isinstance(leaf.value, str):
            number = _constant_of(leaf, FieldType.ENUM)
            if number in enum.numbers.values():
                return self._constant(leaf, path, ValueType.INT64, encode(number))
            _report_member(leaf, "", enum, place)
            return None
        name = constant_text(leaf.value, self.semantics)
        if name is None:
            return self._enum_expression(leaf, enum, path, place)
        if name in enum.numbers:
            return self._constant(leaf, path, ValueType.STRING, encode(enum.numbers[name]))
        _report_member(leaf, name, enum, place)
        return None

    def _enum_expression(
        self, leaf: ScalarNode, enum: EnumSchema, path: str, place: Place
    ) -> Part | None:
        encode, numbers = scalar_payload(FieldType.ENUM), enum.numbers

        def payload(value: object) -> bytes:
            if type(value) is not str:
                return encode(value)
            if value not in numbers:
                message = f"the enum `{enum.name}` has no member of this name"
                raise PayloadError(message)
            return encode(numbers[value])

        found = self.expressions.compile(leaf, place, wanted=None, semantics=self.semantics)
        if found is None:
            return None
        if found.type not in {ValueType.STRING, ValueType.INT64}:
            message = f"the expression gives {found.type.name}; wanted a name or number"
            place.error(codes.WRONG_TYPE, message, leaf)
            return None
        return self._compiled(found, leaf, path, place, payload)

    def value(self, node: Node, path: str, place: Place) -> Part | None:
        """`istio.policy.v1beta1.Value`: the member of the value's own type."""
        if not _is_leaf(node, place):
            return None
        leaf = cast("ScalarNode", node)
        match leaf.value:
            case bool():
                type_, constant = ValueType.BOOL, cast("object", leaf.value)
            case int() | float():
                # Source: numbers of a Struct are doubles; `"1"` is the int64.
                type_, constant = ValueType.DOUBLE, float(leaf.value)
            case _:
                text = constant_text(str(leaf.value), self.semantics)
                if text is None:
                    return self._value_expression(leaf, path, place)
                type_, constant = ValueType.STRING, text
        return self._constant(leaf, path, type_, value_payload(type_)(constant))

    def _value_expression(self, leaf: ScalarNode, path: str, place: Place) -> Part | None:
        found = self.expressions.compile(leaf, place, wanted=None, semantics=self.semantics)
        if found is None:
            return None
        return self._compiled(found, leaf, path, place, value_payload(found.type))

    def wrapper(self, node: Node, type_: ValueType, path: str, place: Place) -> Part | None:
        """`TimeStamp`, `IPAddress` and the like: an expression, or the value as a quoted text."""
        if not _is_leaf(node, place):
            return None
        leaf = cast("ScalarNode", node)
        text = constant_text(leaf.value, self.semantics) if isinstance(leaf.value, str) else None
        if text is None:
            return self._expression(leaf, path, place, type_, wrapper_payload(type_))
        written = _CONVERSIONS[type_].format(go_quoted(text))
        found = self.expressions.compile(
            replace(leaf, value=written), place, wanted=type_, semantics=self.semantics
        )
        if found is not None and found.constant is None:
            message = f"found {describe(leaf)}, which is no {type_.name}"
            place.error(codes.BAD_CONSTANT, message, leaf)
            return None
        if found is None:
            return None
        return self._compiled(found, leaf, path, place, wrapper_payload(type_))

    def _expression(
        self, leaf: ScalarNode, path: str, place: Place, wanted: ValueType, payload: Payload
    ) -> Part | None:
        found = self.expressions.compile(leaf, place, wanted=wanted, semantics=self.semantics)
        return None if found is None else self._compiled(found, leaf, path, place, payload)

    def _compiled(
        self, found: Expression, leaf: ScalarNode, path: str, place: Place, payload: Payload
    ) -> Part | None:
        self.used[path] = found
        self.types[path] = found.type
        self.texts[path] = leaf.text
        return self._safely(leaf, place, lambda: expression_part(found, payload))

    def _constant(self, leaf: ScalarNode, path: str, type_: ValueType, payload: bytes) -> Part:
        self.types[path] = type_
        self.texts[path] = f"{type(leaf.value).__name__} {leaf.text}"
        return Part(payload)

    def _safely(self, leaf: ScalarNode, place: Place, make: Callable[[], Part]) -> Part | None:
        try:
            return make()
        except PayloadError as error:
            place.error(codes.BAD_CONSTANT, str(error), leaf)
            return None


_WANTED: Final = {
    FieldType.STRING: "a text",
    FieldType.BOOL: "a boolean, or an expression that gives one",
    FieldType.DOUBLE: "a number, or an expression that gives one",
    FieldType.FLOAT: "a number, or an expression that gives one",
}


def _constant_of(leaf: ScalarNode, type_: FieldType) -> object:
    """A YAML boolean or number as the carrier that the field wants; None if it is another."""
    value = leaf.value
    if type_ is FieldType.BOOL:
        return value if isinstance(value, bool) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if type_ in {FieldType.DOUBLE, FieldType.FLOAT}:
        return float(value)
    is_whole = type_ in RANGES and (isinstance(value, int) or value.is_integer())
    return int(value) if is_whole else None


def _quoting(leaf: ScalarNode, type_: FieldType) -> str:
    return f"Quote it twice: `\"'{leaf.text}'\"`." if type_ is FieldType.STRING else ""


def _report_member(leaf: ScalarNode, name: str, enum: EnumSchema, place: Place) -> None:
    message = f"found {describe(leaf)}; wanted a name or number of `{enum.name}`"
    place.error(codes.UNKNOWN_ENUM, message, leaf, hint_for(name, enum.numbers))


def _is_leaf(node: Node, place: Place) -> bool:
    if isinstance(node, ScalarNode):
        return True
    what = "one value" if isinstance(node, ListNode) else "a value or an expression"
    place.error(codes.WRONG_TYPE, f"found {describe(node)}; wanted {what}", node)
    return False
