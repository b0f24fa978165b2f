"""The back end of the experiment: an adapter in a process of its own, and what it decides."""

from dataclasses import dataclass
from typing import Final
from zlib import crc32

from remixer.cli.adapter_description import adapter_resource, template_resource
from remixer.cli.scaffold.resources import resource, yaml_text
from remixer.sdk import (
    AdapterInfo,
    CheckResult,
    Code,
    Duration,
    Environment,
    HandlerContext,
    ListEntry,
    Status,
)
from remixer.templates.registry import load_templates
from remixer.transport.addresses import TcpAddress

NAMESPACE: Final = "lab"
USER_HEADER: Final = "x-user"
_TEMPLATE: Final = "listentry"
_ONE_IN: Final = 5  # users are refused
_USES: Final = 1_000_000


def is_welcome(user: str) -> bool:
    """What the back end says of a user, whoever asks."""
    return crc32(user.encode()) % _ONE_IN != 0


@dataclass(frozen=True, slots=True)
class Params:
    """`lifetime` of every verdict."""

    lifetime: Duration = Duration(5_000_000_000)  # noqa: RUF009 - an int subclass, immutable


class Directory:
    """Knows who is welcome."""

    def __init__(self, params: Params) -> None:
        self._lifetime = params.lifetime

    def check(self, instance: ListEntry, /) -> CheckResult:
        code = Code.OK if is_welcome(str(instance.value)) else Code.PERMISSION_DENIED
        return CheckResult(
            Status(code, "" if code is Code.OK else "not welcome"), self._lifetime, _USES
        )

    async def aclose(self) -> None:
        """Nothing to let go."""


async def build(params: Params, _context: HandlerContext, _environment: Environment) -> Directory:
    return Directory(params)


INFO: Final = AdapterInfo(
    name="labdirectory",
    description="Says who is welcome.",
    templates=frozenset({_TEMPLATE}),
    defaults=Params(),
    build=build,
)


def configuration(backend: TcpAddress, *, lifetime_s: float) -> str:
    """Rules that ask the back end about every request, as YAML."""
    template = load_templates().templates[_TEMPLATE]
    documents = [
        template_resource(template, namespace=NAMESPACE),
        adapter_resource(INFO, namespace=NAMESPACE, session_based=False),
        resource(
            "handler",
            "directory",
            NAMESPACE,
            {
                "adapter": INFO.name,
                "connection": {"address": str(backend)},
                "params": {"lifetime": f"{lifetime_s:g}s"},
            },
        ),
        resource(
            "instance",
            "user",
            NAMESPACE,
            {
                "template": _TEMPLATE,
                "params": {"value": f'request.headers["{USER_HEADER}"] | "nobody"'},
            },
        ),
        resource(
            "rule",
            "welcome",
            NAMESPACE,
            {"actions": [{"handler": "directory", "instances": ["user"]}]},
        ),
    ]
    return yaml_text(documents)
