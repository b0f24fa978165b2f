"""What proxies say of those before them: X-Forwarded-For, Forwarded and X-Forwarded-Client-Cert.

Pure. Any client can send these headers, so whoever calls this has made sure that a proxy wrote
the line; and only what trusted proxies added, counted from the end, says anything. Text that is
not what it should be is read as far as it makes sense and never raises.
Sources: RFC 7239; Envoy's documentation of x-forwarded-client-cert.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from remixer.attributes.http_request import ip_bytes

LONGEST_HEADER: Final = 16_384
"""Characters; of a longer one nothing counts. Twice what servers take as one line."""
_MOST_HOPS: Final = 32  # proxies in a row that are believed; a real chain has five at most
_HIGHEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """One end of a connection."""

    ip: bytes
    """4 or 16 bytes; an IPv4 address inside of IPv6 as that IPv4 address."""
    port: int | None = None


def address_of(text: str) -> Address | None:
    """`192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`; None for all else."""
    host, port = text.strip(), ""
    if host.startswith("["):
        host, bracket, rest = host[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return None
        port = rest[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    ip = ip_bytes(host)
    if ip is None:
        return None
    return Address(_unmapped(ip), _port(port))


def _unmapped(ip: bytes) -> bytes:
    is_mapped = len(ip) == 16 and ip.startswith(_MAPPED)  # noqa: PLR2004 - bytes of IPv6
    return ip[len(_MAPPED) :] if is_mapped else ip


_MAPPED: Final = bytes(10) + b"\xff\xff"


def _port(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_HIGHEST_PORT))):
        return None
    number = int(text)
    return number if 0 < number <= _HIGHEST_PORT else None


def client_address(
    forwarded_for: Sequence[str], is_trusted: Callable[[Address], bool]
) -> Address | None:
    """The nearest address that is no trusted proxy's; None if nothing can be told.

    `forwarded_for` in the order of the header, nearest last. If all are trusted, the farthest.
    An entry that cannot be read ends the search: the one before it is all that is known.
    """
    found: Address | None = None
    for entry in forwarded_for[: -_MOST_HOPS - 1 : -1]:
        address = address_of(entry)
        if address is None:
            return found
        found = address
        if not is_trusted(address):
            return found
    return found


def x_forwarded_for(header: str) -> list[str]:
    """Entries of a header X-Forwarded-For, whose lines are joined with commas; nearest last."""
    return _listed(header)


def last_listed(header: str) -> str | None:
    """What the nearest proxy said in a header such as X-Forwarded-Proto; None for nothing."""
    found = _listed(header)
    return (found[-1] or None) if found else None


def _listed(header: str) -> list[str]:
    if not header or len(header) > LONGEST_HEADER:
        return []
    return [entry.strip() for entry in header.split(",")]


def forwarded(header: str) -> list[Mapping[str, str]]:
    """Elements of a header Forwarded, nearest last: parameters by lower-case name."""
    return [dict(reversed(element)) for element in _elements(header)]


def client_certificate_uri(header: str) -> str | None:
    """The URI name in the nearest client's certificate, of a header X-Forwarded-Client-Cert.

    Each proxy that checks certificates adds an element at the end. None if the last has no URI,
    whatever those before it say. Of several URIs the first.
    """
    elements = _elements(header)
    if not elements:
        return None
    return next((value for name, value in elements[-1] if name == "uri" and value), None)


def _elements(header: str) -> list[list[tuple[str, str]]]:
    """`name=value` pairs, separated by `;`, in elements separated by `,`; values may be quoted.

    Nothing of a header whose last quotation has no end: where an element ends would be a guess.
    """
    if not header or len(header) > LONGEST_HEADER:
        return []
    elements: list[list[tuple[str, str]]] = [[]]
    for part, separator in _parts(header):
        name, equals, value = part.partition("=")
        if equals:
            elements[-1].append((name.strip().lower(), _unquoted(value.strip())))
        if separator == ",":
            elements.append([])
        elif separator == _OPEN:
            return []
    return elements


_OPEN: Final = '"'


def _parts(header: str) -> Iterator[tuple[str, str]]:
    """What stands between separators outside of quotation marks, each with what ends it."""
    start, position, is_quoted = 0, 0, False
    while position < len(header):
        character = header[position]
        if is_quoted and character == "\\":
            position += 1
        elif character == '"':
            is_quoted = not is_quoted
        elif character in ",;" and not is_quoted:
            yield header[start:position], character
            start = position + 1
        position += 1
    yield header[start:], _OPEN if is_quoted else ""


def _unquoted(text: str) -> str:
    if len(text) < len('""') or not (text.startswith('"') and text.endswith('"')):
        return text
    plain: list[str] = []
    characters = iter(text[1:-1])
    for character in characters:
        plain.append(next(characters, "") if character == "\\" else character)
    return "".join(plain)
