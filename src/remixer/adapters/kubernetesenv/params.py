"""Parameters of `kubernetesenv` and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass

from remixer.attributes.values import Duration
from remixer.drivers.kubernetes import kubernetes_is_installed
from remixer.sdk import HandlerContext, ParamProblem

_FIVE_MINUTES = Duration(300 * 1_000_000_000)


@dataclass(frozen=True, slots=True)
class Params:
    """Which cluster, how often everything is listed anew, where further clusters are named."""

    kubeconfig_path: str = ""
    cache_refresh_duration: Duration = _FIVE_MINUTES
    cluster_registries_namespace: str = ""


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """A negative time; a missing library."""
    if not kubernetes_is_installed():
        yield ParamProblem(
            "",
            "the Kubernetes client is not installed",
            "Run pip install 'remixer[kubernetes]'.",
        )
    if params.cache_refresh_duration < 0:
        yield ParamProblem(
            "cache_refresh_duration", "is negative", "Use 0s to rely on watches alone."
        )
