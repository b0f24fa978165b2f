"""Header operations in the terms that Envoy's ext_authz filter understands.

Mixer's operations are a list, carried out in order. Envoy takes three groups and carries them
out group by group: remove, set, append. So the operations on one name are first reduced to
their net effect. Two facts of Envoy (observed on 1.40) shape the rest:

* on *request* headers `append_action` is ignored; only the older `append: true` appends, it
  joins with a comma, and it does nothing if the request has no such header;
* on *response* headers `append_action` works and a new line is added, but before anything is
  set, so what is appended to a set value has to be joined to it; and nothing can be removed:
  the names are reported so that a later filter may.

A request header that the filter's `allowed_headers` keeps from us looks absent: what is appended
to it takes its place.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from remixer.foundation.http_fields import field_value
from remixer.mixer.http_answer import may_be_carried_out
from remixer.mixer.outcome import HeaderOperation, HeaderOperationKind
from remixer.wire._pb.envoy.config.core.v3.base_pb2 import HeaderValueOption
from remixer.wire.text import encodable

_APPEND = HeaderValueOption.APPEND_IF_EXISTS_OR_ADD
_OVERWRITE = HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_SET_COOKIE: Final = "set-cookie"


@dataclass(slots=True)
class _NetEffect:
    """What the operations on one header amount to."""

    is_removed: bool = False
    value: str | None = None
    """Takes the place of whatever was there."""
    appended: list[str] = field(default_factory=list)

    def apply(self, operation: HeaderOperation) -> None:
        match operation.kind:
            case HeaderOperationKind.REPLACE:
                self.is_removed, self.value, self.appended = False, operation.value, []
            case HeaderOperationKind.REMOVE:
                self.is_removed, self.value, self.appended = True, None, []
            case HeaderOperationKind.APPEND if self.is_removed:
                self.is_removed, self.value = False, operation.value
            case HeaderOperationKind.APPEND:
                self.appended.append(operation.value)
            case _:
                assert_never(operation.kind)


@dataclass(frozen=True, slots=True)
class HeaderMutations:
    """Headers to write, and names to remove."""

    options: tuple[HeaderValueOption, ...] = ()
    removed: tuple[str, ...] = ()


def request_mutations(
    operations: Iterable[HeaderOperation], headers: Mapping[str, str] | None
) -> HeaderMutations:
    """For the upstream request. `headers`: those of the request, None if it has none."""
    effects = _net_effects(operations)
    options: list[HeaderValueOption] = []
    for name, effect in effects.items():
        appended = effect.appended
        if effect.value is not None:
            options.append(_set(name, effect.value))
        elif appended and (headers is None or name not in headers):
            first, *appended = appended
            options.append(_set(name, first))
        options.extend(_joined(name, value) for value in appended)
    return HeaderMutations(tuple(options), _removed(effects))


def response_mutations(operations: Iterable[HeaderOperation]) -> HeaderMutations:
    """For the response, the upstream's or our own."""
    effects = _net_effects(operations)
    options: list[HeaderValueOption] = []
    for name, effect in effects.items():
        if effect.value is None:
            options.extend(_added(name, value) for value in effect.appended)
        elif name == _SET_COOKIE and effect.appended:
            # Cookies cannot share a line: rather keep the upstream's than lose ours.
            options.extend(_added(name, value) for value in (effect.value, *effect.appended))
        else:
            options.append(_set(name, ",".join((effect.value, *effect.appended))))
    return HeaderMutations(tuple(options), _removed(effects))


def _net_effects(operations: Iterable[HeaderOperation]) -> dict[str, _NetEffect]:
    """By name in lower case, without what Envoy would write to the wire though it must not be there.

    A name that is none, and a length other than the message's, which whoever reads it believes.
    """
    effects: dict[str, _NetEffect] = {}
    for operation in operations:
        if may_be_carried_out(operation):
            effects.setdefault(operation.name.lower(), _NetEffect()).apply(operation)
    return effects


def _removed(effects: dict[str, _NetEffect]) -> tuple[str, ...]:
    return tuple(name for name, effect in effects.items() if effect.is_removed)


def _set(name: str, value: str) -> HeaderValueOption:
    option = HeaderValueOption(append_action=_OVERWRITE)
    option.header.key, option.header.value = name, field_value(encodable(value))
    return option


def _added(name: str, value: str) -> HeaderValueOption:
    option = HeaderValueOption(append_action=_APPEND)
    option.header.key, option.header.value = name, field_value(encodable(value))
    return option


def _joined(name: str, value: str) -> HeaderValueOption:
    option = _added(name, value)
    option.append.value = True
    return option
