"""The law of incremental resolving: with what it remembers, a run gives what it gives without."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import plain_bag
from remixer.config.memory import ResolveMemory
from remixer.config.resolve import resolve
from remixer.config.resources import ParsedFile, combine, parse_file
from remixer.config.snapshot import (
    FailureConfig,
    HeaderOperationConfig,
    InstanceConfig,
    RuleConfig,
    Snapshot,
)
from remixer.expr.compile import Expression
from remixer.sdk.adapter import AdapterInfo, HandlerContext
from remixer.sdk.params import ParamProblem
from remixer.templates.build import InstanceError
from remixer.templates.instances import BUILTIN_TEMPLATES
from remixer.testing.scripted import LOOKUP, Journal, Script, scripted_adapters


def validate(params: Script, context: HandlerContext) -> Iterable[ParamProblem]:
    """Looks at everything that may change: parameters and instances."""
    if params.grant < 0:
        yield ParamProblem("grant", "must not be negative")
    if params.fails and not context.of_template("checknothing"):
        yield ParamProblem("fails", "nothing is asked without telling anything")


ADAPTERS: Final[dict[str, AdapterInfo[Script]]] = {
    info.name: replace(info, validate=validate) for info in scripted_adapters(Journal())
}
TEMPLATES: Final = {each.name: each for each in (*BUILTIN_TEMPLATES, LOOKUP)}


def document(kind: str, name: str, spec: str) -> str:
    short, _, namespace = name.rpartition(".")
    return f"kind: {kind}\nmetadata: {{name: {short}, namespace: {namespace}}}\nspec: {spec}\n"


def manifest(types: str) -> str:
    return document("attributemanifest", "words.shop", f"{{attributes: {{{types}}}}}")


def scripted(name: str, params: str) -> str:
    return document("handler", name, f"{{compiledAdapter: scripted, params: {{{params}}}}}")


def instance(name: str, template: str, fields: str) -> str:
    return document("instance", name, f"{{compiledTemplate: {template}, {fields}}}")


def rule(name: str, handler: str, instances: str, match: str = "", value: str = '"1"') -> str:
    actions = f"[{{handler: {handler}, instances: [{instances}], name: x}}]"
    headers = f"[{{name: a, values: ['{value}']}}]"
    return document(
        "rule",
        name,
        f"{{match: '{match}', actions: {actions}, requestHeaderOperations: {headers}}}",
    )


def policy(kind: str, name: str, spec: str) -> str:
    return "apiVersion: remixer.dev/v1alpha1\n" + document(kind, name, f"{{{spec}}}")


TYPES = "user: {valueType: STRING}, size: {valueType: INT64}"

# Files with the variants that each may hold. The first of all together have no problem.
VARIANTS: Final[tuple[tuple[str, ...], ...]] = (
    (
        manifest(TYPES),
        manifest(TYPES + ", more: {valueType: STRING}"),
        manifest("user: {valueType: INT64}, size: {valueType: INT64}"),
        manifest("user: {valueType: STRING}"),
        "[",
    ),
    ("", manifest("size: {valueType: STRING}").replace("words", "words2")),
    (
        scripted("h.shop", "grant: 0"),
        scripted("h.shop", "grant: 1"),
        scripted("h.shop", "grant: -1"),
        scripted("h.shop", "fails: true"),
        scripted("h.shop", "typo: 1"),
        "",
    ),
    ("", document("h", "shop.shop", "{}"), document("scripted", "h.shop", "{grant: 3}")),
    (scripted("g.istio-system", "grant: 0"), scripted("g.istio-system", "grant: -1"), ""),
    (
        instance("i.shop", "listentry", "params: {value: user}"),
        instance("i.shop", "listentry", 'params: {value: user + "x"}'),
        instance("i.shop", "listentry", "params: {value: size}"),
        instance("i.shop", "checknothing", "params: {}"),
        document("listentry", "i.shop", "{value: user}"),
        "",
    ),
    (
        instance("key.shop", "lookup", "params: {key: user}"),
        instance("key.shop", "checknothing", "params: {}"),
        instance("key.shop", "lookup", "params: {key: typo}"),
    ),
    (
        instance("pod.shop", "kubernetes", "attributeBindings: {user: $out.source_pod_name}"),
        instance("pod.shop", "kubernetes", "attributeBindings: {user: $out.source_pod_ip}"),
        instance("pod.shop", "kubernetes", "attributeBindings: {size: $out.typo}"),
    ),
    ("", instance("pod2.shop", "kubernetes", "attributeBindings: {user: $out.source_pod_uid}")),
    (
        rule("a.shop", "h", "i", 'user == "a"'),
        rule("a.shop", "h", "i", 'user == "b"'),
        rule("a.shop", "h", "i, i"),
        rule("a.shop", "h.scripted", "i.listentry"),
        rule("a.shop", "g", "i"),
    ),
    (
        rule("b.shop", "h", "key", "size == 1", "x.output.value"),
        rule("b.shop", "h", "key, i", "", "x.output.value + user"),
        rule("b.shop", "g.istio-system", "key", "", 'x.output.value | "-"'),
    ),
    (rule("c.bank", "h.shop", "i.shop, pod.shop"), rule("c.bank", "h", "i"), ""),
    (
        rule("d.istio-system", "g", "pod.shop"),
        rule("d.istio-system", "g", "pod2.shop, key.shop"),
        rule("d.istio-system", "g", "pod2.shop", 'user == "x"'),
    ),
    (
        "",
        policy("CachePolicy", "p.shop", "rules: [a], maxAge: 1s"),
        policy("CachePolicy", "p.shop", "handlers: [h], namespaces: [shop], maxAge: 2s"),
        policy("CachePolicy", "p.shop", "handlers: [h, nobody], maxAge: -2s"),
    ),
    ("", policy("CachePolicy", "q.bank", "rules: [a.shop, c], namespaces: [bank, shop]")),
    (
        "",
        policy("FailurePolicy", "p.shop", "handlers: [h], timeout: 1s, onFailure: [open]"),
        policy(
            "FailurePolicy", "p.shop", "rules: [a, b], onFailure: [fallback, open], fallback: f"
        ),
        policy("FailurePolicy", "p.shop", "rules: [d.istio-system], breaker: {}"),
    ),
    (
        "",
        scripted("f.shop", "grant: 2"),
        scripted("f.shop", "grant: -1"),
        scripted("f.shop", "x: 1"),
    ),
)

edits = st.sampled_from([(file, text) for file, texts in enumerate(VARIANTS) for text in texts])


def parsed(file: int, text: str) -> ParsedFile:
    return parse_file(text.encode(), f"{file:02}.yaml")


def fresh() -> dict[int, ParsedFile]:
    return {file: parsed(file, texts[0]) for file, texts in enumerate(VARIANTS)}


def run(files: dict[int, ParsedFile], memory: ResolveMemory | None = None) -> Snapshot:
    loaded = combine(files[each] for each in sorted(files))
    return resolve(loaded, adapters=ADAPTERS, templates=TEMPLATES, memory=memory)


@given(st.lists(edits, min_size=1, max_size=8))
def test_what_is_remembered_changes_no_snapshot(changes: list[tuple[int, str]]) -> None:
    memory, files = ResolveMemory(), fresh()
    assert run(files, memory).problems == ()
    for file, text in changes:
        files[file] = parsed(file, text)
        assert seen(run(files, memory)) == seen(run(files))


@given(st.lists(edits, max_size=6))
def test_the_same_state_again_makes_nothing_anew_that_has_no_problem(
    changes: list[tuple[int, str]],
) -> None:
    memory, files = ResolveMemory(), fresh()
    for file, text in changes:
        files[file] = parsed(file, text)
    first = run(files, memory)
    compilations = memory.expressions.compilations
    again = run(files, memory)
    assert memory.expressions.compilations == compilations
    faulty = {problem.resource for problem in again.problems}
    earlier = {rule.name: rule for rule in first.rules}
    for each in again.rules:
        used = {each.name, *(action.handler.name for action in each.actions)}
        used |= {instance.name for action in each.actions for instance in action.instances}
        assert each is earlier[each.name] or used & faulty


@dataclass(frozen=True, slots=True)
class Seen:
    """All that tells one snapshot from another."""

    vocabulary: object
    rules: object
    handlers: object
    problems: object
    counts: object
    cache_by_namespace: object


def seen(snapshot: Snapshot) -> Seen:
    return Seen(
        dict(snapshot.vocabulary.types),
        [rule_seen(rule) for rule in snapshot.rules],
        [(replace(each, adapter=None), each.adapter.name) for each in snapshot.handlers],  # type: ignore[arg-type] # compared by name
        snapshot.problems,
        dict(snapshot.counts),
        dict(snapshot.cache_by_namespace),
    )


def rule_seen(rule: RuleConfig) -> object:
    return (
        rule.name,
        rule.namespace,
        expression_seen(rule.match),
        [
            (
                action.handler.name,
                action.handler.signature,
                action.name,
                action.cache,
                failure_seen(action.failure),
                *map(made, action.instances),
            )
            for action in rule.actions
        ],
        [header_seen(each) for each in rule.request_header_operations],
        rule.location,
        rule.cache,
    )


def failure_seen(failure: FailureConfig | None) -> object:
    fallback = None if failure is None else failure.fallback
    signature = None if fallback is None else fallback.signature
    return failure and (replace(failure, fallback=None), signature)


def header_seen(operation: HeaderOperationConfig) -> object:
    return operation.name, operation.kind, expression_seen(operation.value)


def expression_seen(expression: Expression | None) -> object:
    return expression and (expression.text, expression.type, expression.attributes)


def made(instance: InstanceConfig) -> object:
    """What is known of an instance, and what it makes of a request."""
    try:
        built: object = instance.build(plain_bag({"user": "a", "size": 1}))
    except InstanceError as error:
        built = str(error)
    bound = [
        (each.attribute, expression_seen(each.value), each.location)
        for each in instance.bindings.attributes
    ]
    return instance.name, instance.template.name, instance.type, built, bound, instance.location
