"""The HTTP filters of an Envoy in front of Knative revisions."""

from typing import Final, assert_never

from remixer.cli.knative.commented import Because, Document
from remixer.cli.knative.envoy_clusters import MIXER, TYPES
from remixer.cli.knative.envoy_plan import ANY_HOST, Endpoints, KnativeEnvoyPlan, Mode, Target

AUTHZ: Final = "envoy.filters.http.ext_authz"
AUTHZ_TYPE: Final = "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"
MODULE: Final = "remixer_envoy"
FILTER: Final = "remixer_knative"
LUA: Final = "envoy.filters.http.lua"
DESTINATION_HEADER: Final = "x-envoy-original-dst-host"
_HTTP_UNAVAILABLE: Final = 503


def http_filters(plan: KnativeEnvoyPlan) -> list[Document]:
    """In order; the router is the last."""
    filters: list[Document] = []
    if plan.endpoints is Endpoints.ORIGINAL_DST:
        filters.append(_strip_destination())
    match plan.mode:
        case Mode.RETRY | Mode.HOLD:
            filters.append(_ext_authz(plan))
        case Mode.FILTER:
            filters.append(_module(plan))
        case Mode.LUA:
            filters.append(_lua(plan))
        case _:
            assert_never(plan.mode)
    router = "envoy.extensions.filters.http.router.v3.Router"
    filters.append({"name": "envoy.filters.http.router", "typed_config": {"@type": TYPES + router}})
    return filters


def _strip_destination() -> Document:
    return Because(
        {
            "name": "envoy.filters.http.header_mutation",
            "typed_config": {
                "@type": TYPES + "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                "mutations": {"request_mutations": [{"remove": DESTINATION_HEADER}]},
            },
        },
        "A client must not choose where this Envoy connects to. Here and not at the route, where "
        "it would also take away what the grant brings.",
    )


def _ext_authz(plan: KnativeEnvoyPlan) -> Document:
    return {
        "name": AUTHZ,
        "typed_config": {
            "@type": TYPES + AUTHZ_TYPE,
            "transport_api_version": "V3",
            "grpc_service": {
                "envoy_grpc": {"cluster_name": MIXER},
                "timeout": _check_timeout(plan),
            },
            "status_on_error": Because(
                {"code": _HTTP_UNAVAILABLE}, "Envoy's own 403 would tell clients not to try again."
            ),
        },
    }


def _check_timeout(plan: KnativeEnvoyPlan) -> Document:
    if plan.mode is Mode.HOLD:
        return Because(
            f"{plan.cold_start_s + 1}s",
            "The check waits for the pod. A second longer than the adapter's hold.timeout "
            f"({plan.cold_start_s}s), so that clients get its 503 with retry-after and cause. "
            "Envoy's own default is 0.2 s.",
        )
    return Because(
        "1s", "The check only wakes, and is answered at once. Envoy's own default is 0.2 s."
    )


def context_extensions(target: Target) -> Document:
    """What `ext_authz` cannot know: of whom the request is, and who asks."""
    name, namespace = target.private_service, target.revision.namespace
    attributes: dict[str, Document] = {
        "destination.namespace": Because(namespace, "Chooses the rules."),
        "destination.service.name": Because(
            name,
            "The revision's private service, by which the adapter knows the revision. Envoy's own "
            "`Knative-Serving-Revision` headers are added later, by the route.",
        ),
        "destination.service.namespace": namespace,
        "destination.service.host": target.private_host,
        "context.reporter.kind": Because("outbound", "With the next one: a gateway's request."),
        "source.labels": "istio=ingressgateway",
    }
    return attributes


def _module(plan: KnativeEnvoyPlan) -> Document:
    settings: dict[str, Document] = {
        "autoscaler": plan.autoscaler,
        "mode": "hold",
        "recognise": Because(_recognition(plan), "How a request tells its revision."),
        "revisions": Because(
            {str(target.revision): "" for target in plan.targets},
            "Only these are ever reported, whatever hosts a scanner makes up; probed at "
            "probe.address.",
        ),
        "readiness": "probe",
        "probe": {"address": f"{{name}}-private.{{namespace}}.svc.cluster.local:{plan.pod_port}"},
        "awake_s": Because(
            30, "Shorter than the 60 s after which Knative lets a pod go: no sleep goes unnoticed."
        ),
        "hold": {"deadline_s": plan.cold_start_s, "max_requests": plan.held, "retry_after_s": 5},
    }
    return Because(
        {
            "name": FILTER,
            "typed_config": {
                "@type": TYPES
                + "envoy.extensions.filters.http.dynamic_modules.v3.DynamicModuleFilter",
                "dynamic_module_config": {"name": MODULE},
                "filter_name": FILTER,
                "filter_config": {
                    "@type": TYPES + "google.protobuf.Struct",
                    "value": settings,
                },
            },
        },
        f"lib{MODULE}.so, found in $ENVOY_DYNAMIC_MODULES_SEARCH_PATH; `make filters` builds it.",
    )


def _lua(plan: KnativeEnvoyPlan) -> Document:
    return {
        "name": LUA,
        "typed_config": {
            "@type": TYPES + "envoy.extensions.filters.http.lua.v3.Lua",
            "default_source_code": {"inline_string": plan.script},
        },
    }


def _recognition(plan: KnativeEnvoyPlan) -> Document:
    hosts: dict[str, Document] = {
        host: str(target.revision)
        for target in plan.targets
        for host in target.hosts
        if host != ANY_HOST
    }
    clusters: dict[str, Document] = {
        target.cluster: str(target.revision) for target in plan.targets if ANY_HOST in target.hosts
    }
    recognition: dict[str, Document] = {}
    if hosts:
        recognition["hosts"] = hosts
    if clusters:
        recognition["clusters"] = clusters
    return recognition
