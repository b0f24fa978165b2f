"""Attribute bindings: which attributes come of an attribute-generating handler's output.

Source: Mixer 1.3. In instances of built-in templates the output's fields are `$out.FIELD`, which
stands for `PACKAGE.output.FIELD` with the template's package; both may be written. A bad binding
refuses the instance; with `is_lenient`, as for templates given as resources, it is left out alone.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from remixer.config import codes
from remixer.config.context import Context
from remixer.config.expressions import ExpressionCompiler
from remixer.config.outputs import output_types
from remixer.config.snapshot import AttributeBinding, Bindings, RuleConfig
from remixer.expr.semantics import Semantics
from remixer.foundation.documents.nodes import (
    MapEntry,
    MapNode,
    Node,
    ScalarNode,
    describe,
    is_null,
)
from remixer.foundation.findings import Findings, hint_for
from remixer.foundation.problems import Location, Problem, Severity
from remixer.templates.schema import Template, Variety
from remixer.wire.proto_json.decode import Place

FIELD: Final = "attribute_bindings"
_WRITTEN: Final = "$out."
# The language has no `$`. As long as what it stands for, so that columns in errors are right.
_READ: Final = "_out."
_OUT_OR_TEXT: Final = re.compile(r'"(?:\\.|[^"\\])*"|`[^`]*`|\$out\.')  # noqa: TID251 - our own pattern
"""`$out.` outside of texts in quotes; those match as a whole."""


def built_in_prefixes(template: Template) -> tuple[str, ...]:
    """What stands before the output's fields in bindings of a built-in template."""
    return (_READ, template.package.replace(".", "_") + ".output.")


@dataclass(frozen=True, slots=True)
class BindingReader:
    """Reads the bindings of one instance. `prefixes`: what the output's fields are called by."""

    context: Context
    template: Template
    prefixes: tuple[str, ...]
    semantics: Semantics
    is_lenient: bool = False

    def read(self, node: Node | None, place: Place) -> Bindings:
        """The usable bindings, in order of writing; faults go to the findings of `place`."""
        if node is None or is_null(node):
            return Bindings()
        problems: list[Problem] = []
        own = Place(place.path, Findings(place.findings.resource, problems))
        found = tuple(self._read(node, own))
        for problem in problems:
            place.findings.add(_shown(problem, is_lenient=self.is_lenient))
        output = self.template.output
        fields = () if output is None else output.fields
        return Bindings(
            found,
            {prefix + field.name: field.name for prefix in self.prefixes for field in fields},
        )

    def _read(self, node: Node, place: Place) -> Iterator[AttributeBinding]:
        if self.template.variety is not Variety.ATTRIBUTE_GENERATOR:
            message = f"template `{self.template.name}` gives no attributes"
            place.error(codes.BAD_BINDING, message, node, "Remove the bindings.")
            return
        if not isinstance(node, MapNode):
            message = f"found {describe(node)}; wanted a mapping of attributes to expressions"
            place.error(codes.WRONG_TYPE, message, node)
            return
        compiler = self._compiler()
        for entry in node:
            binding = self._binding(entry, compiler, place.item(entry.key))
            if binding is not None:
                yield binding

    def _compiler(self) -> ExpressionCompiler:
        types = {
            name: type_
            for prefix in self.prefixes
            for name, type_ in output_types(self.template.output, prefix).items()
        }
        return self.context.expressions.extended(types)

    def _binding(
        self, entry: MapEntry, compiler: ExpressionCompiler, place: Place
    ) -> AttributeBinding | None:
        wanted = self.context.expressions.type_of(entry.key)
        if wanted is None:
            message = f"unknown attribute {entry.key}"
            hint = hint_for(entry.key, self.context.expressions.known_names)
            place.error(codes.BAD_BINDING, message, entry, hint)
        node = entry.value
        if isinstance(node, ScalarNode) and isinstance(node.value, str):
            if not node.value.strip():
                place.error(codes.EMPTY_EXPRESSION, "the expression is empty", entry)
                return None
            node = replace(node, value=_OUT_OR_TEXT.sub(_readable, node.value))
        value = compiler.compile(node, place, wanted=wanted, semantics=self.semantics)
        if value is None or wanted is None:
            return None
        return AttributeBinding(entry.key, value, entry.location)


def _readable(found: re.Match[str]) -> str:
    return _READ if found[0] == _WRITTEN else found[0]


def as_written(text: str) -> str:
    """A message about an output's field, with the field as the operator wrote it."""
    return text.replace(_READ, _WRITTEN)


def _shown(problem: Problem, *, is_lenient: bool) -> Problem:
    severity = Severity.WARNING if is_lenient else problem.severity
    return replace(
        problem,
        message=as_written(problem.message),
        hint=as_written(problem.hint),
        severity=severity,
    )


def warn_of_doubles(
    rules: Iterable[RuleConfig], default_namespace: str, problems: list[Problem]
) -> None:
    """Tell of attributes that two instances generate for the same requests.

    `rules` in the order in which they apply inside a namespace; those of the default namespace
    come before all others.
    """
    in_order = sorted(rules, key=lambda each: each.namespace != default_namespace)
    first: dict[tuple[str, str], str] = {}
    told: set[tuple[str, Location]] = set()
    for rule in in_order:
        for name, binding in _bound(rule):
            spaces = (default_namespace, rule.namespace)
            owners = (first.get((space, binding.attribute)) for space in spaces)
            owner = next((each for each in owners if each is not None), None)
            if owner is None:
                first[rule.namespace, binding.attribute] = name
            elif owner != name and (name, binding.location) not in told:
                told.add((name, binding.location))
                Findings(name, problems).warning(
                    codes.BOUND_TWICE,
                    f"{owner} generates `{binding.attribute}` too; where both apply it counts",
                    binding.location,
                    field=f"spec.{FIELD}[{binding.attribute}]",
                    hint="Bind the attribute in one of them.",
                )


def _bound(rule: RuleConfig) -> Iterator[tuple[str, AttributeBinding]]:
    for action in rule.actions:
        for instance in action.instances:
            for binding in instance.bindings.attributes:
                yield instance.name, binding
