"""Measures one column of the table in a process of its own: `python -m bench.worker COLUMN`.

Reads keys of rows from standard input, and prints one JSON object a line for each. COLUMN:
`in-process`, `own`, `grpcio`, or `ADDRESS,PID` of a Mixer that somebody else started. What this
version of Remixer cannot do gives no figure, but the reason: earlier versions are measured by the
same code.
"""

import json
import sys
from dataclasses import asdict

from bench.subjects import LIBRARY_KEY, SUBJECTS

IN_PROCESS, OWN, GRPCIO = "in-process", "own", "grpcio"
_LONGEST_REASON = 300


def main(column: str) -> None:
    for line in sys.stdin:
        print(json.dumps(_cell(column, line.strip())), flush=True)


def _cell(column: str, key: str) -> dict[str, object]:
    try:
        return _measured(column, key)
    except Exception as error:  # noqa: BLE001 - any fault of any version is a cell without figure
        return {"failed": f"{type(error).__name__}: {error}"[:_LONGEST_REASON]}


def _measured(column: str, key: str) -> dict[str, object]:
    # Imported late: an earlier version may not have all that some row needs.
    if key == LIBRARY_KEY:
        from bench.sidecar import library_figure  # noqa: PLC0415 - see above

        return asdict(library_figure())
    subject = next(each for each in SUBJECTS if each.key == key)
    if column == IN_PROCESS:
        from bench import in_process  # noqa: PLC0415 - see above

        return asdict(in_process.figure(subject))
    from bench import over_grpc, servers  # noqa: PLC0415 - see above

    if column in {OWN, GRPCIO}:
        found = over_grpc.figure(subject, transport=column)
    else:
        address, _, pid = column.rpartition(",")
        peer = servers.ServerProcess(address, int(pid))
        found = over_grpc.asked(subject, peer, over_grpc.OWN)
    return {**asdict(found.cpu_us), "resident_mb": found.resident_mb}


if __name__ == "__main__":
    main(sys.argv[1])
