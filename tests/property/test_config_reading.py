"""Laws of reading configuration: nothing that an operator writes raises."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from remixer.attributes.values import Duration
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.config.signature import canonical_bytes
from remixer.foundation.documents.yaml_documents import read_documents
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Problem  # noqa: TC001 - kept beside its siblings
from remixer.sdk.params import Int32, RpcStatus
from remixer.templates.registry import load_templates
from remixer.wire.proto_json.decode import Place, decode

EXAMPLES = 150


class Level(IntEnum):
    LOW = 0


@dataclass(frozen=True, slots=True)
class Inner:
    a: Int32 = Int32(0)  # noqa: RUF009 - an immutable int
    b: bytes = b""


@dataclass(frozen=True, slots=True)
class Params:
    a: str = ""
    b: int = 0
    c: float = 0.0
    d: Duration = Duration(0)  # noqa: RUF009 - an immutable int
    e: Level = Level.LOW
    f: tuple[Inner, ...] = ()
    g: Mapping[str, Inner] = field(default_factory=dict)
    h: RpcStatus | None = None
    i: bool = False


KEYS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g", "h", "i", "code", "details", "@type"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["5s", "LOW", "aGk=", "12"])
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=EXAMPLES)
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_decoding_never_raises_and_gives_either_params_or_problems(tree: dict[str, object]) -> None:
    text = yaml.safe_dump(tree, allow_unicode=True)
    problems: list[Problem] = []
    for root in read_documents(text.encode(), "f.yaml").roots:
        decoded = decode(root, Params(), Place("spec", Findings("r", problems)))
        assert (decoded is None) == bool(problems)
        assert all(problem.location.line > 0 for problem in problems)


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\" \n\t#%?,<", max_size=80))
def test_reading_any_bytes_never_raises(content: bytes | str) -> None:
    parse_file(content if isinstance(content, bytes) else content.encode(), "f.yaml")


KINDS = st.sampled_from(
    ["rule", "instance", "handler", "attributemanifest", "metric", "denier", "List"]
)
SPEC_KEYS = st.sampled_from(
    [
        "match",
        "actions",
        "handler",
        "instances",
        "params",
        "compiledTemplate",
        "value",
        "attributes",
        "value_type",
        "requestHeaderOperations",
        "values",
        "name",
        "dimensions",
    ]
)
SPECS = st.recursive(
    st.sampled_from(["", "true", "metric", "STRING", "a", '"x"', "a == ", "REMOVE", "5s"]) | LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SPEC_KEYS, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=EXAMPLES)
@given(st.lists(st.tuples(KINDS, SPECS), max_size=5))
def test_resolving_never_raises(resources: list[tuple[str, object]]) -> None:
    documents = [
        {"kind": kind, "metadata": {"name": f"a{index}", "namespace": "n"}, "spec": spec}
        for index, (kind, spec) in enumerate(resources)
    ]
    text = yaml.safe_dump_all(documents, allow_unicode=True)
    loaded = combine([parse_file(text.encode(), "f.yaml")])
    snapshot = resolve(loaded, adapters={}, templates=load_templates(()).templates)
    assert all(problem.code for problem in snapshot.problems)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.dictionaries(st.text(max_size=3), inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=10,
)


def turned(value: object) -> object:
    """The same value with every map in opposite order."""
    match value:
        case dict():
            return {key: turned(value[key]) for key in reversed(list(value))}
        case tuple():
            return tuple(turned(item) for item in value)
        case _:
            return value


@settings(max_examples=EXAMPLES)
@given(VALUES)
def test_canonical_bytes_do_not_depend_on_the_order_of_maps(value: object) -> None:
    assert canonical_bytes(turned(value)) == canonical_bytes(value)


@settings(max_examples=EXAMPLES)
@given(st.text(max_size=5) | st.integers(), st.text(max_size=5) | st.integers())
def test_different_values_have_different_canonical_bytes(one: object, two: object) -> None:
    assert (canonical_bytes(one) == canonical_bytes(two)) == (one == two)
