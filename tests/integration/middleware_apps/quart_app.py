"""The site in Quart."""

from collections.abc import AsyncIterator
from typing import Any

from quart import Quart, request
from site_policy import PARTS, SETTINGS, TellingMixer

from remixer.sidecar.asgi import MixerMiddleware

app = Quart(__name__)
app.asgi_app = MixerMiddleware(app.asgi_app, TellingMixer(), **SETTINGS)  # type: ignore[method-assign]  # Quart's own way


@app.get("/hello")
async def hello() -> str:
    return f"hello {request.headers['x-policy']}"


@app.post("/echo")
async def echo() -> str:
    return str(len(await request.get_data()))


@app.get("/stream")
async def stream() -> Any:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(PARTS):
            yield b"part"

    return parts()


@app.get("/boom")
async def boom() -> str:
    raise RuntimeError


@app.get("/healthz")
async def healthz() -> str:
    return "well"
