"""What each call shows to the back end: nothing, a token of a file, or an OAuth token."""

from typing import Final, Protocol, TypeAlias, assert_never

from remixer.foundation.clock import Clock
from remixer.foundation.status import Code
from remixer.transport.remote_files import FileFault, WatchedFiles, secret_in
from remixer.transport.remote_oauth import OAuthTokens
from remixer.transport.remote_port import (
    BackgroundTasks,
    NoTokenError,
    RemoteSetupError,
    TokenEndpoint,
)
from remixer.transport.remote_spec import (
    Authentication,
    AuthHeader,
    CustomHeader,
    OAuthClient,
    Tls,
    TokenFile,
)

Metadata: TypeAlias = tuple[tuple[str, str], ...]
_NOTHING: Final[Metadata] = ()
_AUTHORIZATION: Final = "authorization"


class CallCredentials(Protocol):
    """Headers of calls, always fresh."""

    def ready(self, *, now_s: float) -> Metadata | None:
        """Without waiting; None: ask `wait`. Raises `RpcFailed`."""
        ...

    async def wait(self, *, timeout_s: float) -> Metadata:
        """Raises `RpcFailed`."""
        ...

    def rejected(self, metadata: Metadata) -> None:
        """The back end answered UNAUTHENTICATED."""
        ...


def call_credentials(
    authentication: Authentication | None,
    *,
    back_end: str,
    http: TokenEndpoint | None,
    clock: Clock,
    tasks: BackgroundTasks,
) -> CallCredentials:
    token = authentication.token if isinstance(authentication, Tls) else None
    match token:
        case None:
            return NoCredentials()
        case TokenFile():
            return FileCredentials(token, clock=clock)
        case OAuthClient():
            if http is None:
                message = "connection.authentication.tls.oauth: nobody here can ask for tokens"
                raise RemoteSetupError(message)
            tokens = OAuthTokens(token, back_end=back_end, http=http, clock=clock, tasks=tasks)
            return OAuthCredentials(tokens)
        case _:
            assert_never(token)


class NoCredentials:
    """For connections without tokens."""

    def ready(self, *, now_s: float) -> Metadata | None:  # noqa: ARG002 - the port's signature
        return _NOTHING

    async def wait(self, *, timeout_s: float) -> Metadata:  # noqa: ARG002 - the port's signature
        return _NOTHING

    def rejected(self, metadata: Metadata) -> None: ...


class FileCredentials:
    """A token from a file, read again when it changes, and waited for when it is not there."""

    def __init__(self, token: TokenFile, *, clock: Clock) -> None:
        self._clock = clock
        name, prefix = _place(token.placement)

        def parse(found: tuple[bytes, ...]) -> Metadata:
            return ((name, prefix + secret_in(token.path, found[0])),)

        self._file = WatchedFiles((token.path,), parse, now_s=clock.monotonic_s())

    def ready(self, *, now_s: float) -> Metadata | None:
        self._file.look(now_s=now_s)
        return self._shown()

    async def wait(self, *, timeout_s: float) -> Metadata:  # noqa: ARG002 - the port's signature
        return self._shown()

    def _shown(self) -> Metadata:
        try:
            return self._file.value
        except FileFault as fault:
            raise NoTokenError(Code.UNAVAILABLE, f"no access token: {fault}") from fault

    def rejected(self, metadata: Metadata) -> None: ...


class OAuthCredentials:
    """An OAuth access token."""

    def __init__(self, tokens: OAuthTokens) -> None:
        self._tokens = tokens

    def ready(self, *, now_s: float) -> Metadata | None:
        value = self._tokens.ready(now_s=now_s)
        return None if value is None else ((_AUTHORIZATION, value),)

    async def wait(self, *, timeout_s: float) -> Metadata:
        return ((_AUTHORIZATION, await self._tokens.header(timeout_s=timeout_s)),)

    def rejected(self, metadata: Metadata) -> None:
        for _, value in metadata:
            self._tokens.rejected(value)


def _place(placement: AuthHeader | CustomHeader) -> tuple[str, str]:
    """Name of the header, and what stands before the token."""
    match placement:
        case CustomHeader(name):
            return name.lower(), ""
        case AuthHeader.PLAIN:
            return _AUTHORIZATION, ""
        case AuthHeader.BEARER:
            return _AUTHORIZATION, "Bearer "
        case _:
            assert_never(placement)
