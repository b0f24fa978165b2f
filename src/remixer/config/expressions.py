"""Expressions of resources: their errors turned into located problems."""

from collections.abc import Iterable, Mapping
from typing import Final

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.config import codes
from remixer.config.expression_memory import ExpressionKey, ExpressionMemory
from remixer.config.resources import Resource
from remixer.expr.compile import Expression
from remixer.expr.errors import ExpressionError
from remixer.expr.semantics import Semantics
from remixer.foundation.documents.nodes import Node, ScalarNode, describe
from remixer.foundation.findings import Findings, hint_for
from remixer.wire.proto_json.decode import Place

LANGUAGE_ANNOTATION: Final = "policy.istio.io/lang"
SEMANTICS_ANNOTATION: Final = "remixer.dev/expression-semantics"
_OTHER_LANGUAGES: Final = frozenset({"CEL", "COMPAT"})


class ExpressionCompiler:
    """Compiles against one vocabulary; what `memory` holds is not compiled again."""

    __slots__ = ("_extended", "_memory", "_names", "_vocabulary")

    def __init__(
        self,
        vocabulary: Vocabulary,
        memory: ExpressionMemory | None = None,
        *,
        names: frozenset[tuple[str, ValueType]] = frozenset(),
    ) -> None:
        """`names` are known beside the vocabulary's."""
        self._memory = memory or ExpressionMemory()
        self._names = names
        self._vocabulary = Vocabulary({**vocabulary.types, **dict(names)}) if names else vocabulary
        self._extended: dict[frozenset[tuple[str, ValueType]], ExpressionCompiler] = {}

    def type_of(self, attribute: str) -> ValueType | None:
        """The declared type; None if there is no such attribute."""
        return self._vocabulary.type_of(attribute)

    @property
    def known_names(self) -> Iterable[str]:
        """Names of all attributes that an expression may mention."""
        return self._vocabulary.types

    def extended(self, names: Mapping[str, ValueType]) -> "ExpressionCompiler":
        """One that also knows `names`, which count where the vocabulary has them too."""
        key = frozenset(names.items())
        if not key:
            return self
        found = self._extended.get(key)
        if found is None:
            found = ExpressionCompiler(self._vocabulary, self._memory, names=self._names | key)
            self._extended[key] = found
        return found

    def compile(
        self, node: Node, place: Place, *, wanted: ValueType | None, semantics: Semantics
    ) -> Expression | None:
        """The expression in a text node; None after problems. `wanted` None takes any type."""
        if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
            place.error(
                codes.EXPRESSION_NOT_TEXT,
                f"found {describe(node)}; wanted an expression as a quoted text",
                node,
                _quoting_hint(node),
            )
            return None
        key = ExpressionKey(node.value, wanted, semantics, self._names)
        result = self._memory.compiled(key, self._vocabulary)
        if isinstance(result, Expression):
            return result
        for error in result:
            _report(error, node, place)
        return None


def _report(error: ExpressionError, node: ScalarNode, place: Place) -> None:
    at = node.place_in_text(error.column) if error.line == 1 else node.location
    place.findings.error(str(error.code), error.message, at, field=place.path, hint=error.hint)


def _quoting_hint(node: Node) -> str:
    if isinstance(node, ScalarNode) and node.value is not None:
        return f'Quote it: `"{node.text}"`.'
    return ""


def semantics_for(resource: Resource, default: Semantics, findings: Findings) -> Semantics | None:
    """How the resource's annotations want its expressions read; None after a problem."""
    language = resource.annotations.get(LANGUAGE_ANNOTATION)
    if language is not None and language.text.strip() in _OTHER_LANGUAGES:
        findings.error(
            codes.LANGUAGE_NOT_SUPPORTED,
            f"the expression language `{language.text}` is not supported in this version",
            language.location,
            field=f"metadata.annotations[{LANGUAGE_ANNOTATION}]",
            hint="Remove the annotation and write CEXL, Mixer's default language.",
        )
        return None
    chosen = resource.annotations.get(SEMANTICS_ANNOTATION)
    if chosen is None:
        return default
    try:
        return Semantics(chosen.text)
    except ValueError:
        findings.error(
            codes.UNKNOWN_SEMANTICS,
            f"unknown expression semantics `{chosen.text}`",
            chosen.location,
            field=f"metadata.annotations[{SEMANTICS_ANNOTATION}]",
            hint=hint_for(chosen.text, [each.value for each in Semantics]),
        )
        return None
