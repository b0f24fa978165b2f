"""The site in Litestar."""

from typing import Any

from litestar import Litestar, Request, get, post
from litestar.response import Stream
from site_policy import PARTS, SETTINGS, TellingMixer

from remixer.sidecar.asgi import MixerMiddleware


@get("/hello", media_type="text/plain")
async def hello(request: Request[Any, Any, Any]) -> str:
    return f"hello {request.headers['x-policy']}"


@post("/echo", media_type="text/plain", status_code=200)
async def echo(request: Request[Any, Any, Any]) -> str:
    return str(len(await request.body()))


@get("/stream")
async def stream() -> Stream:
    return Stream(iter([b"part"] * PARTS))


@get("/boom")
async def boom() -> str:
    raise RuntimeError


@get("/healthz", media_type="text/plain")
async def healthz() -> str:
    return "well"


app = Litestar([hello, echo, stream, boom, healthz])
app = MixerMiddleware(app, TellingMixer(), **SETTINGS)
