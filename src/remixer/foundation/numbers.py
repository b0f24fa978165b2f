"""Numbers that operators write as text, read as Go reads them.

Source: Go `strconv.ParseInt`, `strconv.ParseFloat`.
"""

from typing import Final

_MOST_NUMBER_CHARACTERS: Final = 1_000  # Python refuses longer integers; no double needs them


def parse_integer(text: str) -> int | None:
    """Decimal digits with an optional sign; None for anything else."""
    digits = text[1:] if text[:1] in {"+", "-"} else text
    is_integer = digits.isascii() and digits.isdigit() and len(digits) <= _MOST_NUMBER_CHARACTERS
    return int(text) if is_integer else None


def parse_number(text: str) -> float | None:
    """The double that Go's `ParseFloat` reads; None for blanks, `1_000` and other texts."""
    if len(text) > _MOST_NUMBER_CHARACTERS or "_" in text or not text.isascii():
        return None
    if text != text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        return None
