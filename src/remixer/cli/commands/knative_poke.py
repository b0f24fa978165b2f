"""`remixer knative poke`: wake a revision by hand, and see what happens."""

from typing import Annotated, Final

import typer

from remixer.cli.commands.adapter_kactivator import EncodingName
from remixer.cli.console import OutputFlag, OutputFormat

_LONGEST_HOLD_S: Final = 3600.0


def poke(
    revision: Annotated[
        str,
        typer.Argument(
            metavar="NAMESPACE/REVISION", help="The revision, `hello-00001`, not the service."
        ),
    ],
    *,
    autoscaler: Annotated[
        str, typer.Option(metavar="URL", help="`ws://autoscaler.knative-serving:8080`.")
    ],
    encoding: Annotated[
        EncodingName, typer.Option(help="`protobuf` since Knative 0.17; `gob` before.")
    ] = EncodingName.PROTOBUF,
    release: Annotated[
        str, typer.Option(metavar="VERSION", help="Of Knative, for `gob` and `auto`: 0.6.")
    ] = "",
    pod_name: Annotated[
        str, typer.Option(metavar="NAME", help="Sender of the stats; starts with `activator`.")
    ] = "activator-poke",
    concurrency: Annotated[
        float, typer.Option(min=0.000001, max=1000.0, help="Requests held, as told.")
    ] = 1.0,
    hold: Annotated[
        float,
        typer.Option(
            min=0.0, max=_LONGEST_HOLD_S, metavar="SECONDS", help="Tell it again every second."
        ),
    ] = 0.0,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Tell an autoscaler that a request waits for a revision, as Knative's Activator does.

    An autoscaler never answers: "sent" is all that can be known. Look at the pods next.

    Exit codes:
    0 sent
    2 the command line cannot be understood
    3 no autoscaler answered at the address, or it went away
    4 something answered, but it takes no websocket
    """
    from remixer.cli.knative_poke import Poke, run_poke

    wanted = Poke(revision, autoscaler, encoding.value, release, pod_name, concurrency, hold)
    return run_poke(wanted, output)
