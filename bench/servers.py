"""Server processes under load: Remixer itself, and a bare grpcio server with a constant answer.

Run as `python -m bench.servers remixer CONFIG TRANSPORT CACHE [BACK_END]`, where CONFIG is a name of
`bench/configs` or a folder of YAML files; as `… constant`; or as `… constant-authz` for Envoy's
`ext_authz`. Prints the bound address as its first line and serves until its standard input is closed.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from bench.policies import policy_text
from remixer.server.compose import RemixerServer
from remixer.server.setting_forms import Switch
from remixer.server.settings import Settings, Transport

ANSWERS = {
    "constant": bytes.fromhex("12080a001202083c18904e"),
    "constant-authz": bytes.fromhex("0a001a00"),
}
"""A `CheckResponse` of Mixer and one of Envoy: yes."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server in a process of its own."""

    address: str
    pid: int


@contextmanager
def running(*arguments: str) -> Iterator[ServerProcess]:
    """`python -m bench.servers ARGUMENTS` during the block."""
    command = [sys.executable, "-m", "bench.servers", *arguments]
    with subprocess.Popen(  # noqa: S603 - this interpreter, our own arguments
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            address = process.stdout.readline().strip()
            if not address:
                message = f"no server: `{' '.join(arguments)}` ended before it listened"
                raise RuntimeError(message)
            yield ServerProcess(address, process.pid)
        finally:
            process.stdin.close()
            process.wait(timeout=30)


def _written(config: str, back_end: str, made: Path) -> Path:
    """The folder with the rules."""
    if Path(config).is_dir():
        return Path(config)
    (made / "rules.yaml").write_text(policy_text(config, back_end=back_end))
    vocabulary = (files("remixer.config") / "defaults" / "attributes.yaml").read_text()
    (made / "attributes.yaml").write_text(vocabulary)
    return made


@asynccontextmanager
async def remixer(
    config: str, transport: str, cache: str, back_end: str = ""
) -> AsyncIterator[str]:
    """Remixer as `remixer serve` runs it, on a free port."""
    with TemporaryDirectory() as made:
        folder = await asyncio.to_thread(_written, config, back_end, Path(made))
        settings = Settings(
            config_store=f"fs://{folder}",
            address=("127.0.0.1:0",),
            monitoring_address="127.0.0.1:0",
            prometheus_address="127.0.0.1:0",
            transport=Transport(transport),
            cache=Switch(cache),
        )
        async with RemixerServer(settings).serving() as server:
            yield server.addresses.grpc[0]


@asynccontextmanager
async def constant(answer: bytes) -> AsyncIterator[str]:
    """Bare grpcio on the same loop: any method, any bytes, one answer."""
    import grpc  # noqa: PLC0415 - 8 MB that Remixer itself does without

    async def handle(_request: bytes, _context: object) -> bytes:
        return answer

    class AnyMethod(grpc.GenericRpcHandler):  # type: ignore[type-arg]
        def service(self, _details: object) -> "grpc.RpcMethodHandler[bytes, bytes]":
            return grpc.unary_unary_rpc_method_handler(handle)

    server = grpc.aio.server(handlers=(AnyMethod(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(1.0)


async def _serve(arguments: list[str]) -> None:
    name, *rest = arguments
    making = remixer(*rest) if name == "remixer" else constant(ANSWERS[name])
    async with making as address:
        print(address, flush=True)
        waiting: Awaitable[str] = asyncio.to_thread(sys.stdin.read)
        await waiting


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1:]))
