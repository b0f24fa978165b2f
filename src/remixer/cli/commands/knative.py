"""`remixer knative`: what operators of Knative need beside the adapter."""

from pathlib import Path
from typing import Annotated, Final

import typer

from remixer.cli.commands.knative_poke import poke
from remixer.cli.exits import ExitCode
from remixer.cli.knative.envoy_plan import Endpoints, FileFormat, Mode

app = typer.Typer(add_completion=False)

_LONGEST_S: Final = 3600
_MOST_HELD: Final = 1_000_000


@app.callback()
def knative() -> None:
    """Wake revisions by hand; configure an Envoy that waits for them."""


@app.command("envoy-config")
def envoy_config(  # noqa: PLR0913 - each flag is a parameter
    *,
    mode: Annotated[
        Mode,
        typer.Option(
            help="Where a request waits for its pod: `retry` in Envoy's router, `hold` in the "
            "check, `filter` in a filter of Envoy's own; `lua` as `retry`, woken by a script."
        ),
    ],
    service: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMESPACE/REVISION[=HOST,…]",
            help="A revision and its hosts; may be given again. Without hosts: all.",
        ),
    ] = None,
    endpoints: Annotated[
        Endpoints,
        typer.Option(
            help="How Envoy finds pods: `service` by the private service's address, `eds` from a "
            "control plane, `original-dst` from a header of the grant."
        ),
    ] = Endpoints.SERVICE,
    cold_start: Annotated[
        int,
        typer.Option(
            metavar="SECONDS", min=1, max=_LONGEST_S, help="The longest start waited for."
        ),
    ] = 60,
    request_timeout: Annotated[
        int,
        typer.Option(
            metavar="SECONDS", min=1, max=_LONGEST_S, help="What a request may take at its pod."
        ),
    ] = 300,
    held: Annotated[
        int, typer.Option(min=1, max=_MOST_HELD, help="Requests that wait at once.")
    ] = 1024,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where Envoy listens.")] = "",
    mixer: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Remixer, for `retry` and `hold`.")
    ] = "",
    activate: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Remixer's --activate-address, for `lua`.")
    ] = "",
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="`filters/activate.lua`, for `lua`.")
    ] = None,
    control_plane: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="For `--endpoints eds`.")
    ] = "",
    autoscaler: Annotated[
        str, typer.Option(metavar="URL", help="Knative's autoscaler, for `filter`.")
    ] = "",
    output: Annotated[
        FileFormat,
        typer.Option(
            "--output",
            "-o",
            help="`yaml`: a bootstrap; `json`: the same without reasons; `envoy-filter`: for "
            "Istio's gateways.",
        ),
    ] = FileFormat.YAML,
) -> int:
    """Print Envoy's settings for one way to wait, each value with its reason.

    Exit codes:
    0 printed
    2 the command line cannot be understood, or what it asks for cannot work
    """
    from dataclasses import replace

    from remixer.cli.knative.envoy_plan import KnativeEnvoyPlan
    from remixer.cli.knative_envoy_config import (
        print_envoy_config,
        targets_of,
        with_addresses,
        with_script,
    )

    plan = KnativeEnvoyPlan(
        mode,
        targets_of(service or ["default/hello-00001"]),
        endpoints=endpoints,
        cold_start_s=cold_start,
        request_timeout_s=request_timeout,
        held=held,
    )
    plan = with_addresses(
        with_script(plan, script),
        listen=listen,
        mixer=mixer,
        activate=activate,
        control_plane=control_plane,
    )
    if autoscaler:
        plan = replace(plan, autoscaler=autoscaler)
    print_envoy_config(plan, output=output)
    return ExitCode.DONE


app.command("poke")(poke)
