"""Parameter types that adapters' dataclasses may use besides the plain ones.

Configuration decodes a handler's `params` into the adapter's dataclass by its annotations:
`str`, `bool`, `int` (int64), `Int32`, `float`, `bytes`, `Duration` (Go text), `IntEnum` (name or
number), `tuple[T, ...]` (repeated), `Mapping[str, T]` (map), another frozen dataclass (message),
and `T | None` (message or scalar with presence). Field names are the proto names; lowerCamel is
accepted too. Unknown keys are problems. The operator's values are merged over the adapter's
defaults as proto JSON merges: messages field by field, repeated fields and maps as wholes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from remixer.wire.proto_json.numbers import Int32

__all__ = ["DirectHttpResponse", "Int32", "ParamProblem", "RpcStatus"]


@dataclass(frozen=True, slots=True)
class ParamProblem:
    """A fault that an adapter's `validate` found in its parameters.

    `path` is the field path with proto names: `overrides[2]`, `quotas[0].valid_duration`.
    """

    path: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class DirectHttpResponse:
    """`istio.policy.v1beta1.DirectHttpResponse`: answer the client with this.

    `code` 0 means: derive it from the RPC code.
    """

    TYPE_URL: ClassVar[str] = "type.googleapis.com/istio.policy.v1beta1.DirectHttpResponse"

    code: int = 0
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RpcStatus:
    """`google.rpc.Status` as a parameter. Each detail carries `@type`."""

    code: Int32 = Int32(0)  # noqa: RUF009 - a NewType costs nothing and returns its argument
    message: str = ""
    details: tuple[DirectHttpResponse, ...] = ()
