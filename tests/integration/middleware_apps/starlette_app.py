"""The site in Starlette."""

from collections.abc import AsyncIterator

from site_policy import PARTS, SETTINGS, TellingMixer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from remixer.sidecar.asgi import MixerMiddleware


async def hello(request: Request) -> Response:
    return PlainTextResponse(f"hello {request.headers['x-policy']}")


async def echo(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


async def parts() -> AsyncIterator[bytes]:
    for _ in range(PARTS):
        yield b"part"


async def stream(_: Request) -> Response:
    return StreamingResponse(parts())


async def boom(_: Request) -> Response:
    raise RuntimeError


async def healthz(_: Request) -> Response:
    return PlainTextResponse("well")


routes = [
    Route("/hello", hello),
    Route("/echo", echo, methods=["POST"]),
    Route("/stream", stream),
    Route("/boom", boom),
    Route("/healthz", healthz),
]
app = MixerMiddleware(Starlette(routes=routes), TellingMixer(), **SETTINGS)
