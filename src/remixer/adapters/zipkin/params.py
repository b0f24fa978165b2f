"""Parameters of `zipkin` and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass

from remixer.drivers.http_client import http_url
from remixer.sdk import HandlerContext, ParamProblem


@dataclass(frozen=True, slots=True)
class Params:
    """Where spans go, and which share of all traces."""

    url: str = ""
    sample_probability: float = 0.0


def validate(params: Params, context: HandlerContext) -> Iterator[ParamProblem]:
    """A URL that cannot be posted to; none, where spans are to be sent; a share that is none."""
    if not 0 <= params.sample_probability <= 1:
        yield ParamProblem(
            "sample_probability", f"{params.sample_probability:g} is not between 0 and 1"
        )
    if params.url:
        yield from _url_problems(params.url)
    elif context.instances and params.sample_probability > 0:
        yield ParamProblem(
            "url", "is missing", "Write Zipkin's: http://zipkin.istio-system:9411/api/v2/spans"
        )


def _url_problems(url: str) -> Iterator[ParamProblem]:
    if http_url(url) is None:
        yield ParamProblem("url", "is not a URL of http or https with a host")
