"""Header operations carried out on the messages of Python web servers.

Pure. Lines are text of which each character stands for one byte (Latin-1), as WSGI has it and
ASGI's bytes decode without loss; what operations add is UTF-8 first. On top of what
`remixer.mixer.http_answer` keeps out, operations cannot write the headers that say where a
message ends, most of which an application may not set at all (PEP 3333).
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from remixer.attributes.records import text_of
from remixer.mixer.http_answer import Answer, Line, has_body, may_be_carried_out, with_operations
from remixer.mixer.outcome import HeaderOperation

_PLAIN_TEXT: Final = "text/plain"


def changed_request(lines: Sequence[Line], operations: Iterable[HeaderOperation]) -> list[Line]:
    """Pseudo-headers among `lines` change like others."""
    return with_operations(lines, _carried_out(operations))


def changed_response(lines: Sequence[Line], operations: Iterable[HeaderOperation]) -> list[Line]:
    """A response has no pseudo-headers that an operation could change."""
    allowed = (each for each in _carried_out(operations) if not each.name.startswith(":"))
    return with_operations(lines, allowed)


def answer_lines(answer: Answer) -> tuple[list[Line], bytes]:
    """Headers and body of a response in place of the application's."""
    body = as_bytes(answer.body)
    lines: list[Line] = []
    if has_body(answer.http_status):
        lines = [("content-type", _PLAIN_TEXT), ("content-length", str(len(body)))]
    return changed_response(lines, answer.response_operations), body


def as_bytes(text: str) -> bytes:
    """UTF-8; halves of surrogate pairs, which it cannot say, as they are written in Python."""
    return text.encode("utf-8", "backslashreplace")


def native_text(native: str) -> str:
    """The same of a string that has a character for each byte."""
    return native if native.isascii() else text_of(native.encode("latin-1", "replace"))


def is_of_target(operation: HeaderOperation) -> bool:
    """Whether an operation is for what a request line says, not for a header."""
    return operation.name.startswith(":") or operation.name.lower() == "host"


def _carried_out(operations: Iterable[HeaderOperation]) -> list[HeaderOperation]:
    return [
        each
        if each.value.isascii()
        else replace(each, value=as_bytes(each.value).decode("latin-1"))
        for each in operations
        if may_be_carried_out(each)
    ]
