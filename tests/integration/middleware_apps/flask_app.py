"""The site in Flask."""

from collections.abc import Iterator

from flask import Flask, Response, request
from site_policy import PARTS, SETTINGS, TellingBlockingMixer

from remixer.sidecar.wsgi import MixerMiddleware

app = Flask(__name__)
app.wsgi_app = MixerMiddleware(app.wsgi_app, TellingBlockingMixer(), **SETTINGS)  # type: ignore[method-assign,assignment]  # Flask's own way


@app.get("/hello")
def hello() -> str:
    return f"hello {request.headers['x-policy']}"


@app.post("/echo")
def echo() -> str:
    return str(len(request.get_data()))


@app.get("/stream")
def stream() -> Response:
    def parts() -> Iterator[bytes]:
        yield from [b"part"] * PARTS

    return Response(parts())


@app.get("/boom")
def boom() -> str:
    raise RuntimeError


@app.get("/healthz")
def healthz() -> str:
    return "well"
