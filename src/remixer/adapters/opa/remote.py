"""A policy of an OPA server, asked by its data API.

Source: OPA's REST API, "Get a Document (with Input)": `POST /v1/data/PATH` with `{"input": …}`
answers `{"result": …}`, and without `result` if the document is undefined.
"""

import asyncio
import json
from pathlib import Path
from typing import Final

from remixer.adapters.opa.results import Evaluation
from remixer.drivers.http_client import HttpClient, HttpError, shown_url
from remixer.drivers.rego.results import Decided, Failed, PolicyFaultError, Undecided
from remixer.foundation.log import event_log

TOKEN_POLL_S: Final = 10.0
"""How often the token file is read again; Kubernetes renews its tokens every hour."""
ANSWER_LIMIT_BYTES: Final = 1 << 20
_TOKEN_LIMIT_BYTES: Final = 64 * 1024
_HTTP_OK: Final = 200

_log: Final = event_log(__name__)


class BearerToken:
    """The content of a file, kept when the file cannot be read for a while."""

    def __init__(self, path: Path, *, handler: str) -> None:
        self._path = path
        self._handler = handler
        self.value = ""

    async def load(self) -> None:
        """Raises `PolicyFaultError`; the last value stays."""
        try:
            found = await asyncio.to_thread(_first_bytes, self._path)
            value = found.decode("ascii").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "not a token"
            message = f"bearer_token_file {self._path}: {reason}"
            raise PolicyFaultError(message) from error
        if not value or not value.isprintable() or len(found) > _TOKEN_LIMIT_BYTES:
            message = f"bearer_token_file {self._path}: not a token"
            raise PolicyFaultError(message)
        self.value = value

    async def keep_fresh(self) -> None:
        """Read it again and again."""
        while True:
            await asyncio.sleep(TOKEN_POLL_S)
            try:
                await self.load()
            except PolicyFaultError as fault:
                _log.warning("opa_token_kept", handler=self._handler, reason=str(fault))


class RemotePolicy:
    """A `Policy` behind HTTP. A redirect is not followed: the input may be confidential."""

    def __init__(
        self,
        server_url: str,
        rule: str,
        *,
        http: HttpClient,
        timeout_s: float,
        token: BearerToken | None = None,
    ) -> None:
        path = rule.removeprefix("data.").replace(".", "/")
        self._url = f"{server_url.rstrip('/')}/v1/data/{path}"
        self._http = http
        self._timeout_s = timeout_s
        self._token = token

    async def evaluate(self, document: bytes) -> Evaluation:
        headers = {"Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.value}"
        try:
            response = await self._http.post(
                self._url,
                b'{"input":' + document + b"}",
                headers=headers,
                timeout_s=self._timeout_s,
                limit_bytes=ANSWER_LIMIT_BYTES,
            )
        except HttpError as error:
            return Failed(str(error))
        if response.status != _HTTP_OK:
            return self._failed(f"HTTP status {response.status}, wanted {_HTTP_OK}")
        return self._read(response.body)

    async def aclose(self) -> None:
        """Connections are the process's."""

    def _read(self, body: bytes) -> Evaluation:
        try:
            answer = json.loads(body)
        except (ValueError, RecursionError):
            return self._failed("the answer is not JSON")
        if not isinstance(answer, dict):
            return self._failed("the answer is not an object")
        result = answer.get("result")
        return Decided(result) if isinstance(result, bool) else Undecided()

    def _failed(self, reason: str) -> Failed:
        return Failed(f"POST {shown_url(self._url)}: {reason}")


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_TOKEN_LIMIT_BYTES + 1)
