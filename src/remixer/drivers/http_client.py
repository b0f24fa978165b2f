"""The HTTP client that adapters get, as a port. The real one is in `remixer.drivers.http`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

from remixer.foundation.errors import RemixerError


class HttpError(RemixerError):
    """No usable answer: refused, timed out, too large, not HTTP. `str()` says which and where.

    Without secrets: the text is logged, and told to peers.
    """


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def http_url(text: str) -> SplitResult | None:
    """The parts of a URL of http or https with a host; None if `text` is none."""
    try:
        parts = urlsplit(text)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_usable else None


def shown_url(url: str) -> str:
    """`url` for logs and answers: without user, password, query and fragment; they hold secrets."""
    head, mark, tail = url.partition("://")
    scheme, rest = (head, tail) if mark else ("", head)
    place, question, _ = rest.partition("#")[0].partition("?")
    authority, slash, path = place.partition("/")
    host = authority.rpartition("@")[2]
    return f"{scheme}{mark}{host}{slash}{path}{'?…' if question else ''}"


def unreadable_answer(reason: str) -> str:
    """What to say of bytes that are no HTTP. `reason`: a library's, whose later lines quote them."""
    first = reason.partition("\n")[0].rstrip(":")
    return f"the answer is no HTTP ({first})" if first else "the answer is no HTTP"


class HttpClient(Protocol):
    """Fetches whole documents of bounded size."""

    async def get(self, url: str, *, timeout_s: float, limit_bytes: int) -> HttpResponse:
        """GET without following redirects to other schemes. Raises `HttpError`."""
        ...

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        limit_bytes: int,
    ) -> HttpResponse:
        """POST once; a redirect is an answer, never followed. Raises `HttpError`.

        `limit_bytes` bounds the answer's body.
        """
        ...
