"""Instances of many bags: what is shared between them, and what is not."""

from remixer.attributes.bag import plain_bag
from remixer.attributes.columns import GatheredColumns
from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.expr.columnar import Computation, MemoBudget
from remixer.expr.compile import Expression, compile_expression
from remixer.templates.columnar import ColumnarInstances
from remixer.templates.instances import BUILTIN_TEMPLATES, Metric

VOCABULARY = Vocabulary({"user": ValueType.STRING, "size": ValueType.INT64})
METRIC = next(each for each in BUILTIN_TEMPLATES if each.name == "metric")
BAG = plain_bag({"user": "u", "size": 5})


def expressions(**texts: str) -> dict[str, Expression]:
    """By path; `dimensions__a` is `dimensions[a]`."""
    found = {}
    for name, text in texts.items():
        compiled = compile_expression(text, VOCABULARY)
        assert isinstance(compiled, Expression)
        field, _, key = name.partition("__")
        found[f"{field}[{key}]" if key else field] = compiled
    return found


def computation(instances: ColumnarInstances, name: str, **texts: str) -> Computation:
    return instances.of(METRIC, name, expressions(**texts))


def metric(made: object) -> Metric:
    assert isinstance(made, Metric)
    return made


def test_equal_maps_of_two_instances_are_one_object() -> None:
    instances = ColumnarInstances(MemoBudget(100))
    first = computation(instances, "a", value="size", dimensions__k="1", dimensions__u="user")
    second = computation(instances, "b", value="1", dimensions__k="1", dimensions__u="user")
    done: dict[object, object] = {}
    one, other = metric(first.one(BAG, done)), metric(second.one(BAG, done))
    assert one.dimensions == {"k": 1, "u": "u"}
    assert one.dimensions is other.dimensions
    assert (one.name, one.value, other.name, other.value) == ("a", 5, "b", 1)


def test_maps_whose_constants_differ_in_type_alone_are_not_shared() -> None:
    instances = ColumnarInstances(MemoBudget(100))
    number = computation(instances, "a", value="size", dimensions__k="1", dimensions__u="user")
    truth = computation(instances, "b", value="size", dimensions__k="true", dimensions__u="user")
    real = computation(instances, "c", value="size", dimensions__k="1.0", dimensions__u="user")
    done: dict[object, object] = {}
    alone = [metric(each.one(BAG, done)).dimensions["k"] for each in (number, truth, real)]
    assert [repr(each) for each in alone] == ["1", "True", "1.0"]
    columns = GatheredColumns([BAG, BAG])
    together = [
        metric(each.many(columns, {}).values[0]).dimensions["k"] for each in (number, truth)
    ]
    assert [repr(each) for each in together] == ["1", "True"]
