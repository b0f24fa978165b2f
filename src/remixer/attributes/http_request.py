"""What an HTTP request tells, whoever tells it: parts of attributes that all frontends agree on.

Pure. Source: Mixer's client, where names and defaults are concerned.
"""

from functools import lru_cache
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qsl

from remixer.attributes.values import PlainStringMap, StringMap

_MOST_PARAMETERS: Final = 1000  # far above any sane request; further ones are not seen
_API_KEY_PARAMETERS: Final = ("key", "api_key")  # defaults of Mixer's client, in order
_API_KEY_HEADER: Final = "x-api-key"
_SPIFFE: Final = "spiffe://"
_GRPC: Final = "application/grpc"


def query_params(path: str) -> PlainStringMap:
    """Decoded query parameters of a path; of a repeated one the last counts."""
    query = path.partition("?")[2]
    parts = query.split("&", _MOST_PARAMETERS)[:_MOST_PARAMETERS]
    if "%" in query or "+" in query:
        return PlainStringMap(parse_qsl("&".join(parts), keep_blank_values=True))
    parameters = PlainStringMap()
    for part in parts:
        if part:
            name, _, value = part.partition("=")
            parameters[name] = value
    return parameters


def api_key(query: PlainStringMap, headers: StringMap) -> str | None:
    """The key of an API call: a query parameter, else a header."""
    for parameter in _API_KEY_PARAMETERS:
        if parameter in query:
            return query[parameter]
    return headers[_API_KEY_HEADER]


def principal(text: str) -> str | None:
    """An identity without its `spiffe://`; None for none."""
    return text.removeprefix(_SPIFFE) or None


def namespace_of(identity: str | None) -> str | None:
    """`shop` for `cluster.local/ns/shop/sa/web`: the text between `/ns/` and the next `/`."""
    if identity is None:
        return None
    _, marker, rest = identity.partition("/ns/")
    return (rest.partition("/")[0] or None) if marker else None


def is_grpc(content_type: str | None) -> bool:
    """Whether a request with this content type is gRPC; gRPC-Web is not."""
    if content_type is None:
        return False
    return content_type == _GRPC or content_type.startswith((_GRPC + "+", _GRPC + ";"))


@lru_cache(maxsize=1_024)  # pure; the same few addresses come with every request
def ip_bytes(text: str) -> bytes | None:
    """4 or 16 bytes; None if `text` is no IP address. An IPv6 zone is left out."""
    try:
        return ip_address(text.partition("%")[0]).packed
    except ValueError:
        return None
