"""What the parameters of every quota adapter must keep to: one limit for each instance."""

from collections.abc import Iterator, Sequence

from remixer.sdk.adapter import HandlerContext
from remixer.sdk.params import ParamProblem


def limit_problems(names: Sequence[str | None], context: HandlerContext) -> Iterator[ParamProblem]:
    """Names that `quotas` has twice, and instances that it lacks.

    `names`: those of the entries, in order; None for one that is at fault already.
    """
    seen: dict[str, int] = {}
    for index, name in enumerate(names):
        if name is None:
            continue
        first = seen.setdefault(name, index)
        if first != index:
            yield ParamProblem(f"quotas[{index}].name", f"`{name}` already has quotas[{first}]")
    for instance in context.of_template("quota"):
        if instance.name not in seen:
            yield ParamProblem(
                "quotas",
                f"no quota for instance `{instance.name}`, which a rule sends here",
                f"Add an entry with `name: {instance.name}`.",
            )
