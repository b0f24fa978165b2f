"""What one run of `resolve` leaves for the next, so that a change touches what depends on it.

Theory of operation. A run names its *foundation*: all that every resource may depend on (what is
supplied from outside; manifests, templates and adapters among the resources). On the same
foundation, what was made of the same inputs is taken as it is. Inputs are compared by identity:
a store hands out the same `Resource` as long as its file stays the same, and what was recalled is
the same object as before, so a rule that uses it is recalled too.

Only what had no problem is remembered. A problem's hint may depend on any other resource, and
there should be few. A run forgets what the one before it did not use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

from remixer.config.expression_memory import ExpressionMemory, UsedExpressions
from remixer.foundation.problems import Problem

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Remembered:
    inputs: tuple[object, ...]
    result: object
    expressions: UsedExpressions


class ResolveMemory:
    """For one run at a time. `reads`: how often something was made anew, of all runs."""

    __slots__ = ("_before", "_foundation", "_now", "expressions", "reads")

    def __init__(self) -> None:
        self.expressions = ExpressionMemory()
        self.reads = 0
        self._foundation: tuple[object, ...] = ()
        self._before: dict[str, _Remembered] = {}
        self._now: dict[str, _Remembered] = {}

    def begin(self, foundation: tuple[object, ...]) -> None:
        """A new run."""
        self.expressions.begin()
        self._before = self._now if _are_same(foundation, self._foundation) else {}
        self._now = {}
        self._foundation = foundation

    def recall(
        self,
        key: str,
        inputs: tuple[object, ...],
        problems: list[Problem],
        read: Callable[[], T | None],
        *,
        holds: Callable[[T], bool] | None = None,
    ) -> T | None:
        """What was made of these inputs before, if it still `holds`; else what `read` gives.

        `problems`: where `read` puts those that it finds. `key` stands for one type of result.
        """
        before = self._before.get(key)
        if (
            before is not None
            and _are_same(inputs, before.inputs)
            and (holds is None or holds(cast("T", before.result)))
        ):
            self.expressions.keep(before.expressions)
            self._now[key] = before
            return cast("T", before.result)
        mark, problems_before = self.expressions.mark(), len(problems)
        self.reads += 1
        result = read()
        if result is not None and len(problems) == problems_before:
            used = self.expressions.used_since(mark)
            self._now[key] = _Remembered(inputs, result, used)
        return result


def _are_same(left: tuple[object, ...], right: tuple[object, ...]) -> bool:
    return len(left) == len(right) and all(map(_is, left, right))


def _is(left: object, right: object) -> bool:
    return left is right
