"""A Kubernetes API server, on kubernetes-asyncio (extra `kubernetes`): lists and watches as JSON.

The library loads credentials and speaks HTTP; its typed models are not used: they cost more
memory and time than the few fields that anybody here reads. Errors are ours, and have a path and
a reason but no credentials.

A server that answers 401 makes the credentials be loaded again before the next request: tokens
and certificates that were rotated are found.
"""

import asyncio
import importlib
import importlib.util
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import yaml

from remixer.foundation.errors import RemixerError

if TYPE_CHECKING:
    import aiohttp
    from kubernetes_asyncio.client.api_client import ApiClient
    from kubernetes_asyncio.client.configuration import Configuration

JsonObject: TypeAlias = Mapping[str, Any]
Query: TypeAlias = Sequence[tuple[str, str]]

ANSWER_TIMEOUT_S: Final = 30.0
"""For one page of a list; large clusters take seconds."""
_CONNECT_TIMEOUT_S: Final = 5.0
MOST_PAGE_BYTES: Final = 64 * 1024 * 1024
"""250 objects of 256 KB; pods have about 10."""
MOST_EVENT_BYTES: Final = 4 * 1024 * 1024
"""The store behind the API takes objects of 1.5 MB."""
_INLINE_BYTES: Final = 128 * 1024  # parsed within 2 ms; longer pages go to a thread
_MOST_ERROR_BYTES: Final = 16 * 1024
_LONGEST_REASON: Final = 200  # of the server's own text; enough for one log line

# A secret in the cluster must not make this process run commands or read its files.
_REFUSED_USER_KEYS: Final = (
    "exec", "auth-provider", "tokenFile", "client-certificate", "client-key",
)  # fmt: skip
_REFUSED_CLUSTER_KEYS: Final = ("certificate-authority",)


class KubernetesError(RemixerError):
    """No usable answer of the API server. `str()` says to what and why.

    `status` is the HTTP status, 0 if there was none.
    """

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class KubernetesNotInstalledError(RemixerError):
    """The client library is missing."""

    def __init__(self) -> None:
        super().__init__(
            "the Kubernetes client is not installed: pip install 'remixer[kubernetes]'"
        )


def kubernetes_is_installed() -> bool:
    """Whether the extra `kubernetes` is there; imports nothing."""
    return importlib.util.find_spec("kubernetes_asyncio") is not None


@dataclass(frozen=True, slots=True)
class KubernetesPlace:
    """What the environment tells of where this process runs; empty texts: nothing."""

    kubeconfig: str = ""
    """Path of a file, or several with colons between."""
    pod_namespace: str = ""


def kubernetes_place() -> KubernetesPlace:
    """From `KUBECONFIG` and `POD_NAMESPACE`, as every Kubernetes client reads them."""
    variables = os.environ  # noqa: TID251 - Kubernetes's own conventions, not settings of ours
    return KubernetesPlace(variables.get("KUBECONFIG", ""), variables.get("POD_NAMESPACE", ""))


Credentials: TypeAlias = "Callable[[], Awaitable[Configuration]]"
"""Loads where the server is and how to be let in; called again after a 401."""


def in_cluster() -> Credentials:
    """The service account of the pod that this process runs in."""

    async def load() -> "Configuration":
        from kubernetes_asyncio import config  # noqa: PLC0415 - an optional extra

        return await _loaded("in-cluster", config.load_incluster_config)

    return load


def kubeconfig_file(path: str) -> Credentials:
    """A file as kubectl's, or several with colons between."""

    async def load() -> "Configuration":
        from kubernetes_asyncio import config  # noqa: PLC0415 - an optional extra

        if not _has_file(path):
            message = f"kubeconfig {path}: no such file"
            raise KubernetesError(message)

        async def read(client_configuration: "Configuration") -> None:
            await config.load_kube_config(
                path, client_configuration=client_configuration, persist_config=False
            )

        return await _loaded(f"kubeconfig {path}", read)

    return load


def _has_file(path: str) -> bool:
    return any(Path(each).expanduser().is_file() for each in path.split(":") if each)


def kubeconfig_text(text: bytes, *, name: str) -> Credentials:
    """A file's content from elsewhere, trusted less: no commands, no files of this machine."""

    async def load() -> "Configuration":
        from kubernetes_asyncio import config  # noqa: PLC0415 - an optional extra

        async def read(client_configuration: "Configuration") -> None:
            content = yaml.safe_load(text)
            _refuse_reaching_out(content, name)
            await config.load_kube_config_from_dict(
                content, client_configuration=client_configuration
            )

        return await _loaded(f"kubeconfig of {name}", read)

    return load


def _refuse_reaching_out(content: Any, name: str) -> None:  # noqa: ANN401 - parsed YAML
    for plural, singular, refused in (
        ("users", "user", _REFUSED_USER_KEYS),
        ("clusters", "cluster", _REFUSED_CLUSTER_KEYS),
    ):
        for entry in content.get(plural) or ():
            if found := [key for key in refused if key in (entry.get(singular) or {})]:
                message = f"kubeconfig of {name}: `{found[0]}` is not allowed in a secret"
                raise KubernetesError(message)


