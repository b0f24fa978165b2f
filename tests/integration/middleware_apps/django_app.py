"""The site in Django."""

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from site_policy import PARTS, SETTINGS, TellingBlockingMixer

from remixer.sidecar.wsgi import MixerMiddleware


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"hello {request.headers['x-policy']}")


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.body)))


def stream(_: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse([b"part"] * PARTS)


def boom(_: HttpRequest) -> HttpResponse:
    raise RuntimeError


def healthz(_: HttpRequest) -> HttpResponse:
    return HttpResponse("well")


views = {"hello": hello, "echo": echo, "stream": stream, "boom": boom, "healthz": healthz}
urls = type("urls", (), {"urlpatterns": [path(name, view) for name, view in views.items()]})
settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls, MIDDLEWARE=[])
django.setup()
app = MixerMiddleware(WSGIHandler(), TellingBlockingMixer(), **SETTINGS)
