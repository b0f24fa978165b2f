"""From compiled expressions to one function that makes a template's instance from a bag.

Theory of operation. A template's message is turned once into a plan: fields that are not
configured become constants, whole messages without expressions too. `instance_builder` makes a tree
of closures of a plan; `remixer.runtime.check_code` writes it into a larger function. On the request
path nothing is looked up and no path is composed. If an expression fails, the expressions are
walked once more to find which one it was: they are pure, so the same one fails again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never, cast

from remixer.attributes.bag import Bag
from remixer.attributes.values import (
    EMPTY_STRING_MAP,
    EPOCH,
    Duration,
    PlainStringMap,
    StringMap,
    Value,
    ValueType,
)
from remixer.expr.compile import Expression
from remixer.expr.errors import EvaluationError
from remixer.foundation.errors import InternalError, PolicyError
from remixer.foundation.status import Code
from remixer.templates.schema import Field, Message, Template

Evaluate: TypeAlias = Callable[[Bag], Value]
Parts: TypeAlias = Mapping[str, "Plan"]
_Computes: TypeAlias = tuple[tuple[str, Callable[[Bag], object]], ...]

_ZEROS: Final[dict[ValueType, object]] = {
    ValueType.VALUE_TYPE_UNSPECIFIED: None,
    ValueType.STRING: "",
    ValueType.INT64: 0,
    ValueType.DOUBLE: 0.0,
    ValueType.BOOL: False,
    ValueType.TIMESTAMP: EPOCH,
    ValueType.IP_ADDRESS: b"",
    ValueType.EMAIL_ADDRESS: "",
    ValueType.URI: "",
    ValueType.DNS_NAME: "",
    ValueType.DURATION: Duration(0),
    ValueType.STRING_MAP: EMPTY_STRING_MAP,
}


class InstanceError(PolicyError):
    """An expression of an instance has no value for this request.

    Source: the text is Mixer 1.3's.
    """

    code = Code.INTERNAL

    def __init__(self, *, instance: str, path: str, cause: str) -> None:
        super().__init__(f"evaluation failed at [{instance}]'{path}': '{cause}'")
        self.instance = instance
        self.path = path
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Known:
    """Needs no bag."""

    value: object


@dataclass(frozen=True, slots=True)
class Leaf:
    """The value of an expression; of a string map, all its entries."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class MapPlan:
    """A dict of what is known and what each request decides."""

    known: Mapping[str, object]
    computed: tuple[tuple[str, "Plan"], ...]


@dataclass(frozen=True, slots=True)
class MessagePlan:
    """A call of a carrier with these keywords."""

    carrier: Callable[..., object]
    known: Mapping[str, object]
    computed: tuple[tuple[str, "Plan"], ...]


Plan: TypeAlias = Known | Leaf | MapPlan | MessagePlan


def instance_plan(template: Template, name: str, expressions: Mapping[str, Expression]) -> Plan:
    """What the instance is made of; arguments as of `instance_builder`."""
    leaves = {path: _leaf(each) for path, each in expressions.items()}
    return _message_plan(template.message, "", leaves, {"name": name})


def instance_builder(
    template: Template, name: str, expressions: Mapping[str, Expression]
) -> Callable[[Bag], object]:
    """A function that makes the template's carrier; it raises `InstanceError`.

    `expressions` by field path with proto names: `value`, `dimensions[user]`,
    `subject.properties[k]`; a field without one gets its type's zero value, a `Value` field
    None. Paths are trusted to be the template's own.
    """
    plan = instance_plan(template, name, expressions)
    if isinstance(plan, Known):
        return lambda _bag: plan.value
    compute = _compute(plan)
    paths = {go_path(path): each.evaluate for path, each in expressions.items()}

    def build(bag: Bag) -> object:
        try:
            return compute(bag)
        except EvaluationError as error:
            path, cause = _first_failure(paths, bag, error)
            raise InstanceError(instance=name, path=path, cause=str(cause)) from error
        except Exception as error:  # the carrier may be a third party's class
            cause_text = f"{type(error).__name__}: {error}"
            raise InstanceError(instance=name, path="", cause=cause_text) from error

    return build


