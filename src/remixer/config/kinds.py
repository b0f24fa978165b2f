"""Kinds of resources that Mixer knows, this version's or not, and those of our own.

Source: Mixer 1.3's compiled-in adapters and templates and its API group.
"""

from typing import Final

API_GROUP: Final = "config.istio.io"
OWN_API_GROUP: Final = "remixer.dev"
OWN_API_VERSION: Final = "v1alpha1"

CACHE_POLICY: Final = "CachePolicy"
FAILURE_POLICY: Final = "FailurePolicy"
OWN_KINDS: Final = frozenset({CACHE_POLICY, FAILURE_POLICY})
"""Kinds that Mixer does not have, in an API group of their own."""

ATTRIBUTE_MANIFEST: Final = "attributemanifest"
HANDLER: Final = "handler"
INSTANCE: Final = "instance"
RULE: Final = "rule"
ADAPTER: Final = "adapter"
TEMPLATE: Final = "template"
CORE_KINDS: Final = frozenset({ATTRIBUTE_MANIFEST, HANDLER, INSTANCE, RULE, ADAPTER, TEMPLATE})

# Compiled into Mixer 1.3; each was also a kind. Those that are not supplied to `resolve`
# are reported as not supported instead of being ignored.
MIXER_ADAPTERS: Final = frozenset(
    {
        "bypass",
        "circonus",
        "cloudwatch",
        "denier",
        "dogstatsd",
        "fluentd",
        "kubernetesenv",
        "listchecker",
        "memquota",
        "noop",
        "opa",
        "prometheus",
        "redisquota",
        "signalfx",
        "solarwinds",
        "stackdriver",
        "statsd",
        "stdio",
        "zipkin",
    }
)
MIXER_TEMPLATES: Final = frozenset(
    {
        "apikey",
        "authorization",
        "checknothing",
        "edge",
        "kubernetes",
        "listentry",
        "logentry",
        "metric",
        "quota",
        "reportnothing",
        "tracespan",
    }
)

# Same API group, but read by the proxies' control plane, not by Mixer.
CONTROL_PLANE_KINDS: Final = frozenset(
    {"QuotaSpec", "QuotaSpecBinding", "HTTPAPISpec", "HTTPAPISpecBinding"}
)

OTLP_SUCCEEDS: Final = frozenset({"circonus", "signalfx", "solarwinds", "stackdriver"})
"""Adapters of vendors' back ends, whose work `otlp` does."""


def successor_hint(name: str) -> str:
    """What to use in place of an adapter that is not there; `""` if nothing is."""
    if name not in OTLP_SUCCEEDS:
        return ""
    return f"Use `otlp`; docs/migration-adapters.md#{name} has its parameters."
