"""Envoy asks a server about each request (ext_authz) and answers by itself when allowed.

Which server is asked, and whether any is, is all that differs between runs: the difference of the
medians is what asking adds.
"""

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import h2load
from bench.h2load import Load, Shape
from remixer.cli.demo.envoy import EnvoyProcess, find_envoy
from remixer.drivers.http import AioHttpClient

_TYPES = "type.googleapis.com/envoy.extensions"
_ANY_PORT = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}


@dataclass(frozen=True, slots=True)
class ThroughEnvoy:
    """One server behind one Envoy: alone, and under load."""

    single: Load
    busy: Load


def run(asked: str | None, *, server_pid: int, calls: int) -> ThroughEnvoy:
    """`asked`: `HOST:PORT` or `unix:PATH` of the server that Envoy asks; None: it asks nobody."""
    return asyncio.run(_run(asked, server_pid, calls))


async def _run(asked: str | None, server_pid: int, calls: int) -> ThroughEnvoy:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        http = AioHttpClient()
        stack.push_async_callback(http.aclose)
        await http.start()
        file = folder / "bootstrap.json"
        file.write_text(json.dumps(_bootstrap(asked)))
        envoy = EnvoyProcess(program=find_envoy(), folder=folder, http=http)
        stack.push_async_callback(envoy.aclose)
        front = str((await envoy.start_with(file)).service)

        async def load(shape: Shape, calls: int) -> Load:
            return await asyncio.to_thread(
                h2load.run, front, "/", b"", server_pid=server_pid, calls=calls, shape=shape
            )

        return ThroughEnvoy(await load(Shape(1, 1), calls // 4), await load(Shape(4, 16), calls))


def _bootstrap(asked: str | None) -> dict[str, object]:
    router = {"@type": f"{_TYPES}.filters.http.router.v3.Router"}
    filters = [{"name": "router", "typed_config": router}]
    clusters = []
    if asked is not None:
        ask = {
            "@type": f"{_TYPES}.filters.http.ext_authz.v3.ExtAuthz",
            "transport_api_version": "V3",
            "grpc_service": {"envoy_grpc": {"cluster_name": "asked"}, "timeout": "5s"},
        }
        filters.insert(0, {"name": "ask", "typed_config": ask})
        clusters.append(_cluster(asked))
    answer = {"status": 200, "body": {"inline_string": "allowed"}}
    route = {"match": {"prefix": "/"}, "direct_response": answer}
    manager = "filters.network.http_connection_manager.v3.HttpConnectionManager"
    http = {
        "@type": f"{_TYPES}.{manager}",
        "stat_prefix": "all",
        "codec_type": "HTTP2",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": filters,
    }
    chain = {"filters": [{"name": "http", "typed_config": http}]}
    listener = {"name": "service", "address": _ANY_PORT, "filter_chains": [chain]}
    return {
        "admin": {"address": _ANY_PORT},
        "static_resources": {"listeners": [listener], "clusters": clusters},
    }


def _cluster(address: str) -> dict[str, object]:
    host, _, port = address.rpartition(":")
    place: dict[str, object] = {"pipe": {"path": port}}
    if host != "unix":
        place = {"socket_address": {"address": host, "port_value": int(port)}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": place}}]}]
    options = "upstreams.http.v3.HttpProtocolOptions"
    http2 = {
        "@type": f"{_TYPES}.{options}",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "name": "asked",
        "load_assignment": {"cluster_name": "asked", "endpoints": endpoints},
        "typed_extension_protocol_options": {f"envoy.extensions.{options}": http2},
    }
