"""The child process that holds the engine: `python -m remixer.drivers.rego.worker`.

The first frame is `{"modules": [...], "rule": "data.a.b"}`; an empty answer means: compiled, any
other is why not. Each further frame is an input document; the answer is `true`, `false`,
`null` for undecided, or a text, which is why it failed. The end of input ends the process.
"""

import json
import os
import struct
import sys
from typing import BinaryIO, Final, assert_never

from remixer.drivers.rego.engine import CompiledPolicy
from remixer.drivers.rego.results import Decided, Failed, Judgement, PolicyFaultError, Undecided

_LENGTH: Final = struct.Struct(">I")


def serve(frames: BinaryIO, answers: BinaryIO) -> None:
    """Until `frames` ends."""
    greeting = _read(frames)
    if greeting is None:
        return
    wanted = json.loads(greeting)
    try:
        policy = CompiledPolicy(wanted["modules"], wanted["rule"])
    except PolicyFaultError as fault:
        _write(answers, str(fault).encode())
        return
    _write(answers, b"")
    while (frame := _read(frames)) is not None:
        _write(answers, encode_evaluation(policy.evaluate(json.loads(frame))))


def encode_evaluation(evaluation: Judgement) -> bytes:
    match evaluation:
        case Decided():
            return json.dumps(evaluation.is_allowed).encode()
        case Undecided():
            return b"null"
        case Failed():
            return json.dumps(evaluation.reason).encode()
    assert_never(evaluation)


def decode_evaluation(answer: bytes) -> Judgement:
    """Raises `ValueError` for what no worker would say."""
    value = json.loads(answer)
    if isinstance(value, bool):
        return Decided(value)
    return Failed(value) if isinstance(value, str) else Undecided()


def _read(frames: BinaryIO) -> bytes | None:
    head = frames.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    return frames.read(length)


def _write(answers: BinaryIO, answer: bytes) -> None:
    answers.write(_LENGTH.pack(len(answer)) + answer)
    answers.flush()


def main() -> None:
    # The engine may print: answers get a descriptor that it does not know.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers, open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), sys.stdout.fileno())
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
