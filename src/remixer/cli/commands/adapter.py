"""`remixer adapter`: write, describe, serve and list adapters."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from remixer.cli.address_options import listen_address
from remixer.cli.commands.adapter_kactivator import kactivator
from remixer.cli.console import OutputFlag, OutputFormat
from remixer.cli.exits import ExitCode
from remixer.observability.logs import LogFormat, LogLevel
from remixer.transport.port import TlsFiles

app = typer.Typer(add_completion=False)

_TARGET: Final = typer.Argument(
    metavar="TARGET", help="`package.module:INFO`, or a name that `remixer adapter list` shows."
)


class Stack(StrEnum):
    """The HTTP/2 stack under gRPC."""

    OWN = "own"
    GRPCIO = "grpcio"


class ResourceFormat(StrEnum):
    """How resources are printed."""

    YAML = "yaml"
    JSON = "json"


@app.callback()
def adapter() -> None:
    """Write, describe, serve and list adapters."""


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the adapter and its package.")],
    *,
    template: Annotated[
        str, typer.Option("--template", metavar="TEMPLATE", help="What it is given, as `metric`.")
    ],
    in_process: Annotated[
        bool, typer.Option("--in-process", help="To run inside Remixer's own process.")
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Where the package's folder goes.")
    ] = Path(),
) -> int:
    """Make the package of an adapter that works, to change from there.

    Exit codes:
    0 the package was written
    1 it could not be written
    2 the command line cannot be understood, or the folder exists already
    """
    from remixer.cli.adapter_calls import new_adapter

    new_adapter(name, template, output, in_process=in_process)
    return ExitCode.DONE


@app.command("describe")
def describe(
    target: Annotated[str, _TARGET],
    *,
    namespace: Annotated[
        str, typer.Option(metavar="NAMESPACE", help="Of the resources.")
    ] = "istio-system",
    session_based: Annotated[
        bool, typer.Option("--session-based", help="Say so in the `adapter` resource.")
    ] = False,
    templates: Annotated[
        bool, typer.Option("--templates/--no-templates", help="The `template` resources too.")
    ] = True,
    output: Annotated[
        ResourceFormat, typer.Option("--output", "-o", help="One stream of documents, or a List.")
    ] = ResourceFormat.YAML,
) -> int:
    """Print the `adapter` and `template` resources, descriptors included, for any Mixer.

    Exit codes:
    0 printed
    1 the adapter cannot be imported, or its parameters have no protobuf form
    2 the command line cannot be understood, or there is no such adapter
    """
    from remixer.cli.adapter_calls import describe as print_resources

    print_resources(
        target,
        namespace=namespace,
        session_based=session_based,
        with_templates=templates,
        as_json=output is ResourceFormat.JSON,
    )
    return ExitCode.DONE


@app.command("serve")
def serve(  # noqa: PLR0913 - typer reads one parameter per flag
    target: Annotated[str, _TARGET],
    *,
    address: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT|unix:PATH",
            help="Where Mixers call it, over gRPC.",
            callback=listen_address,
        ),
    ] = "127.0.0.1:9070",
    metrics_address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Metrics at /metrics, over HTTP.",
            callback=listen_address,
        ),
    ] = None,
    transport: Annotated[Stack, typer.Option(help="The HTTP/2 stack under gRPC.")] = Stack.GRPCIO,
    tls_certificate: Annotated[
        str | None, typer.Option(metavar="FILE", help="PEM; read again when it changes.")
    ] = None,
    tls_key: Annotated[
        str | None, typer.Option(metavar="FILE", help="PEM; the key of the certificate.")
    ] = None,
    tls_client_ca: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="PEM; Mixers must show a certificate of these."),
    ] = None,
    adapter_timeout: Annotated[
        float, typer.Option(min=0.001, metavar="SECONDS", help="Longest wait for one call.")
    ] = 5.0,
    drain_grace: Annotated[
        float, typer.Option(min=0.0, metavar="SECONDS", help="For accepted calls, after SIGTERM.")
    ] = 15.0,
    log_level: Annotated[LogLevel, typer.Option(help="Least level logged.")] = LogLevel.INFO,
    log_format: Annotated[LogFormat, typer.Option(help="How a line looks.")] = LogFormat.CONSOLE,
) -> int:
    """Serve an adapter to Mixers until SIGTERM or Ctrl-C.

    Exit codes:
    0 stopped on request, after finishing what was accepted
    1 it could not start, or cannot be imported
    2 the command line cannot be understood, or there is no such adapter
    """
    tls = _tls(tls_certificate, tls_key, tls_client_ca)
    from remixer.cli.adapter_calls import serve as run_server
    from remixer.server.adapter_server import AdapterServerSettings
    from remixer.server.settings import Transport

    settings = AdapterServerSettings(
        address=address,
        metrics_address=metrics_address,
        transport=Transport(transport.value),
        tls=tls,
        adapter_timeout_s=adapter_timeout,
        drain_grace_s=drain_grace,
        log_level=log_level,
        log_format=log_format,
    )
    return run_server(target, settings)


@app.command("list")
def list_(output: OutputFlag = OutputFormat.TEXT) -> int:
    """Show the adapters that configuration can name, and the templates they take.

    Exit codes:
    0 all could be loaded
    1 an installed one could not
    2 the command line cannot be understood
    """
    from remixer.cli.adapter_calls import list_adapters

    return ExitCode.DONE if list_adapters(output) else ExitCode.FAILED


app.command("kactivator")(kactivator)


def _tls(certificate: str | None, key: str | None, client_ca: str | None) -> TlsFiles | None:
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        missing = "--tls-certificate" if certificate is None else "--tls-key"
        message = f"TLS needs {missing}"
        raise typer.BadParameter(message)
    return TlsFiles(certificate, key, client_ca)
