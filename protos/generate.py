"""Writes the message classes of `protos/remixer` into `src/remixer/wire/_pb`.

    python protos/generate.py            # what `make protos` does
    python protos/generate.py --into DIR

Only messages and their type stubs: services are served over `remixer.transport.port`, so no
gRPC stubs are needed. The leading `remixer/` of each file keeps names unique in protobuf's
process-wide descriptor pool; it is not repeated under `_pb`.
"""

import argparse
import re
import shutil
import sys
import tempfile
from pathlib import Path

import google.rpc
import grpc_tools
from grpc_tools import protoc

PROTOS = Path(__file__).resolve().parent
COMMITTED = PROTOS.parent / "src" / "remixer" / "wire" / "_pb"
_PACKAGE = "remixer.wire._pb"
_PREFIX = "remixer"
_INIT = '"""Generated from protos/ by protos/generate.py; never edited."""\n'


def generate(into: Path) -> None:
    """Replace the contents of `into`; raises `SystemExit` with protoc's own messages shown.

    What protoc refuses leaves `into` as it was.
    """
    with tempfile.TemporaryDirectory() as scratch:
        _compile(Path(scratch))
        shutil.rmtree(into, ignore_errors=True)
        for made in sorted((Path(scratch) / _PREFIX).rglob("*_pb2.py*")):
            target = into / made.relative_to(Path(scratch) / _PREFIX)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_with_our_imports(made.read_text()))
    for folder in {into, *(made.parent for made in into.rglob("*_pb2.py"))}:
        for package in (folder, *folder.parents):
            if package == into.parent:
                break
            (package / "__init__.py").write_text(_INIT)


def _compile(scratch: Path) -> None:
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    google_rpc = Path(next(iter(google.rpc.__path__))).parents[1]
    failed = protoc.main(
        [
            "protoc",
            f"--proto_path={PROTOS}",
            f"--proto_path={well_known}",
            f"--proto_path={google_rpc}",
            f"--python_out={scratch}",
            f"--pyi_out={scratch}",
            *sources,
        ]
    )
    if failed:
        sys.exit(f"protoc refused protos/ (exit status {failed}); its reasons are above")


def _with_our_imports(code: str) -> str:
    """`from remixer.envoy…` becomes `from remixer.wire._pb.envoy…`."""
    return re.sub(rf"^from {_PREFIX}\.", f"from {_PACKAGE}.", code, flags=re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate protobuf message classes.")
    parser.add_argument("--into", type=Path, default=COMMITTED, help="default: %(default)s")
    generate(parser.parse_args().into)


if __name__ == "__main__":
    main()
