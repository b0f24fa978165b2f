"""`remixer demo`: a small mesh on this machine, with a real Envoy."""

import asyncio
from typing import Annotated, TypeAlias

import typer

from remixer.cli.address_options import tcp_listen_address
from remixer.cli.console import OutputFlag, OutputFormat
from remixer.cli.demo.options import ANY_PORT, DemoOptions

_Address: TypeAlias = Annotated[str, typer.Option(metavar="HOST:PORT", callback=tcp_listen_address)]


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the scripted requests.")] = False,
    envoy_address: _Address = ANY_PORT,
    address: _Address = ANY_PORT,
    monitoring_address: _Address = ANY_PORT,
    prometheus_address: _Address = ANY_PORT,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Start Envoy, a service and Remixer, and send requests through them.

    Port 0 is any free one; the demo says which. Without --once it goes
    on serving until Ctrl-C.

    Exit codes:
    0 every request came out as expected
    1 one did not, or a part could not start
    2 the command line cannot be understood
    130 interrupted
    """
    from remixer.cli.demo.program import run_demo

    options = DemoOptions(
        once=once,
        output=output,
        envoy_address=envoy_address,
        address=address,
        monitoring_address=monitoring_address,
        prometheus_address=prometheus_address,
    )
    return asyncio.run(run_demo(options))
