"""Names of counters in Redis, byte for byte as Mixer 1.3 makes them: both may count together.

    requestcount.instance.shop;source=10.0.0.1;user=alice
    requestcount.instance.shop;user=alice-2166136261        with an override's hash

Numbers and booleans are preceded by 32 zero bytes: the original appended their text to a buffer
of 32 bytes instead of an empty one.

Clients choose what is in a key. One longer than `LONGEST_KEY_BYTES` is replaced by its digest.
"""

import hashlib
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from remixer.attributes.values import Value
from remixer.sdk import stringify

LONGEST_KEY_BYTES: Final = 2_048
"""Longer than any that an operator would want to read."""
LONGEST_ID_BYTES: Final = 256
_ZEROS: Final = bytes(32)
_FNV_OFFSET: Final = 2_166_136_261
_FNV_PRIME: Final = 16_777_619
_MANTISSA_BITS: Final = 52
_EXPONENT_MASK: Final = 0x7FF
_EXPONENT_BIAS: Final = 1_023


def counter_key(quota: str, dimensions: Mapping[str, Value]) -> bytes:
    """The quota's name and all dimensions, sorted by name."""
    key = bytearray(_encoded(quota))
    for name in sorted(dimensions):
        key += b";%b=%b" % (_encoded(name), _rendered(dimensions[name]))
    if len(key) <= LONGEST_KEY_BYTES:
        return bytes(key)
    return b"%b;sha256=%b" % (_encoded(quota), hashlib.sha256(key).hexdigest().encode())


def override_hash(dimensions: Mapping[str, str]) -> int:
    """FNV-1a, 32 bits, of the lines `key TAB value NEWLINE`, sorted."""
    lines = (_encoded(f"{key}\t{dimensions[key]}\n") for key in sorted(dimensions))
    return fnv_1a(byte for line in lines for byte in line)


def deduplication_key(identifier: str, key: bytes) -> bytes:
    """Where the answer to one call is remembered."""
    short = _encoded(identifier)
    if len(short) > LONGEST_ID_BYTES:
        short = hashlib.sha256(short).hexdigest().encode()
    return b"%b-%b.meta" % (short, key)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def fnv_1a(octets: Iterable[int]) -> int:
    """The published hash, 32 bits."""
    digest = _FNV_OFFSET
    for octet in octets:
        digest = (digest ^ octet) * _FNV_PRIME & 0xFFFF_FFFF
    return digest


def _rendered(value: Value) -> bytes:
    render = _RENDER_BY_CARRIER.get(type(value))
    return _encoded(stringify(value)) if render is None else render(value)


def binary_exponent_text(value: float) -> str:
    """Mantissa and exponent of two: `6755399441055744p-52` for 1.5.

    Source: Go `strconv.FormatFloat(value, 'b', -1, 64)`.
    """
    bits = int.from_bytes(struct.pack(">d", value), "big")
    sign = "-" if bits >> 63 else ""
    exponent = bits >> _MANTISSA_BITS & _EXPONENT_MASK
    mantissa = bits & (1 << _MANTISSA_BITS) - 1
    if exponent == _EXPONENT_MASK:
        return "NaN" if mantissa else f"{sign or '+'}Inf"
    if exponent:
        mantissa |= 1 << _MANTISSA_BITS
    else:
        exponent = 1
    return f"{sign}{mantissa}p{exponent - _EXPONENT_BIAS - _MANTISSA_BITS:+d}"


# By exact class: Timestamp and Duration are ints and have their text form.
_RENDER_BY_CARRIER: Final[dict[type, Callable[[Any], bytes]]] = {
    str: _encoded,
    bytes: bytes,
    int: lambda value: _ZEROS + format(value, "x").encode(),
    float: lambda value: _ZEROS + binary_exponent_text(value).encode(),
    bool: lambda value: _ZEROS + (b"true" if value else b"false"),
}
