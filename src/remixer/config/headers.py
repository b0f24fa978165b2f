"""Header operations of rules.

A bad operation is left out alone. Mixer 1.3 discarded all header operations of the rule, which
also lost the removal of a header that must not reach a service.
"""

from collections.abc import Iterator

from remixer.attributes.values import ValueType
from remixer.config import codes
from remixer.config.expressions import ExpressionCompiler
from remixer.config.messages import HeaderOperationTemplate
from remixer.config.snapshot import HeaderOperationConfig
from remixer.expr.compile import Expression
from remixer.expr.semantics import Semantics
from remixer.foundation.documents.nodes import MapNode, Node, ScalarNode, find, locate
from remixer.foundation.http_fields import is_field_name, is_framing_name
from remixer.mixer.outcome import HeaderOperationKind
from remixer.wire.proto_json.decode import Place


class HeaderOperationReader:
    """Reads the header operations of one rule."""

    __slots__ = ("_expressions", "_place", "_semantics", "_spec")

    def __init__(
        self, expressions: ExpressionCompiler, *, spec: MapNode, semantics: Semantics, place: Place
    ) -> None:
        """`expressions` knows the outputs of the rule's actions too."""
        self._expressions = expressions
        self._spec = spec
        self._semantics = semantics
        self._place = place

    def read(
        self, operations: tuple[HeaderOperationTemplate, ...], field: str
    ) -> tuple[HeaderOperationConfig, ...]:
        """The usable operations, one per value, in order of writing."""
        return tuple(
            each
            for index, operation in enumerate(operations)
            for each in self._operation(operation, f"{field}[{index}]")
        )

    def _operation(
        self, operation: HeaderOperationTemplate, path: str
    ) -> Iterator[HeaderOperationConfig]:
        place = self._place.field(path)
        at = locate(self._spec, path, self._spec.location)
        findings = place.findings
        if not is_field_name(operation.name):
            message = f"`{operation.name}` is no legal header name"
            findings.error(codes.BAD_HEADER_OPERATION, message, at, field=f"{place.path}.name")
            return
        if operation.operation is HeaderOperationKind.REMOVE:
            yield HeaderOperationConfig(operation.name, HeaderOperationKind.REMOVE)
            return
        if is_framing_name(operation.name):
            message = f"`{operation.name}` is not written by rules: it says where messages end"
            hint = "Leave it to the proxies and servers, or REMOVE it."
            findings.warning(
                codes.BAD_HEADER_OPERATION, message, at, field=f"{place.path}.name", hint=hint
            )
            return
        if not operation.values:
            message = f"{operation.operation.name} without values does nothing"
            findings.warning(codes.BAD_HEADER_OPERATION, message, at, field=place.path)
        values = [self._value(f"{path}.values[{index}]") for index in range(len(operation.values))]
        # All or none: half of a header's values would say something else than the rule does.
        for value in values if None not in values else ():
            yield HeaderOperationConfig(operation.name, operation.operation, value)

    def _value(self, path: str) -> Expression | None:
        node: Node = find(self._spec, path) or self._spec
        place = self._place.field(path)
        if isinstance(node, ScalarNode) and not node.text.strip():
            message = "the expression of a header value is empty"
            place.error(codes.EMPTY_EXPRESSION, message, node, "Remove it.")
            return None
        return self._expressions.compile(
            node, place, wanted=ValueType.STRING, semantics=self._semantics
        )