async def _loaded(
    title: str, fill: "Callable[[Configuration], Awaitable[object] | None]"
) -> "Configuration":
    """A configuration filled by the library, which raises many kinds of errors."""
    from kubernetes_asyncio.client.configuration import (  # noqa: PLC0415 - an optional extra
        Configuration,
    )
    from kubernetes_asyncio.config import ConfigException  # noqa: PLC0415 - an optional extra

    configuration = Configuration()
    try:
        filling = fill(configuration)
        if filling is not None:
            await filling
    except (
        ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError, KeyError,
        AssertionError,
    ) as error:  # fmt: skip
        # Without the text of other errors: it may repeat credentials.
        reason = str(error) if isinstance(error, ConfigException) else type(error).__name__
        message = f"{title}: {reason}"
        raise KubernetesError(message) from None
    return configuration


class KubernetesApi:
    """One API server. `start` before the first request, `aclose` after the last."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._client: ApiClient | None = None
        self._is_stale = False

    async def start(self) -> None:
        """Load the credentials; nothing is sent; twice is safe. Raises `KubernetesError`."""
        if not kubernetes_is_installed():
            raise KubernetesNotInstalledError
        # Loading takes a second: requests go on meanwhile.
        for module in ("kubernetes_asyncio.client.api_client", "kubernetes_asyncio.config"):
            await asyncio.to_thread(importlib.import_module, module)
        if self._client is None:
            await self._renew()

    async def aclose(self) -> None:
        """Close all connections; once or twice."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def get(self, path: str, query: Query = ()) -> JsonObject:
        """A whole answer. Raises `KubernetesError`."""
        timeout = _timeout(ANSWER_TIMEOUT_S)
        async with self._answer(path, query, timeout) as response:
            body = await _body(response, path)
        if len(body) <= _INLINE_BYTES:
            return _parsed(body, path)
        return await asyncio.to_thread(_parsed, body, path)

    async def watch(
        self, path: str, query: Query, *, timeout_s: float
    ) -> AsyncGenerator[JsonObject, None]:
        """Events until the server ends the answer. Raises `KubernetesError`.

        Close the iterator when leaving early: it holds a connection.
        """
        timeout = _timeout(timeout_s)
        async with self._answer(path, query, timeout) as response:
            async for line in _lines(response, path):
                yield _parsed(line, path)

    @asynccontextmanager
    async def _answer(
        self,
        path: str,
        query: Query,
        timeout: "aiohttp.ClientTimeout",  # noqa: ASYNC109 - the library's
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        from aiohttp import ClientError  # noqa: PLC0415 - as late as `kubernetes_asyncio`

        if self._is_stale:
            await self._renew()
        client = self._client
        if client is None:
            message = f"GET {path}: the client is not started"
            raise KubernetesError(message)
        headers = {"Accept": "application/json"}
        queries = list(query)
        try:
            await client.update_params_for_auth(headers, queries, ["BearerToken"])
            response = await client.rest_client.GET(
                f"{client.configuration.host}{path}",
                headers=headers,
                query_params=queries,  # type: ignore[arg-type] # pairs may repeat a name
                _preload_content=False,
                _request_timeout=timeout,
            )
            async with response:
                if response.status != HTTPStatus.OK:
                    raise await self._refused(response, path)
                yield response
        except TimeoutError as error:
            message = f"GET {path}: no answer in time"
            raise KubernetesError(message) from error
        except (ClientError, OSError, ValueError) as error:
            message = f"GET {path}: {str(error) or type(error).__name__}"
            raise KubernetesError(message) from error

    async def _refused(self, response: "aiohttp.ClientResponse", path: str) -> KubernetesError:
        self._is_stale = self._is_stale or response.status == HTTPStatus.UNAUTHORIZED
        body = await response.content.read(_MOST_ERROR_BYTES)
        try:
            reason = str(json.loads(body)["message"])
        except (ValueError, KeyError, TypeError):
            reason = response.reason or ""
        message = f"GET {path}: {response.status} {reason[:_LONGEST_REASON]}".rstrip()
        return KubernetesError(message, status=response.status)

    async def _renew(self) -> None:
        from kubernetes_asyncio.client.api_client import (  # noqa: PLC0415 - an optional extra
            ApiClient,
        )

        configuration = await self._credentials()
        try:
            fresh = ApiClient(configuration)
        except (OSError, ValueError) as error:  # certificates that TLS does not take
            message = f"cannot use the credentials: {type(error).__name__}"
            raise KubernetesError(message) from None
        old, self._client, self._is_stale = self._client, fresh, False
        if old is not None:
            await old.close()


def _timeout(total_s: float) -> "aiohttp.ClientTimeout":
    from aiohttp import ClientTimeout  # noqa: PLC0415 - as late as `kubernetes_asyncio`

    return ClientTimeout(total=total_s, connect=_CONNECT_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S)


async def _body(response: "aiohttp.ClientResponse", path: str) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MOST_PAGE_BYTES:
            message = f"GET {path}: a page of more than {MOST_PAGE_BYTES} bytes"
            raise KubernetesError(message)
    return bytes(body)


async def _lines(response: "aiohttp.ClientResponse", path: str) -> AsyncIterator[bytes]:
    """Whole lines; the rest of a broken-off answer is dropped."""
    rest = bytearray()
    async for chunk in response.content.iter_any():
        rest += chunk
        if b"\n" in chunk:
            *lines, tail = rest.split(b"\n")
            rest = bytearray(tail)
            for line in lines:
                if line.strip():
                    yield bytes(line)
        if len(rest) > MOST_EVENT_BYTES:
            message = f"GET {path}: an event of more than {MOST_EVENT_BYTES} bytes"
            raise KubernetesError(message)


def _parsed(text: bytes, path: str) -> JsonObject:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        message = f"GET {path}: the answer is no JSON object"
        raise KubernetesError(message)
    return value
