"""The rules that rows are measured with, as YAML texts."""

from pathlib import Path

from bench.subjects import EXPRESSIONS, OUT_OF_PROCESS

CONFIGS = Path(__file__).parent / "configs"


def policy_text(config: str, *, back_end: str = "") -> str:
    """`back_end`: the address of the out-of-process adapter, where one is asked."""
    if config == OUT_OF_PROCESS:
        from bench.out_of_process import policy  # noqa: PLC0415 - reaches much of the package

        return policy(back_end, MIXER_ATTRIBUTES)
    if config in EXPRESSIONS:
        return denial_if(EXPRESSIONS[config])
    return (CONFIGS / f"{config}.yaml").read_text()


def denial_if(condition: str, *, namespace: str = "shop", name: str = "closed") -> str:
    """One rule that denies when `condition` holds."""
    return "---\n".join(
        (
            _resource("handler", f"deny-{name}", namespace, "{compiledAdapter: denier}"),
            _resource("instance", f"nothing-{name}", namespace, "{compiledTemplate: checknothing}"),
            _resource(
                "rule",
                name,
                namespace,
                f"\n  match: '{condition}'\n"
                f"  actions: [{{handler: deny-{name}, instances: [nothing-{name}]}}]",
            ),
        )
    )


MIXER_ATTRIBUTES = {
    "user": "source.user",
    "namespace": "destination.namespace",
    "host": "destination.service.host",
    "path": "request.path",
    "method": "request.method",
}
"""What the out-of-process adapter is told, by the names that `out_of_process` gives it."""


def _resource(kind: str, name: str, namespace: str, spec: str) -> str:
    return (
        f"apiVersion: config.istio.io/v1alpha2\nkind: {kind}\n"
        f"metadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
