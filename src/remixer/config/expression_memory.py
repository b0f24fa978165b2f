"""Compiled expressions, remembered within one resolve run and from one run to the next.

What is compiled depends on the text, the wanted type, the semantics, and the types of the
attributes that the text mentions; so an entry outlives every change that touches none of these.
Errors name their neighbours in hints, so they live only as long as the vocabulary stays the same.
"""

from typing import NamedTuple, TypeAlias

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.compile import Expression, ExpressionErrors, compile_expression
from remixer.expr.semantics import Semantics


class ExpressionKey(NamedTuple):
    """What an expression is, apart from the vocabulary."""

    text: str
    wanted: ValueType | None
    semantics: Semantics
    names: frozenset[tuple[str, ValueType]]
    """Known in its place only."""


class _Entry(NamedTuple):
    result: Expression | ExpressionErrors
    vocabulary: Vocabulary
    """Against which it was compiled."""

    def holds_in(self, vocabulary: Vocabulary) -> bool:
        if vocabulary is self.vocabulary or vocabulary.types == self.vocabulary.types:
            return True
        return isinstance(self.result, Expression) and all(
            vocabulary.type_of(name) is self.vocabulary.type_of(name)
            for name in self.result.attributes
        )


UsedExpressions: TypeAlias = tuple[tuple[ExpressionKey, _Entry], ...]
"""What one resource took from the memory."""


class ExpressionMemory:
    """Forgets at `begin` what the run before did not use."""

    __slots__ = ("_before", "_now", "_used", "compilations")

    def __init__(self) -> None:
        self._before: dict[ExpressionKey, _Entry] = {}
        self._now: dict[ExpressionKey, _Entry] = {}
        self._used: list[tuple[ExpressionKey, _Entry]] = []
        self.compilations = 0
        """How many texts were compiled so far."""

    def begin(self) -> None:
        """A new run."""
        self._before, self._now = self._now, {}
        self._used.clear()

    def compiled(self, key: ExpressionKey, vocabulary: Vocabulary) -> Expression | ExpressionErrors:
        """The expression, or what is wrong with it; `vocabulary` with the names of the key."""
        entry = self._now.get(key)
        if entry is None:
            before = self._before.get(key)
            if before is not None and before.holds_in(vocabulary):
                entry = _Entry(before.result, vocabulary)  # lets go of the old vocabulary
            else:
                entry = self._compile(key, vocabulary)
            self._now[key] = entry
        self._used.append((key, entry))
        return entry.result

    def mark(self) -> int:
        """A point in the run, for `used_since`."""
        return len(self._used)

    def used_since(self, mark: int) -> UsedExpressions:
        """What was taken since then."""
        return tuple(self._used[mark:])

    def keep(self, used: UsedExpressions) -> None:
        """Do as if `used` had been asked for again."""
        self._now.update(used)

    def _compile(self, key: ExpressionKey, vocabulary: Vocabulary) -> _Entry:
        self.compilations += 1
        result = compile_expression(
            key.text, vocabulary, wanted=key.wanted, semantics=key.semantics
        )
        return _Entry(result, vocabulary)
