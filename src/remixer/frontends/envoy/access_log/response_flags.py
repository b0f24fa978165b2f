"""Envoy's response flags as the short codes of `context.proxy_error_code`."""

from typing import Final

from remixer.wire._pb.envoy.data.accesslog.v3.accesslog_pb2 import ResponseFlags

NO_FLAG: Final = "-"

SHORT_CODES: Final = {
    "failed_local_healthcheck": "LH",
    "no_healthy_upstream": "UH",
    "upstream_request_timeout": "UT",
    "local_reset": "LR",
    "upstream_remote_reset": "UR",
    "upstream_connection_failure": "UF",
    "upstream_connection_termination": "UC",
    "upstream_overflow": "UO",
    "no_route_found": "NR",
    "delay_injected": "DI",
    "fault_injected": "FI",
    "rate_limited": "RL",
    "unauthorized_details": "UAEX",
    "rate_limit_service_error": "RLSE",
    "downstream_connection_termination": "DC",
    "upstream_retry_limit_exceeded": "URX",
    "stream_idle_timeout": "SI",
    "invalid_envoy_request_headers": "IH",
    "downstream_protocol_error": "DPE",
    "upstream_max_stream_duration_reached": "UMSDR",
    "response_from_cache_filter": "RFCF",
    "no_filter_config_found": "NFCF",
    "duration_timeout": "DT",
    "upstream_protocol_error": "UPE",
    "no_cluster_found": "NC",
    "overload_manager": "OM",
    "dns_resolution_failure": "DF",
    "downstream_remote_reset": "DR",
}
"""Field of `ResponseFlags` to short code, in the order of the fields."""


def proxy_error_code(flags: ResponseFlags) -> str:
    """`UF,URX`: the codes of all raised flags in field order; `-` if there is none."""
    raised = flags.ListFields()
    if not raised:
        return NO_FLAG
    codes = (SHORT_CODES.get(field.name) for field, _ in raised)
    return ",".join(code for code in codes if code is not None) or NO_FLAG
