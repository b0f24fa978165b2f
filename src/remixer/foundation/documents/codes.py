"""Every code that reading any file of an operator's can give a `Problem`.

What resources mean, and how they refer to each other, is in `remixer.config.codes`.
"""

from typing import Final

# Files and YAML.
UNREADABLE: Final = "CONF001"
"""A file or directory cannot be read; its last good content stays in force."""
FILE_TOO_LARGE: Final = "CONF002"
"""A file, or the number of files, is over the limit."""
NOT_UTF8: Final = "CONF003"
"""A file is not UTF-8."""
YAML_SYNTAX: Final = "CONF004"
"""A document is not well-formed YAML; the other documents of the file apply."""
TOO_MANY_DOCUMENTS: Final = "CONF005"
"""A file holds more documents than the limit; the ones after it are left out."""
TOO_DEEP: Final = "CONF006"
"""A document nests deeper than the limit."""
TOO_MANY_NODES: Final = "CONF007"
"""A document, its aliases expanded, has more nodes than the limit."""
DUPLICATE_KEY: Final = "CONF008"
"""A key occurs twice in one mapping; the last one counts (warning)."""
KEY_NOT_TEXT: Final = "CONF009"
"""A mapping's key is null, a list or a mapping."""
KEY_READS_AS_BOOLEAN: Final = "CONF010"
"""A plain key such as `n` or `on` is a boolean in YAML 1.1 and became `false`/`true` (warning)."""

# Decoding.
UNKNOWN_FIELD: Final = "CONF020"
"""A key that the message or template does not have."""
WRONG_TYPE: Final = "CONF021"
"""A value of another type than the field's."""
OUT_OF_RANGE: Final = "CONF022"
"""A number that is malformed or does not fit the field."""
UNKNOWN_ENUM: Final = "CONF023"
"""A name or number that the enum does not have."""
BAD_DURATION: Final = "CONF024"
"""Not a duration in Go's syntax."""
BAD_BASE64: Final = "CONF025"
"""Not standard base64."""
FIELD_TWICE: Final = "CONF026"
"""A field is given in both spellings, `a_b` and `aB`."""
BAD_ANY_TYPE: Final = "CONF027"
"""`@type` is missing or names no supported message."""
