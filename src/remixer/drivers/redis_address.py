"""Where a Redis or Valkey server is, as operators write it. Pure; it never shows a password.

localhost:6379                                  plain
redis://user:secret@cache.shop:6379/2           `valkey://` means the same
rediss://cache.shop?ca_file=/etc/ca.pem         TLS; `valkeys://` means the same
unix:///run/valkey.sock?db=1                    a socket file
redis://cache.shop?password_file=/etc/password  read at each connection, so it may change
"""

from dataclasses import dataclass, field
from typing import Final, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from remixer.foundation.errors import RemixerError

DEFAULT_PORT: Final = 6379
_TLS_BY_SCHEME: Final = {"redis": False, "valkey": False, "rediss": True, "valkeys": True}
_TLS_FILES: Final = frozenset({"ca_file", "certificate_file", "key_file"})
_OPTIONS: Final = frozenset({"db", "username", "password_file", *_TLS_FILES})
_MOST_DATABASES: Final = 1_000_000  # servers have 16 unless told otherwise


class RedisAddressError(RemixerError):
    """The text names no server. `str()` says why, without repeating secrets."""


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where to connect and as whom."""

    host: str = ""
    port: int = DEFAULT_PORT
    socket_path: str = ""
    """Set: a socket file; `host` and `port` mean nothing then."""
    database: int = 0
    username: str = ""
    password: str = field(default="", repr=False)
    password_file: str = ""
    is_tls: bool = False
    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""

    def __str__(self) -> str:
        """For logs: place and database, never a name or password."""
        database = f"/{self.database}" if self.database else ""
        if self.socket_path:
            return f"unix:{self.socket_path}{database}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'rediss' if self.is_tls else 'redis'}://{host}:{self.port}{database}"


def parse_redis_address(text: str) -> RedisAddress:
    """The address that `text` names. Raises `RedisAddressError`."""
    if any(each.isspace() for each in text):
        _refuse("it contains blanks")
    if "://" not in text and not text.startswith("unix:"):
        if "@" in text or "/" in text or "?" in text:
            _refuse("it has more than host and port, but no scheme such as redis://")
        text = f"redis://{text}"
    try:
        parts = urlsplit(text)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
    except ValueError:
        _refuse("it is not a URL")
    if parts.fragment:
        _refuse("it has a `#`; write it as %23 in a password")
    if unknown := sorted(options.keys() - _OPTIONS):
        _refuse(f"option `{unknown[0]}` is unknown; known are {', '.join(sorted(_OPTIONS))}")
    if parts.scheme == "unix":
        return _unix_address(parts, options)
    return _tcp_address(parts, options)


def _tcp_address(parts: SplitResult, options: dict[str, str]) -> RedisAddress:
    is_tls = _TLS_BY_SCHEME.get(parts.scheme)
    if is_tls is None:
        known = ", ".join((*_TLS_BY_SCHEME, "unix"))
        _refuse(f"scheme `{parts.scheme}` is unknown; known are {known}")
    host = _host(parts)
    if not is_tls and (stray := sorted(options.keys() & _TLS_FILES)):
        _refuse(f"option `{stray[0]}` needs TLS: write rediss://")
    if ("certificate_file" in options) != ("key_file" in options):
        _refuse("`certificate_file` and `key_file` go together")
    return RedisAddress(
        host=host,
        port=_port(parts),
        database=_database(parts.path.strip("/") or options.get("db", "")),
        username=_username(parts, options),
        password=unquote(parts.password or ""),
        password_file=_password_file(parts, options),
        is_tls=is_tls,
        ca_file=options.get("ca_file", ""),
        certificate_file=options.get("certificate_file", ""),
        key_file=options.get("key_file", ""),
    )


def _unix_address(parts: SplitResult, options: dict[str, str]) -> RedisAddress:
    if not parts.path.startswith("/") or parts.hostname:
        _refuse("the path of a socket file must be absolute: unix:///run/redis.sock")
    if stray := sorted(options.keys() & _TLS_FILES):
        _refuse(f"option `{stray[0]}` means nothing on a socket file")
    return RedisAddress(
        socket_path=unquote(parts.path),
        database=_database(options.get("db", "")),
        username=_username(parts, options),
        password=unquote(parts.password or ""),
        password_file=_password_file(parts, options),
    )


def _host(parts: SplitResult) -> str:
    try:
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        _refuse("it names no host")
    return host


def _port(parts: SplitResult) -> int:
    try:
        port = parts.port
    except ValueError:
        _refuse("the port is no number from 1 to 65535")
    if port == 0:
        _refuse("the port is no number from 1 to 65535")
    return DEFAULT_PORT if port is None else port


def _database(text: str) -> int:
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(_MOST_DATABASES)):
        _refuse("the database is no number")
    return int(text)


def _username(parts: SplitResult, options: dict[str, str]) -> str:
    return unquote(parts.username or "") or options.get("username", "")


def _password_file(parts: SplitResult, options: dict[str, str]) -> str:
    path = options.get("password_file", "")
    if path and parts.password:
        _refuse("it has a password and a `password_file`; one must go")
    return path


def _refuse(reason: str) -> NoReturn:
    # Without the cause: its text may repeat a password.
    raise RedisAddressError(reason) from None
