"""`make bench`: the table of what calls cost. `ARGS=--output markdown` for the manual.

`--only` names rows (hit, no-rule, report-100 ...) or parts: checks, reports, envoy, expressions,
library, surroundings; transport and sidecar have tables of their own and are not in the default.
"""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench import columns, h2load, history, previous, table, transport
from bench.bodies import FOLDER
from bench.facts import Fact
from bench.subjects import KEYS, SECTIONS, chosen
from bench.surroundings import facts

_SURROUNDINGS = "surroundings"
_APART = ("transport", "sidecar")


def main() -> int:
    """Measure and print; 0 unless something could not be measured at all."""
    options = _options()
    if options.record:
        return _record()
    if "transport" in options.only:
        return transport.show(options.transport_peer, as_json=options.output == "json")
    if "sidecar" in options.only:
        from bench import sidecar  # noqa: PLC0415 - a table of its own

        return sidecar.main()
    run = _run(options)
    table.show(run, options.output)
    history.append(options.history, table.entries(run))
    picture = options.history.with_suffix(".svg")
    if options.history == history.LOCAL:
        picture.write_text(history.plot(history.read([history.RELEASES, history.LOCAL])))
    return 0 if all(cell.figure for cell in run.cells if cell.column == columns.OURS.title) else 1


def _run(options: argparse.Namespace) -> table.Run:
    keys = chosen(options.only)
    if options.only == [_SURROUNDINGS]:
        keys = []
    wanted = _columns(options) if keys else []
    found: list[columns.Cell] = []
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    ) as progress:
        total = sum(key in each.keys for key in keys for each in wanted)
        task = progress.add_task("servers start", total=total)
        for cell in columns.measured(wanted, keys):
            found.append(cell)
            progress.update(task, advance=1, description=f"{cell.row}, {cell.column}")
        beside = _facts(progress) if not options.only or _SURROUNDINGS in options.only else []
    return table.Run.of([each.title for each in wanted], found, beside)


def _facts(progress: Progress) -> list[Fact]:
    found: list[Fact] = []
    task = progress.add_task("surroundings", total=None)
    for name, measure in facts():
        progress.update(task, description=name)
        try:
            found += measure()
        except OSError as error:  # no Envoy here, for one
            progress.console.print(f"{name}: {error}")
    return found


def _columns(options: argparse.Namespace) -> list[columns.Column]:
    found = [columns.OURS_IN_PROCESS]
    if h2load.is_installed():
        found += [columns.OURS, columns.OURS_COMPILED] if options.compiled else [columns.OURS]
    else:
        Console(stderr=True).print("no rows over gRPC: apt-get install nghttp2-client")
    if options.previous:
        both = columns.previous_columns(options.previous)
        found += both if h2load.is_installed() else both[:1]
    if h2load.is_installed():
        found += [columns.GRPCIO, *options.peer]
    return found


def _record() -> int:
    from bench.bodies.recording import record  # noqa: PLC0415 - only for this

    for name, body in record().items():
        (FOLDER / f"{name}.bin").write_bytes(body)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--output", choices=("text", "markdown", "json"), default="text")
    parser.add_argument(
        "--only",
        choices=(*SECTIONS, _SURROUNDINGS, *_APART, *KEYS),
        action="append",
        default=[],
        metavar="PART",
        help="a part, or the name of a row; several times for several",
    )
    parser.add_argument(
        "--previous",
        default=previous.newest_tag(),
        metavar="REV",
        help="an earlier version for two more columns; default: the newest tag, if any",
    )
    parser.add_argument(
        "--compiled", action="store_true", help="a column for what `make compiled` built"
    )
    parser.add_argument(
        "--peer",
        type=columns.peer_column,
        action="append",
        default=[],
        metavar="NAME=ADDRESS,PID",
        help="a column for a Mixer v1 server that runs; it answers by its own rules, so name the\n"
        "rows that it has the rules of: --only deny --peer go=127.0.0.1:9091,4711",
    )
    parser.add_argument(
        "--history",
        type=Path,
        default=history.LOCAL,
        metavar="FILE",
        help="JSON lines that this run's figures are added to",
    )
    transport.add_peer_option(parser)
    parser.add_argument("--record", action="store_true", help="write bench/bodies/*.bin anew")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
