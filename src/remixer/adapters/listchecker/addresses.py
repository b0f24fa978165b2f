"""Addresses and networks as lists and requests write them.

A bare address is a network of itself alone; the original makes every bare IPv6 address a /32.
"""

import socket
from typing import Final

_BITS: Final = 128
_V4_PREFIX: Final = 0xFFFF << 32
_V4_WIDTH: Final = 32
_V4_BYTES: Final = 4


class AddressFormatError(ValueError):
    """Neither an address nor a network."""


def parse_address(text: str) -> bytes | None:
    """The address, 4 or 16 bytes; None if `text` is none."""
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    try:
        return socket.inet_pton(family, text)
    except (OSError, ValueError):
        return None


def parse_network(text: str) -> tuple[int, int]:
    """First address and prefix length, both of 128 bits; bits beyond the prefix are cleared.

    IPv4 is in its mapped place, `::ffff:0:0/96`. Raises `AddressFormatError`.
    """
    address, slash, length = text.partition("/")
    packed = parse_address(address)
    widest = _BITS if ":" in address else _V4_WIDTH
    is_length = not slash or (length.isascii() and length.isdigit() and int(length[:4]) <= widest)
    if packed is None or not is_length:
        message = "is neither an IP address nor a network such as 10.1.0.0/16"
        raise AddressFormatError(message)
    number = int.from_bytes(packed)
    if len(packed) == _V4_BYTES:
        number |= _V4_PREFIX
    shift = widest - int(length) if slash else 0
    return number >> shift << shift, _BITS - shift
