"""What a Check tells the rest of Envoy: the Struct that ext_authz puts into dynamic metadata.

Later filters, the response phase of earlier ones and the access log read it under the filter's
name, for allowed and for denied requests alike::

    %DYNAMIC_METADATA(envoy.filters.http.ext_authz:rule)%

| field | value |
|---|---|
| `decision` | `allow` or `deny` |
| `code`, `code_name`, `message` | the status: 7, `PERMISSION_DENIED`, text |
| `rule`, `handler`, `instance` | who decided; several are joined with `,` |
| `valid_duration_s`, `valid_use_count` | how long and how often the answer holds |
| `referenced` | attributes that the answer depends on, if it may be given to any like request |
| `cache`, `cache_hit` | for a remembered verdict: `memory`, `shared` or `stale`; true |
| `quotas` | per quota name: `granted`, `valid_duration_s` |
| `response_headers_to_remove` | removals that ext_authz itself cannot carry out |
| `forwarded` | per attribute: what counted of `x-istio-attributes`, for the report |

The access log turns it back into `check.error_code` and `check.error_message`. A filter inside
Envoy that answers from a cache of its own says so with `cache_hit` and `quota_cache_hit`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from google.protobuf.struct_pb2 import Struct

from remixer.attributes.bag import Reference, attribute_text
from remixer.foundation.status import Status, code_name
from remixer.frontends.envoy.structs import (
    bool_field,
    number_field,
    scalar_texts,
    text_field,
)
from remixer.mixer.outcome import Decision, Provenance, QuotaOutcome
from remixer.wire.text import encodable

HTTP_NAMESPACE: Final = "envoy.filters.http.ext_authz"
TCP_NAMESPACE: Final = "envoy.filters.network.ext_authz"
_NS_PER_S: Final = 1_000_000_000
_NOTHING: Final[Mapping[str, str]] = {}
_NO_CHECK: Final = Struct()
_MOST_REFERENCED: Final = 24
"""More make a key that hardly any two requests share."""


def write_status(struct: Struct, status: Status) -> None:
    fields = struct.fields
    fields["decision"].string_value = "allow" if status.is_ok else "deny"
    fields["code"].number_value = status.code
    fields["code_name"].string_value = code_name(status.code)
    if status.message:
        fields["message"].string_value = encodable(status.message)


def write_decisions(struct: Struct, decisions: Iterable[Decision]) -> None:
    """Nothing is written if nobody had a say."""
    made = tuple(decisions)
    if not made:
        return
    fields = struct.fields
    fields["rule"].string_value = _joined(each.rule for each in made)
    fields["handler"].string_value = _joined(each.handler for each in made)
    fields["instance"].string_value = _joined(each.instance for each in made)


def _joined(names: Iterable[str]) -> str:
    return ",".join(dict.fromkeys(names))


def write_validity(struct: Struct, *, valid_duration_ns: int, valid_use_count: int) -> None:
    struct.fields["valid_duration_s"].number_value = valid_duration_ns / _NS_PER_S
    struct.fields["valid_use_count"].number_value = valid_use_count


def write_referenced(struct: Struct, references: frozenset[Reference]) -> None:
    """By name, for a cache inside Envoy. Nothing is written where nobody can tell, or of many.

    An attribute that was absent is named like any other: its key says so by itself.
    """
    names = sorted({attribute_text(each.name, each.key) for each in references})
    if len(names) > _MOST_REFERENCED or "" in names:
        return
    told = struct.fields["referenced"].list_value
    told.SetInParent()
    for name in names:
        told.values.add().string_value = encodable(name)


def write_provenance(struct: Struct, provenance: Provenance) -> None:
    """Nothing is written of a verdict that was computed for this request."""
    if provenance.is_remembered:
        struct.fields["cache"].string_value = provenance.name.lower()
        struct.fields["cache_hit"].bool_value = True


def write_quotas(struct: Struct, quotas: Mapping[str, QuotaOutcome]) -> None:
    if not quotas:
        return
    grants = struct.fields["quotas"].struct_value.fields
    for name, quota in quotas.items():
        grant = grants[name].struct_value.fields
        grant["granted"].number_value = quota.granted
        grant["valid_duration_s"].number_value = quota.valid_duration / _NS_PER_S


def write_unremovable(struct: Struct, names: Iterable[str]) -> None:
    for name in names:
        removals = struct.fields["response_headers_to_remove"].list_value.values
        removals.add().string_value = name


def write_forwarded(struct: Struct, attributes: Mapping[str, str]) -> None:
    if not attributes:
        return
    fields = struct.fields["forwarded"].struct_value.fields
    for name, value in attributes.items():
        fields[name].string_value = value


def forwarded_in(metadata: Mapping[str, Struct]) -> Mapping[str, str]:
    """Attributes that the check took from `x-istio-attributes`, by name. Asked of every entry."""
    if HTTP_NAMESPACE in metadata:
        fields = metadata[HTTP_NAMESPACE].fields
    elif TCP_NAMESPACE in metadata:
        fields = metadata[TCP_NAMESPACE].fields
    else:
        return _NOTHING
    if "forwarded" not in fields:
        return _NOTHING
    value = fields["forwarded"]
    return scalar_texts(value.struct_value) if value.HasField("struct_value") else _NOTHING


class CheckRecord:
    """What the metadata of a stream says of its Check; all None if there was none."""

    __slots__ = ("_struct",)

    def __init__(self, metadata: Mapping[str, Struct]) -> None:
        """`metadata`: by filter, as the access log has it."""
        name = HTTP_NAMESPACE if HTTP_NAMESPACE in metadata else TCP_NAMESPACE
        self._struct = metadata.get(name, _NO_CHECK)

    def error_code(self) -> int | None:
        """Code of the denial; None if the request was allowed."""
        if text_field(self._struct, "decision") != "deny":
            return None
        code = number_field(self._struct, "code")
        return int(code) if code is not None and code.is_integer() else None

    def error_message(self) -> str | None:
        """`CODE_NAME:text` of the denial. Source: Mixer's client."""
        code = self.error_code()
        if code is None:
            return None
        message = text_field(self._struct, "message")
        return f"{code_name(code)}:{message}" if message else code_name(code)

    def is_cache_hit(self) -> bool | None:
        return bool_field(self._struct, "cache_hit")

    def is_quota_cache_hit(self) -> bool | None:
        return bool_field(self._struct, "quota_cache_hit")
