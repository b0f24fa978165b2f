"""Expression text to something that evaluates: the whole pipeline in one call."""

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from remixer.attributes.values import Value, ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.checker import check
from remixer.expr.codegen import Evaluate, generate
from remixer.expr.errors import ErrorCode, ExpressionError, ParseError
from remixer.expr.folding import fold
from remixer.expr.nodes import Attribute, walk
from remixer.expr.parser import parse
from remixer.expr.quirks import with_mixer_quirks
from remixer.expr.semantics import Semantics
from remixer.expr.source import Source
from remixer.expr.typed import Apply, Constant, Logic, Read, Typed


class Opening(NamedTuple):
    """What a condition begins with: nothing follows unless the attribute is this text."""

    attribute: str
    text: str


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression."""

    text: str
    type: ValueType
    evaluate: Evaluate = field(repr=False, compare=False)
    """Value for a bag; raises `EvaluationError`."""
    constant: Value | None
    """The value, if it depends on no attribute."""
    attributes: frozenset[str]
    """Names that the text mentions; an evaluation reads some of them."""
    semantics: Semantics = field(default=Semantics.FIXED, repr=False, compare=False)
    opening: Opening | None = field(default=None, repr=False, compare=False)


ExpressionErrors: TypeAlias = tuple[ExpressionError, ...]


def compile_expression(
    text: str,
    vocabulary: Vocabulary,
    *,
    wanted: ValueType | None = None,
    semantics: Semantics = Semantics.FIXED,
) -> Expression | ExpressionErrors:
    """The expression, or all that is wrong with it (never an empty tuple).

    `wanted`: the type that the expression must have, if the place where it stands has one.
    """
    try:
        node = parse(text)
    except ParseError as fault:
        return (fault.error,)
    source = Source(text)
    checked = check(node, source, vocabulary, semantics)
    if wanted is not None and checked.type is not None and checked.type is not wanted:
        return (_not_wanted(text, checked.type, wanted=wanted), *checked.errors)
    if checked.tree is None:
        return checked.errors
    tree = _meant(checked.tree, semantics)
    return Expression(
        text=text,
        type=tree.type,
        evaluate=generate(tree, source),
        constant=tree.value if isinstance(tree, Constant) else None,
        attributes=frozenset(part.name for part, _ in walk(node) if isinstance(part, Attribute)),
        semantics=semantics,
        opening=_opening(tree),
    )


def typed_tree(expression: Expression, vocabulary: Vocabulary) -> tuple[Typed, Source] | None:
    """The tree from which `expression.evaluate` was made; None if `vocabulary` is not the one.

    Made anew: a tree takes as much memory as the function, and few are ever asked for.
    """
    node = parse(expression.text)
    source = Source(expression.text)
    checked = check(node, source, vocabulary, expression.semantics)
    if checked.tree is None:
        return None
    tree = _meant(checked.tree, expression.semantics)
    return (tree, source) if tree.type is expression.type else None


def _meant(tree: Typed, semantics: Semantics) -> Typed:
    return fold(with_mixer_quirks(tree) if semantics is Semantics.MIXER_1_3 else tree)


def _opening(tree: Typed) -> Opening | None:
    if isinstance(tree, Logic) and tree.is_and:
        return _opening(tree.operands[0])
    if not isinstance(tree, Apply) or tree.operation.symbol != "==" or tree.surplus:
        return None
    match tree.arguments:
        case (Read(name=name), Constant(value=str() as text)) | (
            Constant(value=str() as text),
            Read(name=name),
        ):
            return Opening(name, text) if type(text) is str else None
        case _:
            return None


def _not_wanted(text: str, found: ValueType, *, wanted: ValueType) -> ExpressionError:
    message = f"expression '{text}' evaluated to type {found.name}, expected type {wanted.name}"
    code = ErrorCode.RESULT_TYPE
    return ExpressionError(stage="type", code=code, message=message, line=1, column=1)
