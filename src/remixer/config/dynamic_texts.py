"""Which texts in `params` are constants.

Mixer 1.3 took every text with a quote at both ends for a constant, without looking between: of
`"a" + "b"` it made the text `a" + "b`. Here a constant is one literal, and everything else an
expression; with the old semantics the old rule holds. Escapes are not processed in either.
"""

from typing import Final

from remixer.expr.semantics import Semantics

_QUOTES: Final = frozenset("\"'")
_SHORTEST: Final = 2


def constant_text(text: str, semantics: Semantics) -> str | None:
    """The text between the quotes; None if `text` is an expression."""
    if len(text) < _SHORTEST or text[0] not in _QUOTES or text[-1] != text[0]:
        return None
    inner = text[1:-1]
    if semantics is not Semantics.MIXER_1_3 and _ends_early(inner, quote=text[0]):
        return None
    return inner


def _ends_early(inner: str, *, quote: str) -> bool:
    """Whether a quote in the middle, with no backslash before it, ends the literal."""
    is_escaped = False
    for character in inner:
        if is_escaped:
            is_escaped = False
        elif character == "\\":
            is_escaped = True
        elif character == quote:
            return True
    return False
