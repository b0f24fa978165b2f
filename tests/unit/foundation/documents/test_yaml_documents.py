"""Files to located trees: splitting, limits, and faults that stay in their own document."""

import pytest

from remixer.config import codes
from remixer.foundation.documents.nodes import ListNode, MapNode, Node, ScalarNode
from remixer.foundation.documents.yaml_documents import (
    MAX_DOCUMENTS,
    MAX_FILE_BYTES,
    Documents,
    read_documents,
)
from remixer.foundation.documents.yaml_tree import MAX_DEPTH, MAX_NODES
from remixer.foundation.problems import Location, Severity


def read(text: str) -> Documents:
    return read_documents(text.encode(), "f.yaml")


def plain(node: Node) -> object:
    """The tree without its places."""
    match node:
        case ScalarNode():
            return node.value
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {entry.key: plain(entry.value) for entry in node}


def values(text: str) -> list[object]:
    documents = read(text)
    assert documents.problems == ()
    return [plain(root) for root in documents.roots]


def codes_of(documents: Documents) -> list[str]:
    return [problem.code for problem in documents.problems]


# ------------------------------------------------------------ documents


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n---\nb: 2\n",
        "a: 1\r\n---\r\nb: 2\r\n",
        "---\na: 1\n--- # second\nb: 2",
        "# head\n---\na: 1\n...\n---\nb: 2\n...\n",
        "%YAML 1.1\n---\na: 1\n---   \n\n---\nb: 2\n",
        "--- {a: 1}\n---\t{b: 2}\n",
        "\ufeffa: 1\n---\n# nothing\n---\nb: 2\n",
    ],
)
def test_documents_are_split_at_every_legal_marker(text: str) -> None:
    assert values(text) == [{"a": 1}, {"b": 2}]


def test_dashes_inside_a_line_or_indented_do_not_split() -> None:
    assert values("a: |\n  ---\n  x\nb: c --- d\n") == [{"a": "---\nx\n", "b": "c --- d"}]


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n# comments\n", "---\n---\n", "~\n"])
def test_empty_documents_are_ignored(text: str) -> None:
    assert values(text) == []


def test_places_count_lines_of_the_whole_file() -> None:
    root = read("a: 1\n---\n\nb:\n  c: x\n").roots[1]
    assert isinstance(root, MapNode)
    inner = root.get("b")
    assert isinstance(inner, MapNode)
    found = inner.get("c")
    assert found is not None
    assert found.location == Location("f.yaml", 5, 6)


def test_syntax_error_costs_its_own_document_only() -> None:
    documents = read("a: 1\n---\nb: [1\n---\nc: 3\n")
    assert [plain(root) for root in documents.roots] == [{"a": 1}, {"c": 3}]
    (problem,) = documents.problems
    assert problem.code == codes.YAML_SYNTAX
    assert problem.location.file == "f.yaml"
    assert problem.location.line in {3, 4}


def test_tab_as_indentation_is_explained() -> None:
    (problem,) = read("a:\n\tb: 1\n").problems
    assert (problem.code, problem.location.line) == (codes.YAML_SYNTAX, 2)
    assert "tabs" in problem.hint


def test_file_that_is_not_utf8_is_located() -> None:
    documents = read_documents(b"a: 1\nb: \xff\n", "f.yaml")
    (problem,) = documents.problems
    assert problem.code == codes.NOT_UTF8
    assert problem.location == Location("f.yaml", 2, 4)


def test_control_character_is_a_located_problem() -> None:
    assert codes_of(read("a: 1\nb: \x00\n")) == [codes.YAML_SYNTAX]


# ------------------------------------------------------------ values


def test_quoted_scalars_stay_text() -> None:
    assert values("a: 'y'\nb: \"5\"\nc: y\nd: 5\n") == [{"a": "y", "b": "5", "c": True, "d": 5}]


def test_explicit_tags_choose_the_type() -> None:
    assert values("a: !!str 5\nb: !!int '5'\nc: !mine y\n") == [{"a": "5", "b": 5, "c": "y"}]


def test_number_key_becomes_text() -> None:
    assert values("8080: a\n") == [{"8080": "a"}]


def test_plain_boolean_key_becomes_text_with_a_warning() -> None:
    documents = read("dimensions:\n  n: a\n")
    assert [plain(root) for root in documents.roots] == [{"dimensions": {"false": "a"}}]
    (problem,) = documents.problems
    assert (problem.code, problem.severity) == (codes.KEY_READS_AS_BOOLEAN, Severity.WARNING)
    assert problem.location == Location("f.yaml", 2, 3)


@pytest.mark.parametrize("text", ["~: a\nb: 1\n", "[x]: a\nb: 1\n", "{x: y}: a\nb: 1\n"])
def test_key_that_is_no_text_is_left_out(text: str) -> None:
    documents = read(text)
    assert [plain(root) for root in documents.roots] == [{"b": 1}]
    assert codes_of(documents) == [codes.KEY_NOT_TEXT]