def _first_failure(
    paths: Mapping[str, Evaluate], bag: Bag, known: EvaluationError
) -> tuple[str, EvaluationError]:
    for path, evaluate in paths.items():
        try:
            evaluate(bag)
        except EvaluationError as error:
            return path, error
    message = "an expression failed once and not again on the same bag"
    raise InternalError(message) from known


def go_path(path: str) -> str:
    """The path as Mixer's messages have it: `Subject.Properties[k]`, `ApiVersion`."""
    field, bracket, key = path.partition("[")
    return ".".join(map(_go_name, field.split("."))) + bracket + key


def _go_name(field: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in field.split("_"))


def whole_entries(value: object) -> PlainStringMap:
    """All entries of a string map. The handler sees every one, so the answer depends on all."""
    entries = cast("StringMap", value).whole()
    return entries if isinstance(entries, PlainStringMap) else PlainStringMap(entries)


def _compute(plan: Leaf | MapPlan | MessagePlan) -> Callable[[Bag], object]:
    match plan:
        case Leaf(expression=expression):
            evaluate: Evaluate = expression.evaluate
            if expression.type is not ValueType.STRING_MAP:
                return evaluate
            return lambda bag: whole_entries(evaluate(bag))
        case MapPlan(known=known, computed=computed):
            return _dict_maker(known, _computes(computed))
        case MessagePlan(carrier=carrier, known=known, computed=computed):
            return _carrier_maker(carrier, known, _computes(computed))
        case _:
            assert_never(plan)


def _computes(parts: Iterable[tuple[str, Plan]]) -> _Computes:
    return tuple((name, _compute(part)) for name, part in parts if not isinstance(part, Known))


def _dict_maker(known: Mapping[str, object], computed: _Computes) -> Callable[[Bag], object]:
    if not known:
        return lambda bag: {key: compute(bag) for key, compute in computed}

    def build(bag: Bag) -> object:
        values = dict(known)
        for key, compute in computed:
            values[key] = compute(bag)
        return values

    return build


def _carrier_maker(
    carrier: Callable[..., object], known: Mapping[str, object], computed: _Computes
) -> Callable[[Bag], object]:
    if len(computed) == 1:
        ((only, compute_only),) = computed
        return lambda bag: carrier(**known, **{only: compute_only(bag)})

    def build(bag: Bag) -> object:
        values = dict(known)
        for name, compute in computed:
            values[name] = compute(bag)
        return carrier(**values)

    return build


def _leaf(expression: Expression) -> Plan:
    if expression.constant is not None:
        return Known(expression.constant)
    return Leaf(expression)


def _message_plan(
    message: Message, prefix: str, leaves: Parts, extra: Mapping[str, object]
) -> Plan:
    parts = {
        field.name: _field_plan(field, prefix + field.name, leaves) for field in message.fields
    }
    known, computed = _split(parts.items())
    known.update(extra)
    # The carrier's constructor is the template author's; its signature is not known here.
    carrier = cast("Callable[..., object]", message.carrier)
    if not computed:
        return Known(carrier(**known))
    return MessagePlan(carrier, known, computed)


def _field_plan(field: Field, path: str, leaves: Parts) -> Plan:
    if field.is_map:
        return _map_plan(path, leaves)
    if field.message is not None:
        return _message_plan(field.message, f"{path}.", leaves, {})
    zero = Known(_ZEROS[field.type or ValueType.VALUE_TYPE_UNSPECIFIED])
    return leaves.get(path, zero)


def _map_plan(path: str, leaves: Parts) -> Plan:
    start = f"{path}["
    entries = {
        each[len(start) : -1]: leaf
        for each, leaf in leaves.items()
        if each.startswith(start) and each.endswith("]")
    }
    known, computed = _split(entries.items())
    return MapPlan(known, computed) if computed else Known(known)


def _split(
    parts: Iterable[tuple[str, Plan]],
) -> tuple[dict[str, object], tuple[tuple[str, Plan], ...]]:
    """What is known now, and what each request decides."""
    known: dict[str, object] = {}
    computed: list[tuple[str, Plan]] = []
    for name, part in parts:
        if isinstance(part, Known):
            known[name] = part.value
        else:
            computed.append((name, part))
    return known, tuple(computed)
