"""The site in FastAPI."""

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from site_policy import PARTS, SETTINGS, TellingMixer

from remixer.sidecar.asgi import MixerMiddleware

app = FastAPI(default_response_class=PlainTextResponse)
app.add_middleware(MixerMiddleware, mixer=TellingMixer(), **SETTINGS)


@app.get("/hello")
async def hello(request: Request) -> str:
    return f"hello {request.headers['x-policy']}"


@app.post("/echo")
async def echo(request: Request) -> str:
    return str(len(await request.body()))


@app.get("/stream")
async def stream() -> Response:
    return StreamingResponse(iter([b"part"] * PARTS))


@app.get("/boom")
async def boom() -> str:
    raise RuntimeError


@app.get("/healthz")
async def healthz() -> str:
    return "well"
