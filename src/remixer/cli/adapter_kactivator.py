"""What `remixer adapter kactivator` does: flags become the defaults of handlers' parameters."""

from dataclasses import dataclass, replace
from typing import Final

from remixer.adapters.kactivator import (
    INFO,
    Hold,
    Mode,
    Params,
    Probe,
    ReadinessSource,
    WireEncoding,
)
from remixer.adapters.kactivator.params import POD_NAME_START
from remixer.attributes.values import Duration
from remixer.cli.exits import OperatorError
from remixer.observability.logs import LogFormat, LogLevel
from remixer.sdk import AdapterInfo, HandlerContext
from remixer.server.adapter_server import AdapterServerSettings, serve_adapter
from remixer.server.settings import Transport
from remixer.transport.port import TlsFiles

_SECOND_NS: Final = 1_000_000_000
_CALL_MARGIN_S: Final = 5.0
"""A call may take so much longer than a request is held."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What flags and environment say."""

    autoscaler: str
    encoding: str
    release: str = ""
    pod_name: str = ""
    mode: str = "answer"
    readiness: str = "none"
    probe_address: str = ""
    hold_timeout_s: float = 30.0
    revisions: tuple[str, ...] = ()


def kactivator_info(wanted: Wanted) -> AdapterInfo[Params]:
    """The adapter with other defaults. Raises `OperatorError` for what validation refuses."""
    pod_name = wanted.pod_name
    if pod_name and not pod_name.startswith(POD_NAME_START):
        pod_name = f"{POD_NAME_START}-{pod_name}"
    probe = Probe(address=wanted.probe_address) if wanted.probe_address else Probe()
    params = Params(
        autoscaler_endpoint=wanted.autoscaler,
        encoding=WireEncoding[wanted.encoding.upper()],
        release=wanted.release,
        pod_name=pod_name,
        mode=Mode[wanted.mode.upper()],
        readiness=ReadinessSource[wanted.readiness.replace("-", "_").upper()],
        probe=probe,
        hold=Hold(timeout=Duration(round(wanted.hold_timeout_s * _SECOND_NS))),
        revisions=wanted.revisions,
    )
    problems = tuple(INFO.validate(params, HandlerContext(INFO.name, ())))
    if problems:
        raise OperatorError(
            what="; ".join(f"{each.path} {each.message}" for each in problems),
            where="the command line, or a variable of the environment",
            next_step=problems[0].hint,
        )
    return replace(INFO, defaults=params)


def serve_kactivator(
    wanted: Wanted,
    *,
    address: str,
    tls: TlsFiles | None,
    metrics_address: str | None,
    drain_grace_s: float,
    log_level: LogLevel,
    log_format: LogFormat,
) -> int:
    """Serve until stopped; the exit code."""
    settings = AdapterServerSettings(
        address=address,
        metrics_address=metrics_address,
        transport=Transport.GRPCIO,
        tls=tls,
        adapter_timeout_s=wanted.hold_timeout_s + _CALL_MARGIN_S,
        drain_grace_s=drain_grace_s,
        log_level=log_level,
        log_format=log_format,
    )
    return serve_adapter(kactivator_info(wanted), settings=settings)
