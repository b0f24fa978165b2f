"""How the rest of the process calls an out-of-process back end. Knows no gRPC library."""

from collections.abc import Coroutine, Mapping
from typing import Protocol

from remixer.foundation.errors import RemixerError
from remixer.foundation.status import Code


class RpcFailed(RemixerError):  # noqa: N818 - reads as the outcome it is
    """The call ended without a response. `code` is never OK."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


class NoTokenError(RpcFailed):
    """The call was not made: there is no access token to show. Tells nothing of the back end."""


class RemoteSetupError(RemixerError):
    """The connection cannot be made as configured; `str()` says what and where, no secrets."""


class RemoteChannel(Protocol):
    """Calls one back end, wherever its servers are just now."""

    async def unary(
        self, path: str, request: bytes, *, timeout_s: float, is_safe_to_retry: bool
    ) -> bytes:
        """One request, one response; raises `RpcFailed`. `path`: `/package.Service/Method`.

        `timeout_s`: what is left of the caller's deadline; the connection's own timeout may be
        shorter. `is_safe_to_retry`: the server may see the request twice.
        """
        ...

    async def aclose(self) -> None:
        """Take no more calls; those under way may finish, within a bound. Twice is safe."""
        ...


class BackgroundTasks(Protocol):
    """Runs a channel's background work; `TaskSpawner` of the SDK is one."""

    def spawn(self, work: Coroutine[object, None, None], *, name: str) -> None: ...


class TokenAnswer(Protocol):
    """What a token endpoint said."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def body(self) -> bytes: ...


class TokenEndpoint(Protocol):
    """Posts forms; `HttpClient` of the drivers is one."""

    async def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str],
        timeout_s: float,
        limit_bytes: int,
    ) -> TokenAnswer:
        """The answer, whatever its status. Raises `RemixerError`, without secrets."""
        ...
