"""`remixer adapter kactivator`: the adapter that wakes Knative, as a process of its own."""

from enum import StrEnum
from typing import Annotated, Final

import typer

from remixer.cli.address_options import listen_address
from remixer.observability.logs import LogFormat, LogLevel
from remixer.transport.port import TlsFiles

_DEFAULT_AUTOSCALER: Final = "ws://autoscaler.knative-serving.svc.cluster.local:8080"
_DEFAULT_ADDRESS: Final = "127.0.0.1:6100"
_HIGHEST_PORT: Final = 65_535


class EncodingName(StrEnum):
    """What the autoscaler reads."""

    PROTOBUF = "protobuf"
    GOB = "gob"
    AUTO = "auto"


class ModeName(StrEnum):
    """What becomes of requests for revisions that sleep."""

    ANSWER = "answer"
    HOLD = "hold"


class ReadinessName(StrEnum):
    """How it is known who is awake."""

    NONE = "none"
    PROBE = "probe"
    ENDPOINT_SLICES = "endpoint-slices"


def kactivator(  # noqa: PLR0913 - typer reads one parameter per flag
    port: Annotated[
        int | None,
        typer.Argument(
            metavar="PORT",
            min=0,
            max=_HIGHEST_PORT,
            help="Listen there on all interfaces, as the adapter of 2019 did.",
        ),
    ] = None,
    *,
    address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT|unix:PATH",
            help="Where Mixers call it, over gRPC.",
            callback=listen_address,
        ),
    ] = _DEFAULT_ADDRESS,
    autoscaler: Annotated[
        str,
        typer.Option(
            metavar="URL",
            envvar="AUTOSCALER_ENDPOINT",
            help="For handlers whose `autoscaler_endpoint` is not set.",
        ),
    ] = _DEFAULT_AUTOSCALER,
    encoding: Annotated[
        EncodingName, typer.Option(help="`protobuf` since Knative 0.17; `gob` before.")
    ] = EncodingName.PROTOBUF,
    release: Annotated[
        str, typer.Option(metavar="VERSION", help="Of Knative, for `gob` and `auto`: 0.6.")
    ] = "",
    pod_name: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            envvar=["POD_NAME", "MY_POD_NAME"],
            help="Sender of the stats; `activator-` is put before it if missing.",
        ),
    ] = "",
    mode: Annotated[
        ModeName, typer.Option(help="`answer` at once, or `hold` until an endpoint answers.")
    ] = ModeName.ANSWER,
    readiness: Annotated[
        ReadinessName, typer.Option(help="How it is known that a revision is awake.")
    ] = ReadinessName.NONE,
    probe_address: Annotated[
        str, typer.Option(metavar="URL", help="With {name} and {namespace}; for `probe`.")
    ] = "",
    hold_timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Longest hold of a request.")
    ] = 30.0,
    revision: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMESPACE/REVISION", help="One that may be woken; repeated. None: all."
        ),
    ] = None,
    metrics_address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Metrics at /metrics, over HTTP.",
            callback=listen_address,
        ),
    ] = None,
    tls_certificate: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="GRPC_ADAPTER_CREDENTIAL",
            help="PEM; read again when it changes.",
        ),
    ] = None,
    tls_key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", envvar="GRPC_ADAPTER_PRIVATE_KEY", help="PEM; of the certificate."
        ),
    ] = None,
    tls_client_ca: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            envvar="GRPC_ADAPTER_CERTIFICATE",
            help="PEM; Mixers must show a certificate of these.",
        ),
    ] = None,
    drain_grace: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="For accepted calls, after SIGTERM.")
    ] = 15.0,
    log_level: Annotated[LogLevel, typer.Option(help="Least level logged.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(help="How a line looks.")] = LogFormat.CONSOLE,
) -> int:
    """Serve `kactivator` to any Mixer until SIGTERM or Ctrl-C.

    What a handler's own parameters say counts more than the flags.

    Exit codes:
    0 stopped on request, after finishing what was accepted
    1 it could not start
    2 the command line cannot be understood
    """
    from remixer.cli.adapter_kactivator import Wanted, serve_kactivator

    wanted = Wanted(
        autoscaler=autoscaler,
        encoding=encoding.value,
        release=release,
        pod_name=pod_name,
        mode=mode.value,
        readiness=readiness.value,
        probe_address=probe_address,
        hold_timeout_s=hold_timeout,
        revisions=tuple(revision or ()),
    )
    return serve_kactivator(
        wanted,
        address=address if port is None else f"0.0.0.0:{port}",  # the original's: all interfaces
        tls=_tls(tls_certificate, tls_key, tls_client_ca),
        metrics_address=metrics_address,
        drain_grace_s=drain_grace,
        log_level=log_level,
        log_format=log_format,
    )


def _tls(certificate: str | None, key: str | None, client_ca: str | None) -> TlsFiles | None:
    """As the original: the certificate switches TLS on, and Mixers then need one, too."""
    if certificate is None:
        return None
    if key is None or client_ca is None:
        missing = "--tls-key" if key is None else "--tls-client-ca"
        message = f"TLS needs {missing} (or the variable beside it in --help)"
        raise typer.BadParameter(message)
    return TlsFiles(certificate, key, client_ca)
