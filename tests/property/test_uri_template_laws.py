"""The tree of URI templates finds what a matcher that tries everything finds."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from remixer.sidecar.client_config.uri_templates import (
    MAX_SEGMENTS,
    Segment,
    TemplateTree,
    UriTemplate,
    Wild,
    parse_template,
    path_segments,
)

LITERALS = ["a", "b", "c"]
VERBS = ["", "v", "w"]
METHODS = ["GET", "PUT", "*"]

literals = st.sampled_from(LITERALS)
heads = st.lists(st.one_of(literals, st.just(Wild.ONE)), max_size=4)
tails = st.one_of(st.just([]), st.lists(literals, max_size=2).map(lambda tail: [Wild.MANY, *tail]))
segments: st.SearchStrategy[tuple[Segment, ...]] = st.builds(
    lambda head, tail: (*head, *tail), heads, tails
)
# A template without segments has no verb: there is nothing that it could stand after.
templates = st.builds(
    lambda parts, verb: UriTemplate(parts, verb if parts else ""), segments, st.sampled_from(VERBS)
)
patterns = st.lists(st.tuples(templates, st.sampled_from(METHODS)), max_size=8)
paths = st.builds(
    lambda parts, verb, end: "/" + "/".join(parts) + (f":{verb}" if verb and parts else "") + end,
    st.lists(literals, max_size=6),
    st.sampled_from([*VERBS, "x"]),
    st.sampled_from(["", "/", "?q=/a:v", "//?"]),
)

LITERAL, ONE, ENTER_MANY, MANY = range(4)


def ways(template: tuple[Segment, ...], path: list[str]) -> Iterator[tuple[int, ...]]:
    """Every way to read `path` as `template`, a choice per step; the smallest is the best."""
    if not template:
        if not path:
            yield ()
        return
    first, rest = template[0], template[1:]
    if first is Wild.MANY:
        for size in range(len(path) + 1):
            for way in ways(rest, path[size:]):
                yield (ENTER_MANY, *(MANY,) * size, *way)
    elif path and first in {path[0], Wild.ONE}:
        for way in ways(rest, path[1:]):
            yield (ONE if first is Wild.ONE else LITERAL, *way)


def naive(given: list[tuple[UriTemplate, str]], method: str, path: str) -> int | None:
    parts = path_segments(path)
    assert parts is not None
    readings = [(parts, "")]
    if parts and ":" in parts[-1]:
        last, _, verb = parts[-1].rpartition(":")
        readings.insert(0, ([*parts[:-1], last], verb))
    for reading, verb in readings:
        found = [
            (way, wanted == "*", index)
            for index, (template, wanted) in enumerate(given)
            if template.verb == verb and wanted in {method, "*"}
            for way in ways(template.segments, reading)
        ]
        if found:
            return min(found)[2]
    return None


@given(patterns, st.sampled_from(["GET", "PUT", "POST"]), paths)
def test_the_tree_agrees_with_trying_everything(
    given: list[tuple[UriTemplate, str]], method: str, path: str
) -> None:
    tree = TemplateTree[int]()
    for index, (template, wanted) in enumerate(given):
        is_first = all(each != (template, wanted) for each in given[:index])
        assert tree.add(template, wanted, index) is is_first
    assert tree.find(method, path) == naive(given, method, path)


def written(template: UriTemplate) -> str:
    parts = [each.value if isinstance(each, Wild) else each for each in template.segments]
    return "/" + "/".join(parts) + (f":{template.verb}" if template.verb else "")


@given(templates)
def test_a_template_that_is_written_is_read_as_it_was(template: UriTemplate) -> None:
    assert parse_template(written(template)) == template


@given(st.text(alphabet="/{}*:=.a", max_size=12))
def test_no_text_breaks_the_parser(text: str) -> None:
    try:
        parsed = parse_template(text)
    except ValueError:
        return
    assert parse_template(written(parsed)) == parsed


def test_a_long_path_with_many_ways_is_searched_in_bounded_time() -> None:
    tree = TemplateTree[int]()
    for depth in range(20):
        tree.add(UriTemplate((Wild.ONE,) * depth + (Wild.MANY, "a", "a", "b")), "GET", depth)
    assert tree.find("GET", "/a" * MAX_SEGMENTS) is None
    assert tree.find("GET", "/a" * (MAX_SEGMENTS - 1) + "/b") == 19
    assert tree.find("GET", "/a" * MAX_SEGMENTS + "/b") is None
