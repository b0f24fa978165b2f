"""How connections to a back end are encrypted, and whom they trust; follows its files.

`Plain` and `Encrypted` are done by gRPC's own stack. `Identified` is not: that stack compares
host names only, and a SPIFFE certificate has none. See `remote_bridge`.
"""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, assert_never

import grpc

from remixer.foundation.clock import Clock
from remixer.transport.remote_files import FileFault, WatchedFiles
from remixer.transport.remote_identity import uri_names
from remixer.transport.remote_spec import Authentication, MutualTls, Tls

SYSTEM_ROOTS: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine; the one that Mixer 1.3 knew
    "/etc/pki/tls/certs/ca-bundle.crt",  # Red Hat
    "/etc/ssl/cert.pem",
)
_URI_MARK: Final = "://"
_ALPN: Final = "h2"


@dataclass(frozen=True, slots=True)
class Plain:
    """No encryption."""


@dataclass(frozen=True, slots=True)
class Encrypted:
    """The server's certificate must carry the connection's host name."""

    credentials: grpc.ChannelCredentials = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identified:
    """The server's certificate must carry one of `identities`, which are URIs."""

    context: ssl.SSLContext = field(repr=False)
    identities: frozenset[str]
    indication: str | None
    """The host name that the handshake tells the server; None: none."""


Security: TypeAlias = Plain | Encrypted | Identified


@dataclass(frozen=True, slots=True)
class _Files:
    """Paths, empty where there is none."""

    certificate: str
    key: str
    authorities: str
    system_roots: str

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(each for each in self._all if each)

    @property
    def _all(self) -> tuple[str, ...]:
        return (self.certificate, self.key, self.authorities, self.system_roots)

    def by_role(self, found: tuple[bytes, ...]) -> tuple[bytes | None, ...]:
        """Contents of certificate, key, authorities and system roots; None where no file is."""
        rest = iter(found)
        return tuple(next(rest) if each else None for each in self._all)


class SecuritySource:
    """The security of one connection, as its files say now."""

    __slots__ = ("_files",)

    def __init__(
        self, authentication: Authentication | None, *, host: str | None, clock: Clock
    ) -> None:
        """`host`: None for Unix sockets, and for several addresses."""
        self._files: WatchedFiles[Security] | None = None
        if authentication is None:
            return
        files = _files_of(authentication)

        def parse(found: tuple[bytes, ...]) -> Security:
            return _security(authentication, files, files.by_role(found), host)

        self._files = WatchedFiles(files.paths, parse, now_s=clock.monotonic_s())

    @property
    def current(self) -> Security:
        """Raises `FileFault` while there is a `fault`."""
        return Plain() if self._files is None else self._files.value

    @property
    def fault(self) -> FileFault | None:
        """Why nothing can be connected to: the files were never usable."""
        return None if self._files is None else self._files.fault

    def look(self, *, now_s: float) -> bool:
        """Whether `current` is another one than before this call."""
        return self._files is not None and self._files.look(now_s=now_s)


def authority_of(authentication: Authentication | None, *, address: str, host: str | None) -> str:
    """The pseudo-header `:authority`, which is also the name that certificates are held against."""
    name = "" if authentication is None else authentication.server_name
    if name and _URI_MARK not in name:
        return name
    return "localhost" if host is None else address


def _files_of(authentication: Authentication) -> _Files:
    roots = next((each for each in SYSTEM_ROOTS if Path(each).is_file()), "")
    match authentication:
        case Tls():
            return _Files("", "", authentication.ca_certificates, roots)
        case MutualTls():
            return _Files(
                authentication.client_certificate,
                authentication.private_key,
                authentication.ca_certificates,
                roots,
            )
        case _:
            assert_never(authentication)


def _security(
    authentication: Authentication,
    files: _Files,
    contents: tuple[bytes | None, ...],
    host: str | None,
) -> Security:
    certificate, key, authorities, system_roots = contents
    context = _context(files, authorities, system_roots)
    name = authentication.server_name
    identities = frozenset((name,)) if _URI_MARK in name else frozenset[str]()
    if not identities and certificate is not None:
        identities = _own_identities(files.certificate, certificate)
    if identities:
        indication = host if _URI_MARK in name or not name else name
        return Identified(context, identities, indication)
    roots = b"\n".join(each for each in (authorities, system_roots) if each)
    return Encrypted(grpc.ssl_channel_credentials(roots or None, key, certificate))


def _own_identities(path: str, certificate: bytes) -> frozenset[str]:
    try:
        return uri_names(certificate)
    except ValueError as error:
        message = f"{path}: {error}"
        raise FileFault(message) from error


def _context(files: _Files, authorities: bytes | None, roots: bytes | None) -> ssl.SSLContext:
    """Also the test that the files are what they should be, whoever does the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols([_ALPN])
    # The identity is compared in place of the host name.
    context.check_hostname = False
    for path, pem in ((files.authorities, authorities), (files.system_roots, roots)):
        if pem is not None:
            _trust(context, path, pem)
    if authorities is None and roots is None:
        context.load_default_certs()
    if files.certificate:
        _show(context, files.certificate, files.key)
    return context


def _trust(context: ssl.SSLContext, path: str, pem: bytes) -> None:
    try:
        context.load_verify_locations(cadata=pem.decode("utf-8", "replace"))
    except (ssl.SSLError, ValueError) as error:
        message = f"{path} holds no certificate authorities in PEM form ({error})"
        raise FileFault(message) from error


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError, OSError) as error:
        message = f"{certificate} and {key} are no certificate with its key ({error})"
        raise FileFault(message) from error


def _no_password() -> str:
    message = "the key is encrypted; only a plain PEM key can be used"
    raise ValueError(message)
