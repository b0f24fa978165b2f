"""Parameters of `rbac` and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from remixer.attributes.values import Duration
from remixer.drivers.http_client import shown_url
from remixer.sdk import HandlerContext, ParamProblem

_MINUTE_NS: Final = 60_000_000_000
_FILES: Final = "fs://"
_HELP: Final = "Supported is fs://DIR: a directory of YAML files, watched."


@dataclass(frozen=True, slots=True)
class Params:
    """Where roles are read, and how long answers hold."""

    config_store_url: str = "k8s://"
    cache_duration: Duration = Duration(_MINUTE_NS)  # noqa: RUF009 - an int subclass, immutable


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    if store_folder(params) is None:
        found = shown_url(params.config_store_url)
        yield ParamProblem("config_store_url", f"`{found}` is no store that works here", _HELP)
    if params.cache_duration < 0:
        yield ParamProblem("cache_duration", "is negative")


def store_folder(params: Params) -> Path | None:
    """The directory of an `fs://` store; None for any other."""
    path = params.config_store_url.removeprefix(_FILES)
    if not path or path == params.config_store_url or "\0" in path:
        return None
    return Path(path)
