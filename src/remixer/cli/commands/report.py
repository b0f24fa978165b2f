"""`remixer report`: tell a running server of finished requests, as Mixer's `mixc report` does."""

from typing import Annotated

import typer

from remixer.attributes.bag import PlainBag
from remixer.cli.attribute_flags import with_attribute_flags
from remixer.cli.call_flags import (
    DEFAULT_ADDRESS,
    DEFAULT_TIMEOUT_S,
    AddressFlag,
    CallOutput,
    CallOutputFlag,
    ConcurrencyFlag,
    PrintFlag,
    RateFlag,
    RepeatFlag,
    TimeoutFlag,
    requests_of,
)
from remixer.cli.exits import ExitCode


@with_attribute_flags
def report(  # noqa: PLR0913 - each parameter is a flag
    bag: PlainBag,
    *,
    address: AddressFlag = DEFAULT_ADDRESS,
    repeat: RepeatFlag = 1,
    concurrency: ConcurrencyFlag = 1,
    timeout: TimeoutFlag = DEFAULT_TIMEOUT_S,
    report_batch_size: Annotated[
        int,
        typer.Option(
            min=1, max=1_000, help="Of --repeat requests, how many to tell of in one message."
        ),
    ] = 1,
    rate: RateFlag = 0,
    print_response: PrintFlag = True,
    output: CallOutputFlag = CallOutput.TEXT,
) -> int:
    """Tell a running server of a finished request with these attributes.

    Exit codes:
    0 accepted
    2 the command line cannot be understood
    3 no server answered
    4 the server answered with an error
    """
    from remixer.cli.report_calls import tell
    from remixer.cli.server_calls import CallPlan

    tell(
        CallPlan(address, requests_of(repeat, concurrency, output), concurrency, timeout, rate),
        bag,
        batch_size=report_batch_size,
        output=output if print_response else None,
    )
    return ExitCode.DONE
