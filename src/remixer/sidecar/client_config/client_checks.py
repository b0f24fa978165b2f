"""`HttpClientConfig` and `TcpClientConfig` out of a document: decoded, checked, made whole.

What the protocol calls unset (0 in a number or duration) becomes the default that it stands for.
"""

from dataclasses import replace

from remixer.foundation.findings import hint_for
from remixer.sidecar.client_config import codes
from remixer.sidecar.client_config.checks import (
    check_attributes,
    check_quota_spec,
    check_service,
    check_transport,
)
from remixer.sidecar.client_config.messages import (
    HttpClientConfig,
    Original,
    TcpClientConfig,
    TransportConfig,
)
from remixer.sidecar.client_config.spots import Spot
from remixer.wire.proto_json.decode import decode


def http_client(spot: Spot) -> HttpClientConfig | None:
    """None after any fault of its types."""
    client = decode(spot.node, HttpClientConfig(), spot.place)
    if client is None:
        return None
    check_transport(client.transport, spot.field("transport"))
    check_attributes(client.mixer_attributes, spot.field("mixer_attributes"))
    check_attributes(client.forward_attributes, spot.field("forward_attributes"))
    for name, service in client.service_configs.items():
        check_service(service, spot.field("service_configs").item(name))
    _check_default(client, spot)
    return replace(client, transport=whole_transport(client.transport))


def _check_default(client: HttpClientConfig, spot: Spot) -> None:
    name = client.default_destination_service
    if name and name not in client.service_configs:
        message = f"`service_configs` has no entry `{name}`"
        hint = hint_for(name, client.service_configs) or "Add one; `{}` will do."
        spot.field("default_destination_service").error(codes.NO_SUCH_SERVICE, message, hint)
    elif not client.service_configs:
        message = "no service is configured: nothing is checked, and nothing reported"
        hint = "Add `service_configs: {default: {}}` and `default_destination_service: default`."
        spot.field("service_configs").warning(codes.WITHOUT_EFFECT, message, hint)


def tcp_client(spot: Spot) -> TcpClientConfig | None:
    """None after any fault of its types."""
    client = decode(spot.node, TcpClientConfig(), spot.place)
    if client is None:
        return None
    check_transport(client.transport, spot.field("transport"))
    check_attributes(client.mixer_attributes, spot.field("mixer_attributes"))
    if client.connection_quota_spec.rules:
        check_quota_spec(client.connection_quota_spec, spot.field("connection_quota_spec"))
    interval = client.report_interval
    interval = Original.REPORT_INTERVAL if interval < 0 else interval
    return replace(
        client,
        transport=whole_transport(client.transport),
        report_interval=max(interval, Original.SHORTEST_REPORT_INTERVAL),
    )


def whole_transport(transport: TransportConfig) -> TransportConfig:
    """With 0 replaced by what it stands for; what was not given stays None."""
    entries, longest = transport.report_batch_max_entries, transport.report_batch_max_time
    return replace(
        transport,
        stats_update_interval=transport.stats_update_interval or Original.STATS_UPDATE_INTERVAL,
        report_batch_max_entries=Original.REPORT_BATCH_MAX_ENTRIES if entries == 0 else entries,
        report_batch_max_time=Original.REPORT_BATCH_MAX_TIME if longest == 0 else longest,
        check_cluster=transport.check_cluster or Original.CLUSTER,
        report_cluster=transport.report_cluster or Original.CLUSTER,
    )
