"""Configuration texts for tests, one document per call: `handler("deny", DENY)`.

Names and namespaces go into flow-style YAML as they are.
"""

from typing import Final

VOCABULARY: Final = """
kind: attributemanifest
metadata: {name: words, namespace: istio-system}
spec:
  attributes:
    context.reporter.kind: {valueType: STRING}
    destination.namespace: {valueType: STRING}
    source.namespace: {valueType: STRING}
    request.headers: {valueType: STRING_MAP}
    user: {valueType: STRING}
    size: {valueType: INT64}
---
"""
DENY: Final = "status: {code: 7, message: denied}"
FAIL: Final = "fails: true"


def handler(
    name: str, params: str = "", *, adapter: str = "scripted", namespace: str = "shop"
) -> str:
    return _document(
        "handler", name, namespace, f"{{compiledAdapter: {adapter}, params: {{{params}}}}}"
    )


def instance(
    name: str, template: str, params: str = "", *, bindings: str = "", namespace: str = "shop"
) -> str:
    """`params` and `bindings` are fields in flow style."""
    more = f", attributeBindings: {{{bindings}}}" if bindings else ""
    spec = f"{{compiledTemplate: {template}, params: {{{params}}}{more}}}"
    return _document("instance", name, namespace, spec)


def rule(name: str, *actions: str, match: str = "", more: str = "", namespace: str = "shop") -> str:
    """`more` is further fields of the spec, in flow style."""
    fields = [f"match: '{match}'" if match else "", f"actions: [{', '.join(actions)}]", more]
    return _document("rule", name, namespace, f"{{{', '.join(each for each in fields if each)}}}")


def action(handler_name: str, *instances: str, name: str = "") -> str:
    """One action of a rule."""
    more = f", name: {name}" if name else ""
    return f"{{handler: {handler_name}, instances: [{', '.join(instances)}]{more}}}"


def _document(kind: str, name: str, namespace: str, spec: str) -> str:
    return f"""
kind: {kind}
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
---
"""


NOTHING: Final = instance("nothing", "checknothing")
EVENT: Final = instance("event", "reportnothing")
