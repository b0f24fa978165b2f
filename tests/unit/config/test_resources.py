"""Documents to resources: identity, foreign documents, lists, duplicates."""

from remixer.config import codes
from remixer.config.resources import LoadedResources, ParsedFile, combine, overlay, parse_file
from remixer.foundation.problems import Severity

RULE = """
apiVersion: config.istio.io/v1alpha2
kind: rule
metadata: {name: r, namespace: shop}
spec: {match: "true"}
"""


def parse(text: str, file: str = "f.yaml") -> ParsedFile:
    return parse_file(text.encode(), file)


def names(parsed: ParsedFile | LoadedResources) -> list[str]:
    return [resource.name for resource in parsed.resources]


def codes_of(parsed: ParsedFile | LoadedResources) -> list[str]:
    return [problem.code for problem in parsed.problems]


def test_resource_is_named_name_kind_namespace() -> None:
    assert names(parse(RULE)) == ["r.rule.shop"]


def test_resource_begins_where_its_document_begins() -> None:
    assert parse(RULE).resources[0].location.line == 2


def test_missing_or_null_spec_is_an_empty_message() -> None:
    parsed = parse("kind: checknothing\nmetadata: {name: a, namespace: b}\nspec:\n")
    assert parsed.resources[0].spec is None
    assert parsed.problems == ()


def test_spec_that_is_no_mapping_is_a_problem() -> None:
    parsed = parse("kind: rule\nmetadata: {name: a, namespace: b}\nspec: [1]\n")
    assert (names(parsed), codes_of(parsed)) == ([], [codes.NOT_A_RESOURCE])


def test_each_missing_part_of_the_identity_is_a_problem_and_the_rest_of_the_file_applies() -> None:
    parsed = parse("kind: rule\nmetadata: {labels: {}}\nspec: {}\n---" + RULE)
    assert names(parsed) == ["r.rule.shop"]
    assert [(each.code, each.field) for each in parsed.problems] == [
        (codes.NAMELESS, "metadata.name"),
        (codes.NAMELESS, "metadata.namespace"),
    ]


def test_name_that_is_a_number_is_a_problem() -> None:
    parsed = parse("kind: rule\nmetadata: {name: 5, namespace: b}\n")
    (problem,) = parsed.problems
    assert (problem.code, problem.hint) == (codes.NAMELESS, "Quote it.")


def test_document_without_kind_is_a_problem() -> None:
    assert codes_of(parse("a: 1\n")) == [codes.NOT_A_RESOURCE]
    assert codes_of(parse("- 1\n")) == [codes.NOT_A_RESOURCE]


def test_documents_of_other_systems_are_ignored() -> None:
    text = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
---
apiVersion: networking.istio.io/v1alpha3
kind: rule
metadata: {name: web, namespace: x}
"""
    assert parse(text) == ParsedFile()


def test_api_version_of_a_mixer_kind_is_not_checked() -> None:
    for version in ("", "apiVersion: v1\n", "apiVersion: config.istio.io/v1\n"):
        assert names(parse(f"{version}kind: rule\nmetadata: {{name: a, namespace: b}}\n")) == [
            "a.rule.b"
        ]


def test_list_is_unwrapped() -> None:
    text = """
apiVersion: v1
kind: List
items:
- kind: rule
  metadata: {name: a, namespace: x}
- kind: ruleList
  items:
  - kind: rule
    metadata: {name: b, namespace: x}
"""
    assert names(parse(text)) == ["a.rule.x", "b.rule.x"]


def test_annotations_are_kept_with_their_places() -> None:
    text = "kind: rule\nmetadata:\n  name: a\n  namespace: b\n  annotations:\n    k: v\n"
    annotation = parse(text).resources[0].annotations["k"]
    assert (annotation.text, annotation.location.line) == ("v", 6)


def test_of_equal_resources_the_last_file_counts_with_a_warning() -> None:
    combined = combine([parse(RULE, "a.yaml"), parse(RULE, "b.yaml")])
    (resource,) = combined.resources
    assert resource.location.file == "b.yaml"
    (problem,) = combined.problems
    assert (problem.code, problem.severity) == (codes.DUPLICATE_RESOURCE, Severity.WARNING)
    assert "a.yaml:2" in problem.message


def test_combined_resources_are_sorted() -> None:
    other = RULE.replace("name: r", "name: a")
    assert names(combine([parse(RULE), parse(other)])) == ["a.rule.shop", "r.rule.shop"]


def test_overlay_replaces_defaults_without_a_word() -> None:
    lower = combine([parse(RULE + "---" + RULE.replace("name: r", "name: q"), "default.yaml")])
    upper = combine([parse(RULE, "mine.yaml")])
    both = overlay(lower, upper)
    assert [(each.name, each.location.file) for each in both.resources] == [
        ("q.rule.shop", "default.yaml"),
        ("r.rule.shop", "mine.yaml"),
    ]
    assert both.problems == ()


def test_overlay_is_available_only_if_both_are() -> None:
    gone = LoadedResources(is_available=False)
    assert not overlay(LoadedResources(), gone).is_available
    assert overlay(LoadedResources(), LoadedResources()).is_available
