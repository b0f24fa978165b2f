"""`remixer check`: ask a running server to decide on a request, as Mixer's `mixc check` does."""

from typing import Annotated

import typer

from remixer.attributes.bag import PlainBag
from remixer.cli.attribute_flags import with_attribute_flags
from remixer.cli.attribute_texts import quota_amounts_of
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
def check(  # noqa: PLR0913 - each parameter is a flag
    bag: PlainBag,
    *,
    quotas: Annotated[
        list[str] | None,
        typer.Option(
            "--quotas",
            "-q",
            metavar="NAME=AMOUNT",
            help="Quotas to allocate; part of an amount is welcome, a negative one releases.",
        ),
    ] = None,
    deduplication_id: Annotated[
        str | None,
        typer.Option(
            help="The same id twice is one call to quotas. Default: a new number per request.",
        ),
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit 1 if an answer is a denial.")
    ] = False,
    address: AddressFlag = DEFAULT_ADDRESS,
    repeat: RepeatFlag = 1,
    concurrency: ConcurrencyFlag = 1,
    timeout: TimeoutFlag = DEFAULT_TIMEOUT_S,
    rate: RateFlag = 0,
    print_response: PrintFlag = True,
    output: CallOutputFlag = CallOutput.TEXT,
) -> int:
    """Ask a running server to decide on a request, and show all of its answer.

    Exit codes:
    0 answered, also with a denial (but see --exit-code)
    2 the command line cannot be understood
    3 no server answered
    4 the server answered with an error
    """
    from remixer.cli.check_calls import ask
    from remixer.cli.server_calls import CallPlan

    is_denied = ask(
        CallPlan(address, requests_of(repeat, concurrency, output), concurrency, timeout, rate),
        bag,
        asked=quota_amounts_of("-q", quotas or ()),
        deduplication_id=deduplication_id,
        output=output if print_response else None,
    )
    return ExitCode.FAILED if exit_code and is_denied else ExitCode.DONE
