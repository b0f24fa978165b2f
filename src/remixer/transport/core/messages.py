"""gRPC's message framing: one flag byte, four bytes of length, the message.

Source: the gRPC over HTTP/2 protocol description, "Length-Prefixed-Message" and "Compression".
"""

import zlib
from struct import Struct
from typing import Final

from remixer.foundation.status import Code
from remixer.transport.core.faults import CallRefusedError
from remixer.transport.core.limits import Cause

PREFIX: Final = Struct(">BI")
PREFIX_BYTES: Final = 5  # of `PREFIX`
IDENTITY: Final = "identity"
GZIP: Final = "gzip"
_GZIP_FORMAT: Final = 31  # zlib: the largest window (15), in gzip's own framing (16)


class MessageAssembler:
    """Puts one stream's messages together from pieces cut anywhere. Holds one message at most."""

    __slots__ = ("_encoding", "_max_bytes", "_needed", "buffer")

    def __init__(self, *, encoding: str, max_bytes: int) -> None:
        self._encoding = encoding
        self._max_bytes = max_bytes
        # One array, not a list of pieces: a message may come byte by byte.
        self.buffer = bytearray()
        """Of a message that is not whole yet; empty between messages."""
        self._needed = PREFIX_BYTES

    def feed(self, piece: bytes) -> list[tuple[bytes, int]]:
        """The messages that are whole now, each with its size on the wire.

        Raises `CallRefusedError` for a flag that cannot be, a message too large or corrupt.
        """
        if self.buffer or len(piece) < self._needed:
            self.buffer += piece
            if len(self.buffer) < self._needed:
                if self._needed == PREFIX_BYTES and self.buffer:
                    # A flag that cannot be is refused before the length behind it has come.
                    self._check(self.buffer[0], 0)
                return []
            piece = bytes(self.buffer)
            self.buffer.clear()
        return self._cut(piece)

    def _cut(self, piece: bytes) -> list[tuple[bytes, int]]:
        messages: list[tuple[bytes, int]] = []
        start = 0
        self._needed = PREFIX_BYTES
        while len(piece) - start >= PREFIX_BYTES:
            flag, size = PREFIX.unpack_from(piece, start)
            self._check(flag, size)
            end = start + PREFIX_BYTES + size
            if end > len(piece):
                self._needed = PREFIX_BYTES + size
                break
            message = piece[start + PREFIX_BYTES : end]
            messages.append((self._decoded(message) if flag else message, end - start))
            start = end
        if start < len(piece):
            self.buffer += piece[start:]
            self._check(self.buffer[0], 0)
        return messages

    def _check(self, flag: int, size: int) -> None:
        if flag > 1:
            message = f"compressed flag is {flag}, wanted 0 or 1"
            raise CallRefusedError(Code.INTERNAL, Cause.GRPC, message)
        if flag and self._encoding == IDENTITY:
            message = "compressed flag is set but grpc-encoding names no compression"
            raise CallRefusedError(Code.INTERNAL, Cause.GRPC, message)
        if size > self._max_bytes:
            message = f"message of {size} bytes, at most {self._max_bytes} are accepted"
            raise CallRefusedError(Code.RESOURCE_EXHAUSTED, Cause.MESSAGE_SIZE, message)

    def _decoded(self, message: bytes) -> bytes:
        return gunzip(message, max_bytes=self._max_bytes)


def gunzip(compressed: bytes, *, max_bytes: int) -> bytes:
    """Never makes more than `max_bytes` and one; raises `CallRefusedError`."""
    inflater = zlib.decompressobj(_GZIP_FORMAT)
    try:
        message = inflater.decompress(compressed, max_bytes + 1)
    except zlib.error as error:
        text = "compressed message is not gzip"
        raise CallRefusedError(Code.INTERNAL, Cause.GRPC, text) from error
    if len(message) > max_bytes:
        text = f"message decompresses to more than {max_bytes} bytes"
        raise CallRefusedError(Code.RESOURCE_EXHAUSTED, Cause.MESSAGE_SIZE, text)
    if not inflater.eof or inflater.unused_data:
        raise CallRefusedError(Code.INTERNAL, Cause.GRPC, "compressed message is cut or too long")
    return message


def gzip(message: bytes) -> bytes:
    """The same bytes for the same message: no time, no name."""
    deflater = zlib.compressobj(wbits=_GZIP_FORMAT)
    return deflater.compress(message) + deflater.flush()


def framed(message: bytes, *, compress: bool) -> bytes:
    """With its prefix, ready for DATA frames."""
    if compress:
        message = gzip(message)
    return PREFIX.pack(compress, len(message)) + message
