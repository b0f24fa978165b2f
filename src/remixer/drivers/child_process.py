"""A child process that answers one frame with one frame, and can be given up at any time.

For work that could crash, hang or leak. A frame is its length in four bytes, big end first, and
so many bytes. All methods block; call them from threads.
"""

import os
import select
import struct
import subprocess
import threading
import time
from collections.abc import Sequence
from typing import Final

from remixer.foundation.errors import RemixerError

_LENGTH: Final = struct.Struct(">I")
_CHUNK_BYTES: Final = 64 * 1024  # the size of a pipe


class ChildError(RemixerError):
    """No answer; the child is gone, or was ended for it."""


class ChildProcess:
    """Starts when first asked, and again after it had to be ended."""

    def __init__(
        self, command: Sequence[str], *, greeting: bytes, limit_bytes: int, start_timeout_s: float
    ) -> None:
        """`greeting` is the first frame that every new child gets; its answer must be empty.

        Anything else is why the child does not want to work. `limit_bytes` bounds answers.
        """
        self._command = tuple(command)
        self._greeting = greeting
        self._limit_bytes = limit_bytes
        self._start_timeout_s = start_timeout_s
        self._turn = threading.Lock()
        self._life = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._is_closed = False
        self.starts = 0
        """How many children there have been."""

    def start(self) -> None:
        """Have a child that took the greeting. Raises `ChildError`."""
        with self._turn:
            self._running()

    def ask(self, frame: bytes, *, timeout_s: float) -> bytes:
        """The child's answer. One at a time; others wait. Raises `ChildError`.

        A child that is not done after `timeout_s` is ended.
        """
        with self._turn:
            return self._exchange(self._running(), frame, timeout_s)

    def close(self) -> None:
        """End the child for good; whoever waits for it gets an error. Once or twice."""
        with self._life:
            self._is_closed = True
            child, self._child = self._child, None
        _end(child)

    def _running(self) -> "subprocess.Popen[bytes]":
        with self._life:
            if self._is_closed:
                message = "it is closed"
                raise ChildError(message)
            if self._child is not None:
                return self._child
            child = self._child = self._spawned()
        refusal = self._exchange(child, self._greeting, self._start_timeout_s)
        if refusal:
            self._give_up(child)
            raise ChildError(refusal.decode(errors="replace"))
        return child

    def _spawned(self) -> "subprocess.Popen[bytes]":
        try:
            child = subprocess.Popen(  # noqa: S603 - the caller's own command, no shell
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError as error:
            message = f"cannot be started: {error.strerror or error}"
            raise ChildError(message) from error
        assert child.stdin is not None  # noqa: S101 - asked for above
        os.set_blocking(child.stdin.fileno(), False)
        self.starts += 1
        return child

    def _exchange(self, child: "subprocess.Popen[bytes]", frame: bytes, timeout_s: float) -> bytes:
        assert child.stdin is not None  # noqa: S101 - spawned with pipes
        assert child.stdout is not None  # noqa: S101 - spawned with pipes
        ends_at_s = time.monotonic() + timeout_s
        try:
            _send(child.stdin.fileno(), _LENGTH.pack(len(frame)) + frame, ends_at_s)
            return _receive_frame(child.stdout.fileno(), self._limit_bytes, ends_at_s)
        except TimeoutError as error:
            self._give_up(child)
            message = f"no answer within {timeout_s:g} s"
            raise ChildError(message) from error
        except (OSError, ValueError, EOFError) as error:
            self._give_up(child)
            message = "it ended without an answer"
            raise ChildError(message) from error
        except ChildError:
            self._give_up(child)
            raise

    def _give_up(self, child: "subprocess.Popen[bytes]") -> None:
        with self._life:
            if self._child is child:
                self._child = None
        _end(child)


def _end(child: "subprocess.Popen[bytes] | None") -> None:
    if child is None:
        return
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            pipe.close()


def _send(descriptor: int, content: bytes, ends_at_s: float) -> None:
    left = memoryview(content)
    while left:
        _wait(descriptor, select.POLLOUT, ends_at_s)
        left = left[os.write(descriptor, left[:_CHUNK_BYTES]) :]


def _receive_frame(descriptor: int, limit_bytes: int, ends_at_s: float) -> bytes:
    (length,) = _LENGTH.unpack(_receive(descriptor, _LENGTH.size, ends_at_s))
    if length > limit_bytes:
        message = f"it answered {length} bytes; at most {limit_bytes} are read"
        raise ChildError(message)
    return _receive(descriptor, length, ends_at_s)


def _receive(descriptor: int, length: int, ends_at_s: float) -> bytes:
    found = bytearray()
    while len(found) < length:
        _wait(descriptor, select.POLLIN, ends_at_s)
        chunk = os.read(descriptor, min(_CHUNK_BYTES, length - len(found)))
        if not chunk:
            raise EOFError
        found += chunk
    return bytes(found)


def _wait(descriptor: int, event: int, ends_at_s: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    if not poll.poll(max(0.0, ends_at_s - time.monotonic()) * 1_000):
        raise TimeoutError
