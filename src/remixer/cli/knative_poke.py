"""What `remixer knative poke` does, and says that it saw."""

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Final

from remixer.adapters.kactivator.hints import hint_of
from remixer.adapters.kactivator.keys import entry_fault
from remixer.cli.console import Json, OutputFormat, emit_json, show_plain
from remixer.cli.exits import ExitCode, OperatorError
from remixer.drivers.aio_websocket import AioWebSocketConnector
from remixer.drivers.http_client import shown_url
from remixer.drivers.websocket import (
    HandshakeRefusedError,
    WebSocket,
    WebSocketEnd,
    WebSocketError,
    websocket_url,
)
from remixer.sdk.knative_stats import (
    Encoding,
    RevisionKey,
    Stat,
    StatError,
    encode_messages,
    encoding_for,
    needs_time,
)

_EVERY_S: Final = 1.0
_LOOK_S: Final = 0.2
"""How long to look whether the peer ends the connection over what it was sent."""
_NEXT_STEP: Final = (
    "Nothing is ever answered. If no pod comes: is this the revision's name, not the service's? "
    "Does its release read this encoding? After a restart of the autoscaler it takes up to 2 s."
)


@dataclass(frozen=True, slots=True)
class Poke:
    """What the command line asks for."""

    revision: str
    autoscaler: str
    encoding: str
    release: str
    pod_name: str
    concurrency: float
    hold_s: float


@dataclass(slots=True)
class Seen:
    """What happened, as far as it got."""

    connected_ms: float | None = None
    messages: int = 0
    sent_bytes: int = 0
    end: str = ""
    """How the peer ended the connection; `""` if we did."""
    error: str = ""
    status: int | None = None
    """Of an HTTP answer in place of an upgrade."""
    hint: str = ""

    @property
    def code(self) -> ExitCode:
        if self.status is not None:
            return ExitCode.REFUSED
        return ExitCode.UNREACHABLE if self.error or self.end else ExitCode.DONE


def run_poke(wanted: Poke, output: OutputFormat) -> int:
    """Send, show, and give the exit code. Raises `OperatorError` for a wrong command line."""
    encoding = _checked(wanted)
    seen = asyncio.run(_poke(wanted, encoding))
    if output is OutputFormat.JSON:
        emit_json(_document(wanted, encoding, seen))
    else:
        for line in _lines(wanted, encoding, seen):
            show_plain(line)
    return seen.code


def _checked(wanted: Poke) -> Encoding:
    if fault := entry_fault(wanted.revision.replace("*", "?")):
        raise OperatorError(
            what=f"`{wanted.revision}` {fault}",
            where="NAMESPACE/REVISION",
            next_step="see `kubectl get revisions -A`",
        )
    if websocket_url(wanted.autoscaler) is None:
        raise OperatorError(
            what="this is no websocket address",
            where="--autoscaler",
            next_step="write ws://autoscaler.knative-serving.svc.cluster.local:8080",
        )
    try:
        # Whatever is sent later is of this form: what is wrong with it shows now.
        _stat(wanted, 0.0)
        return encoding_for(wanted.encoding, release=wanted.release)
    except StatError as error:
        raise OperatorError(what=str(error), where="the command line", next_step="") from error


def _stat(wanted: Poke, concurrency: float, *, count: float = 0.0, is_timed: bool = False) -> Stat:
    namespace, _, name = wanted.revision.partition("/")
    return Stat(
        RevisionKey(namespace, name),
        wanted.pod_name,
        concurrency,
        request_count=count,
        time_ns=time.time_ns() if is_timed else None,
    )


async def _poke(wanted: Poke, encoding: Encoding) -> Seen:
    seen = Seen()
    begun_s = asyncio.get_running_loop().time()
    try:
        socket = await AioWebSocketConnector().connect(wanted.autoscaler)
    except WebSocketError as error:
        seen.error, seen.hint = str(error), hint_of(error)
        if isinstance(error, HandshakeRefusedError):
            seen.status = error.status
        return seen
    seen.connected_ms = round((asyncio.get_running_loop().time() - begun_s) * 1000, 2)
    try:
        async with asyncio.TaskGroup() as group:
            ending = group.create_task(socket.ended())
            await _tell(wanted, encoding, socket, seen, ending)
            await asyncio.wait([ending], timeout=_LOOK_S)
            seen.end = str(ending.result()) if ending.done() else ""
            ending.cancel()
    finally:
        await socket.aclose()
    return seen


async def _tell(
    wanted: Poke,
    encoding: Encoding,
    socket: WebSocket,
    seen: Seen,
    ending: asyncio.Task[WebSocketEnd],
) -> None:
    """At once, then every second while it holds, and zero at the end of a hold."""
    is_timed = needs_time(encoding)
    stats = [wanted.concurrency] + [wanted.concurrency] * math.ceil(wanted.hold_s / _EVERY_S)
    if wanted.hold_s:
        stats[-1] = 0.0
    for number, concurrency in enumerate(stats):
        if number:
            left_s = min(_EVERY_S, wanted.hold_s - (number - 1) * _EVERY_S)
            await asyncio.wait([ending], timeout=left_s)
        if ending.done():
            return
        stat = _stat(wanted, concurrency, count=0.0 if number else 1.0, is_timed=is_timed)
        try:
            for message in encode_messages([stat], encoding):
                await socket.send(message)
                seen.messages += 1
                seen.sent_bytes += len(message)
        except WebSocketError as error:
            seen.error = str(error)
            return


def _lines(wanted: Poke, encoding: Encoding, seen: Seen) -> list[str]:
    if seen.connected_ms is None:
        lines = [f"not connected: {seen.error}"]
        return [*lines, f"hint: {seen.hint}"] if seen.hint else lines
    lines = [
        f"connected to {shown_url(wanted.autoscaler)} in {seen.connected_ms:g} ms",
        f"told of {wanted.revision}, as {encoding.name}",
        f"sent {seen.messages} message(s), {seen.sent_bytes} bytes",
    ]
    if seen.error:
        lines.append(f"failed: {seen.error}")
    lines.append(f"closed by the autoscaler: {seen.end}" if seen.end else "closed by this command")
    return [*lines, f"hint: {_NEXT_STEP}"]


def _document(wanted: Poke, encoding: Encoding, seen: Seen) -> dict[str, Json]:
    return {
        "revision": wanted.revision,
        "encoding": encoding.name,
        "connected": seen.connected_ms is not None,
        "connected_ms": seen.connected_ms,
        "messages": seen.messages,
        "bytes": seen.sent_bytes,
        "closed_by_autoscaler": seen.end,
        "http_status": seen.status,
        "error": seen.error,
        "hint": seen.hint,
    }
