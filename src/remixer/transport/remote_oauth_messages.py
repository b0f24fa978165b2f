"""Token requests and answers of OAuth 2 client credentials. Pure.

Source: RFC 6749, sections 2.3.1, 4.4 and 5; what Go's oauth2 also takes (form-encoded answers,
`expires_in` as text, both ways to show the client's secret).
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from urllib.parse import parse_qs, quote_plus, urlencode

from remixer.transport.remote_spec import OAuthClient

_FORM: Final = "application/x-www-form-urlencoded"
_LONGEST_TOKEN: Final = 6_000
_ERROR_LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz_")
_LONGEST_ERROR: Final = 60
_OK: Final = 200
_CLIENT_FAULTS: Final = frozenset({400, 401})
_CANONICAL: Final = {"": "Bearer", "bearer": "Bearer", "basic": "Basic", "mac": "MAC"}


class SecretStyle(Enum):
    """Where a token endpoint wants the client's name and secret."""

    HEADER = "header"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Granted:
    """A token."""

    header: str = field(repr=False)
    """Value of the header `authorization`."""
    lifetime_s: float | None
    """None: the server did not say."""


class TokenRefused(Exception):  # noqa: N818 - reads as the outcome it is
    """No token; `str()` says why, without anything secret."""

    def __init__(self, reason: str, *, may_be_style: bool) -> None:
        super().__init__(reason)
        self.may_be_style = may_be_style
        """Whether the other way to show the secret is worth a try."""


def token_request(
    oauth: OAuthClient, secret: str, style: SecretStyle
) -> tuple[bytes, Mapping[str, str]]:
    """Body and headers of the POST."""
    fields = [("grant_type", "client_credentials")]
    if oauth.scopes:
        fields.append(("scope", " ".join(oauth.scopes)))
    fields += oauth.endpoint_params
    headers = {"content-type": _FORM, "accept": "application/json"}
    if style is SecretStyle.HEADER:
        pair = f"{quote_plus(oauth.client_id)}:{quote_plus(secret)}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    else:
        fields += [("client_id", oauth.client_id), ("client_secret", secret)]
    return urlencode(fields).encode(), headers


def read_token(status: int, headers: Mapping[str, str], body: bytes) -> Granted:
    """The token of an answer; raises `TokenRefused`."""
    content_type = next(
        (value for name, value in headers.items() if name.lower() == "content-type"), ""
    )
    answer = _fields(content_type.partition(";")[0].strip().lower(), body)
    if status != _OK:
        reason = f"the token endpoint answered {status}{_error_of(answer)}"
        raise TokenRefused(reason, may_be_style=status in _CLIENT_FAULTS)
    token = answer.get("access_token")
    if not isinstance(token, str) or not _is_one_word(token):
        reason = f"the token endpoint's answer has no usable access_token{_error_of(answer)}"
        raise TokenRefused(reason, may_be_style=False)
    kind = answer.get("token_type")
    kind = kind if isinstance(kind, str) and (not kind or _is_one_word(kind)) else ""
    return Granted(f"{_CANONICAL.get(kind.lower(), kind)} {token}", _lifetime(answer))


def _fields(content_type: str, body: bytes) -> Mapping[str, object]:
    if content_type in {_FORM, "text/plain"} and not body.lstrip().startswith(b"{"):
        return {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _error_of(answer: Mapping[str, object]) -> str:
    """The code alone: a description may repeat what was sent."""
    error = answer.get("error")
    if isinstance(error, str) and len(error) <= _LONGEST_ERROR and _ERROR_LETTERS.issuperset(error):
        return f" ({error})"
    return ""


def _is_one_word(text: str) -> bool:
    return 0 < len(text) <= _LONGEST_TOKEN and all("!" <= each <= "~" for each in text)


def _lifetime(answer: Mapping[str, object]) -> float | None:
    found = answer.get("expires_in")
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        return None
    try:
        seconds = float(found)
    except (ValueError, OverflowError):
        return None
    return seconds if 0 < seconds < float("inf") else None