def test_last_of_two_equal_keys_counts_with_a_warning() -> None:
    documents = read("a: 1\nb: 2\na: 3\n")
    assert [plain(root) for root in documents.roots] == [{"a": 3, "b": 2}]
    (problem,) = documents.problems
    assert (problem.code, problem.severity) == (codes.DUPLICATE_KEY, Severity.WARNING)
    assert problem.location.line == 3


# ------------------------------------------------------------ aliases


def test_alias_repeats_its_anchor() -> None:
    assert values("a: &x {k: 1}\nb: *x\n") == [{"a": {"k": 1}, "b": {"k": 1}}]


def test_merge_key_fills_gaps_and_own_keys_win() -> None:
    text = "base: &x {k: 1, l: 2}\nother: &y {l: 9, m: 3}\nuse: {<<: [*x, *y], k: 5}\n"
    (root,) = values(text)
    assert isinstance(root, dict)
    assert root["use"] == {"k": 5, "l": 2, "m": 3}


@pytest.mark.parametrize("text", ["a: *nowhere\n", "a: &x [*x]\n", "a: {<<: 5}\n"])
def test_alias_or_merge_without_a_target_is_a_problem(text: str) -> None:
    documents = read(text)
    assert (documents.roots, codes_of(documents)) == ((), [codes.YAML_SYNTAX])


# ------------------------------------------------------------ limits


def test_file_of_the_largest_size_is_read() -> None:
    head = b"a: 1\n#"
    assert read_documents(head.ljust(MAX_FILE_BYTES, b"x"), "f").problems == ()
    documents = read_documents(head.ljust(MAX_FILE_BYTES + 1, b"x"), "f")
    assert (documents.roots, codes_of(documents)) == ((), [codes.FILE_TOO_LARGE])


def test_documents_past_the_limit_are_left_out() -> None:
    assert read("---\na\n" * MAX_DOCUMENTS).problems == ()
    documents = read("---\na\n" * (MAX_DOCUMENTS + 1))
    assert len(documents.roots) == MAX_DOCUMENTS
    assert codes_of(documents) == [codes.TOO_MANY_DOCUMENTS]


def nested(levels: int) -> str:
    return "[" * (levels - 1) + "x" + "]" * (levels - 1)


def test_nesting_past_the_limit_is_a_problem() -> None:
    assert read(nested(MAX_DEPTH)).problems == ()
    documents = read(nested(MAX_DEPTH + 1))
    assert (documents.roots, codes_of(documents)) == ((), [codes.TOO_DEEP])


def test_very_deep_nesting_does_no_harm() -> None:
    assert codes_of(read("[" * 100_000)) == [codes.TOO_DEEP]


def test_depth_counts_through_aliases() -> None:
    inside = f"- &x {nested(MAX_DEPTH // 2)}\n"
    fits = MAX_DEPTH - MAX_DEPTH // 2 - 1
    assert read(inside + "- " + "[" * fits + "*x" + "]" * fits + "\n").problems == ()
    deeper = fits + 1
    documents = read(inside + "- " + "[" * deeper + "*x" + "]" * deeper + "\n")
    assert codes_of(documents) == [codes.TOO_DEEP]


def document_of(nodes: int) -> str:
    """A list whose expanded size is `nodes`: a block of 999 nodes again and again."""
    block = "- &b [" + "x, " * 998 + "]\n"
    repeated, rest = divmod(nodes - 1 - 999, 999)
    return block + "- *b\n" * repeated + "- x\n" * rest


def test_expanded_size_past_the_limit_is_a_problem() -> None:
    assert read(document_of(MAX_NODES)).problems == ()
    documents = read(document_of(MAX_NODES + 1))
    assert (documents.roots, codes_of(documents)) == ((), [codes.TOO_MANY_NODES])


def test_billion_laughs_end_early() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)
    ]
    assert codes_of(read("\n".join(lines))) == [codes.TOO_MANY_NODES]


# ------------------------------------------------------------ places inside texts


def scalar(text: str) -> ScalarNode:
    (root,) = read(text).roots
    assert isinstance(root, MapNode)
    node = root.get("a")
    assert isinstance(node, ScalarNode)
    return node


@pytest.mark.parametrize(
    ("text", "column"),
    [("a: xyz\n", 5), ("a: 'xyz'\n", 6), ('a:   "xyz"\n', 8)],
)
def test_column_inside_a_verbatim_text_is_known(text: str, column: int) -> None:
    assert scalar(text).place_in_text(2) == Location("f.yaml", 1, column)


@pytest.mark.parametrize("text", ["a: |\n  xyz\n", 'a: "x\\tz"\n', "a: 'x''z'\n", "a: x\n  z\n"])
def test_column_inside_an_escaped_or_folded_text_is_the_scalars(text: str) -> None:
    node = scalar(text)
    assert node.place_in_text(2) == node.location
