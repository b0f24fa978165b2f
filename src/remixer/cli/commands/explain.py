"""`remixer explain`: what configuration files mean for a running server."""

from pathlib import Path
from typing import Annotated

import typer

from remixer.cli.console import OutputFlag, OutputFormat
from remixer.cli.exits import ExitCode, OperatorError
from remixer.config.namespaces import DEFAULT_NAMESPACE
from remixer.expr.semantics import Semantics


def explain(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="YAML files, or directories that hold them."),
    ],
    *,
    cache: Annotated[
        bool,
        typer.Option(
            "--cache", help="Which attributes remembered verdicts can depend on, and why."
        ),
    ] = False,
    default_namespace: Annotated[
        str, typer.Option(metavar="NAMESPACE", help="The one whose rules apply everywhere.")
    ] = DEFAULT_NAMESPACE,
    expression_semantics: Annotated[
        Semantics, typer.Option(help="As for `serve`: `mixer-1.3` keeps its quirks.")
    ] = Semantics.FIXED,
    output: OutputFlag = OutputFormat.TEXT,
) -> int:
    """Tell what configuration files mean, without a server.

    Exit codes:
    0 told
    2 the command line cannot be understood, or a file cannot be read
    """
    if not cache:
        raise OperatorError(
            what="nothing to explain was named",
            where="remixer explain",
            next_step="write `remixer explain --cache PATH`",
        )
    from remixer.cli.cache_explanation import explain_cache

    explain_cache(
        paths,
        default_namespace=default_namespace,
        semantics=expression_semantics,
        output=output,
    )
    return ExitCode.DONE
