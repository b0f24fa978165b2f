"""Marks of revocations in the answers of this process."""

from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import Final

from remixer.transport.port import CallContext, Method, UnaryHandler, UnaryMethod
from remixer.wire.client_codec import REPORT_PATH
from remixer.wire.revocation_marks import RevocationMark

_HEX: Final = "x"


def mark_at(unix_ns: int) -> str:
    """The name of the mark of a revocation made at that time."""
    return format(unix_ns, _HEX)


def marked(methods: Iterable[Method], mark: RevocationMark) -> tuple[Method, ...]:
    """The same methods, with marks in answers to reports.

    Every client that reports does so at least once a second while it is asked anything; checks stay
    free of what only few answers need.
    """
    return tuple(
        replace(each, handle=_marking(each.handle, mark))
        if isinstance(each, UnaryMethod) and each.path == REPORT_PATH
        else each
        for each in methods
    )


def _marking(handle: UnaryHandler, mark: RevocationMark) -> UnaryHandler:
    def marking(payload: bytes, context: CallContext) -> bytes | Awaitable[bytes]:
        answer = handle(payload, context)
        return answer + mark.field if isinstance(answer, bytes) else _later(answer)

    async def _later(answer: Awaitable[bytes]) -> bytes:
        return await answer + mark.field

    return marking
