"""What a handler behind an `adapter` resource consists of.

Configuration makes `RemoteParams`; the adapter that calls other processes takes them. Neither may
import the other, so what both know stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from remixer.sdk.adapter import AdapterInfo
from remixer.templates.schema import Variety
from remixer.transport.remote_spec import ConnectionSpec
from remixer.wire.descriptor_schema import OutputField, TypeMessage


@dataclass(frozen=True, slots=True)
class RemoteTemplate:
    """How instances of one template travel."""

    path: str
    """`/metric.HandleMetricService/HandleMetric`."""
    variety: Variety
    package: str
    output: tuple[OutputField, ...] = ()
    types: TypeMessage = field(default_factory=TypeMessage)


@dataclass(frozen=True, slots=True)
class RemoteParams:
    """A handler whose adapter runs in another process."""

    connection: ConnectionSpec = field(default_factory=lambda: ConnectionSpec(""))
    config_type: str = ""
    """Full name of the adapter's `Params`; empty: it has none."""
    config: bytes = b""
    """The parameters, serialized."""
    is_session_based: bool = False
    """Calls carry no parameters."""
    uses_sessions: bool = False
    """Parameters are handed over once, by CreateSession; calls carry the session's id."""
    templates: Mapping[str, RemoteTemplate] = field(default_factory=dict)
    """By the names of their resources."""


class RemoteAdapterFactory(Protocol):
    """Makes the adapter of an `adapter` resource."""

    def __call__(
        self, name: str, *, description: str, templates: frozenset[str]
    ) -> AdapterInfo[RemoteParams]:
        """`name` is the resource's full name, `templates` are those of `template` resources."""
        ...
