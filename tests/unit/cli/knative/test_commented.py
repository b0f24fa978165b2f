"""Documents with reasons: the YAML means what the JSON says, and each reason stands above its key."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from remixer.cli.knative.commented import Because, Document, as_yaml, plain

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
SCALARS = st.one_of(
    TEXTS,
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.lists(TEXTS, max_size=4).map("\n".join),
    st.sampled_from(["a\n  b\n\nc\n", "a\n", "a\n\n", " a\nb\n", "a \nb\n", "# a\nb\n"]),
    st.sampled_from(["yes", "null", "~", "1e3", "0x10", "10s", "1:30", "- a", "a: b", "*", "a #b"]),
)


def wrapped(values: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
    whys = st.sampled_from(["short", "a reason that is long " * 10, "two\nlines"])
    explained = st.builds(Because, values, whys)
    inner = st.one_of(values, explained)
    return st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3), explained
    )


DOCUMENTS = st.dictionaries(TEXTS, st.recursive(SCALARS, wrapped, max_leaves=12), max_size=4)


@given(DOCUMENTS)
def test_yaml_reads_what_json_says(document: dict[str, Document]) -> None:
    assert (yaml.safe_load(as_yaml(document, title="A title")) or {}) == plain(document)


def test_a_reason_stands_above_its_key() -> None:
    document = {"route": {"timeout": Because("60s", "Includes all retries.")}}
    assert as_yaml(document) == "route:\n  # Includes all retries.\n  timeout: 60s\n"


def test_the_reason_of_a_first_key_stands_above_its_dash() -> None:
    document = {"list": [{"a": Because(1, "Why.")}]}
    assert as_yaml(document) == "list:\n# Why.\n- a: 1\n"


def test_long_reasons_are_folded() -> None:
    text = as_yaml({"a": Because(1, "word " * 100)})
    assert max(map(len, text.splitlines())) <= 96


def test_a_text_of_many_lines_is_written_line_by_line() -> None:
    text = as_yaml({"script": {"text": "if a then\n  b()\nend\n"}})
    assert text == "script:\n  text: |\n    if a then\n      b()\n    end\n"


@pytest.mark.parametrize("empty", [{}, []])
def test_empty_collections_stay_on_their_line(empty: Document) -> None:
    assert yaml.safe_load(as_yaml({"a": empty})) == {"a": empty}
