"""The site without a framework; it knows no lifespan."""

from site_policy import PARTS, SETTINGS, TellingMixer

from remixer.sidecar.asgi import MixerMiddleware
from remixer.sidecar.asgi_http import Receive, Send
from remixer.sidecar.asgi_scope import Scope


async def plain(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http" or scope["path"] == "/boom":
        raise RuntimeError
    size = 0
    while True:
        event = await receive()
        size += len(event.get("body", b""))
        if not event.get("more_body"):
            break
    headers = dict(scope["headers"])
    bodies = {
        "/hello": [b"hello " + headers.get(b"x-policy", b"?")],
        "/echo": [str(size).encode()],
        "/stream": [b"part"] * PARTS,
        "/healthz": [b"well"],
    }
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for part in bodies[scope["path"]]:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


app = MixerMiddleware(plain, TellingMixer(), **SETTINGS)
