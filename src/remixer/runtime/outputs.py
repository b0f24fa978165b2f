"""Values that handlers give as attributes, in the carriers that expressions read."""

from collections.abc import Mapping
from typing import cast

from remixer.attributes.bag import SCALARS
from remixer.attributes.values import PlainStringMap, Value


def carried(value: object) -> Value | None:
    """`value` if it is of a class that carries attributes, a map of texts as a string map.

    None, which is absence, for all else: a handler may be a third party's. Whether a scalar is
    of the declared type is seen where it is read.
    """
    if type(value) in SCALARS:
        return cast("Value", value)
    if isinstance(value, Mapping) and all(
        type(key) is str and type(entry) is str for key, entry in value.items()
    ):
        return PlainStringMap(value)
    return None
