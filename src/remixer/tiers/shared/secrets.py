"""The secrets of the shared cache, from a file that may change while they are in use.

One secret a line; lines that are empty or begin with `#` are none. The first one signs, all are
believed. To change a secret: add the new one below on every instance, then move it to the top,
then remove the old one.
"""

import asyncio
from pathlib import Path
from typing import Final, NoReturn

from remixer.foundation.errors import StartupError
from remixer.foundation.log import event_log

LEAST_SECRET_BYTES: Final = 16
_MOST_SECRETS: Final = 4
_MOST_FILE_BYTES: Final = 4_096

_log: Final = event_log(__name__)


class SecretsError(StartupError):
    """The file cannot be used; `str()` says why, without its content."""


class SecretsFile:
    """Reads it at start and when it has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content = b""

    async def read(self) -> tuple[bytes, ...]:
        """The secrets. Raises `SecretsError`."""
        content = await asyncio.to_thread(self._read)
        secrets = self._secrets(content)
        self._content = content
        return secrets

    async def changed(self) -> tuple[bytes, ...] | None:
        """The secrets if they are new; None if not, or if the file is of no use now."""
        before = self._content
        try:
            secrets = await self.read()
        except SecretsError as error:
            _log.warning("shared_cache_secrets_not_read", reason=str(error))
            return None
        return None if self._content == before else secrets

    def _read(self) -> bytes:
        try:
            with self._path.open("rb") as file:
                return file.read(_MOST_FILE_BYTES + 1)
        except OSError as error:
            self._refuse(error.strerror or type(error).__name__)

    def _secrets(self, content: bytes) -> tuple[bytes, ...]:
        if len(content) > _MOST_FILE_BYTES:
            self._refuse(f"it has more than {_MOST_FILE_BYTES} bytes")
        lines = (line.strip() for line in content.splitlines())
        secrets = tuple(line for line in lines if line and not line.startswith(b"#"))
        if not secrets:
            self._refuse("it has no secret; write one, say of `openssl rand -hex 32`")
        if len(secrets) > _MOST_SECRETS:
            self._refuse(f"it has {len(secrets)} secrets; {_MOST_SECRETS} are the most")
        if any(len(each) < LEAST_SECRET_BYTES for each in secrets):
            self._refuse(f"a secret has less than {LEAST_SECRET_BYTES} characters")
        return secrets

    def _refuse(self, reason: str) -> NoReturn:
        message = f"shared cache's secrets, file {self._path}: {reason}"
        raise SecretsError(message)
