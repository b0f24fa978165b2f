"""Keys of counters and of remembered answers.

Clients choose what is in them: a header of 60 KB in each of 100,000 keys would be 6 GB. A long
text is therefore kept as its digest, whose type no text can have, so that none can be forged.
"""

import hashlib
from typing import Final, TypeAlias

from remixer.sdk import stringify
from remixer.templates.instances import Quota

LONGEST_KEPT: Final = 256
"""Characters; longer than any name or address."""

KeyPart: TypeAlias = str | bytes


def bounded(text: str) -> KeyPart:
    """`text` itself, or 32 bytes that stand for it."""
    if len(text) <= LONGEST_KEPT:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def counter_key(instance: Quota) -> tuple[KeyPart, ...]:
    """The instance and all its dimensions, sorted; a tuple, so that no value can forge another."""
    dimensions = instance.dimensions
    parts: list[KeyPart] = [instance.name]
    for name in sorted(dimensions):
        value = dimensions[name]
        text = value if type(value) is str else stringify(value)
        parts.append(name)
        parts.append(text if len(text) <= LONGEST_KEPT else bounded(text))
    return tuple(parts)
