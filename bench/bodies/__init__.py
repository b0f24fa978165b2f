"""Request bodies: text beside bytes. `bench.bodies.recording` makes the bytes from the text."""

from pathlib import Path

FOLDER = Path(__file__).parent
_GRPC_PREFIX_BYTES = 5


def recorded(name: str) -> bytes:
    """The recorded bytes, without gRPC's five-byte prefix."""
    return (FOLDER / f"{name}.bin").read_bytes()[_GRPC_PREFIX_BYTES:]


def framed(message: bytes) -> bytes:
    """The message as gRPC puts it into DATA frames: flag, length, bytes."""
    return b"\0" + len(message).to_bytes(4, "big") + message
