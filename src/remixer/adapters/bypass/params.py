"""Parameters of `bypass`."""

from collections.abc import Iterator
from dataclasses import dataclass

from remixer.sdk import HandlerContext, ParamProblem
from remixer.transport.remote_spec import ConnectionSpec, connection_faults


@dataclass(frozen=True, slots=True)
class PackedParams:
    """`google.protobuf.Any`: the back end's parameters, as it will get them.

    Serialized, because the schemas that Mixer had compiled in for `@type` are not here.
    """

    type_url: str = ""
    value: bytes = b""


@dataclass(frozen=True, slots=True)
class Params:
    """Where the back end is and what it is told."""

    backend_address: str = ""
    params: PackedParams | None = None
    session_based: bool = False


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """Without asking the back end: it may be away while configuration is read."""
    for fault in connection_faults(connection_of(params)):
        yield ParamProblem("backend_address", fault.message)
    if params.params is not None and "." not in params.params.type_url:
        yield ParamProblem(
            "params.type_url",
            f"`{params.params.type_url}` names no message",
            "Write `type.googleapis.com/` and the message's full name.",
        )


def connection_of(params: Params) -> ConnectionSpec:
    """Neither encrypted nor authenticated, as Mixer's was."""
    return ConnectionSpec(params.backend_address)
