"""What is wrong with the parameters of `prometheus`, all of it at once. Pure."""

from collections.abc import Iterator

from remixer.adapters.prometheus.params import Kind, MetricInfo, Params
from remixer.adapters.prometheus.shapes import (
    MetricShape,
    is_label_name,
    is_metric_name,
    sanitised,
    shape_of,
)
from remixer.sdk import HandlerContext, ParamProblem
from remixer.sdk.buckets import bucket_problems


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """Faults of each metric, then of metrics among each other, then of the policy."""
    sound: dict[int, MetricShape] = {}
    for index, info in enumerate(params.metrics):
        faults = tuple(_metric_problems(f"metrics[{index}]", info))
        yield from faults
        if not faults:
            sound[index] = shape_of(info)
    yield from _conflicts(sound)
    yield from _repeated_instances(params)
    yield from _policy_problems(params)


def _metric_problems(path: str, info: MetricInfo) -> Iterator[ParamProblem]:
    if info.kind is Kind.UNSPECIFIED:
        yield ParamProblem(f"{path}.kind", "is missing", "Use one of COUNTER, GAUGE, DISTRIBUTION.")
    name = _full_name(info)
    if not is_metric_name(name):
        yield ParamProblem(f"{path}.name", f"`{name}` is not a name that Prometheus knows")
    yield from _label_problems(path, info)
    if info.kind is Kind.DISTRIBUTION and info.buckets is not None:
        yield from bucket_problems(f"{path}.buckets", info.buckets)


def _full_name(info: MetricInfo) -> str:
    """The full name alone: cheap and safe, whatever else is wrong."""
    return shape_of(MetricInfo(info.name, info.instance_name, namespace=info.namespace)).name


def _label_problems(path: str, info: MetricInfo) -> Iterator[ParamProblem]:
    seen: set[str] = set()
    for index, raw in enumerate(info.label_names):
        label, place = sanitised(raw), f"{path}.label_names[{index}]"
        if not is_label_name(label):
            yield ParamProblem(place, f"`{raw}` is not a label name that Prometheus knows")
        elif label in seen:
            yield ParamProblem(place, f"`{raw}` is the label `{label}` again")
        elif label == "le" and info.kind is Kind.DISTRIBUTION:
            yield ParamProblem(place, "`le` is the label of a distribution's own bounds")
        seen.add(label)


def _conflicts(sound: dict[int, MetricShape]) -> Iterator[ParamProblem]:
    """One name, two shapes; or a name that another metric's lines use."""
    for index, shape in sound.items():
        for earlier, other in sound.items():
            if earlier >= index:
                break
            if shape != other and shape.exposed_names & other.exposed_names:
                yield ParamProblem(
                    f"metrics[{index}].name",
                    f"`{shape.name}` differs in kind, labels, description or buckets from "
                    f"metrics[{earlier}], `{other.name}`, which uses the same name",
                )
                break


def _repeated_instances(params: Params) -> Iterator[ParamProblem]:
    seen: dict[str, int] = {}
    for index, info in enumerate(params.metrics):
        first = seen.setdefault(info.instance_name, index)
        if first != index:
            yield ParamProblem(
                f"metrics[{index}].instance_name",
                f"`{info.instance_name}` already feeds metrics[{first}]",
            )


def _policy_problems(params: Params) -> Iterator[ParamProblem]:
    policy = params.metrics_expiration_policy
    if policy is None:
        return
    if policy.metrics_expiry_duration <= 0:
        yield ParamProblem(
            "metrics_expiration_policy.metrics_expiry_duration", "must be longer than 0"
        )
    if policy.expiry_check_interval_duration < 0:
        yield ParamProblem(
            "metrics_expiration_policy.expiry_check_interval_duration",
            "is negative",
            "Leave it out for half of metrics_expiry_duration.",
        )
