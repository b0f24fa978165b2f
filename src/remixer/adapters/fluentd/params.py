"""Parameters of `fluentd` and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from remixer.attributes.values import Duration
from remixer.drivers.forward_protocol import check_address, is_msgpack_installed
from remixer.sdk import HandlerContext, ParamProblem

DEFAULT_BUFFER_SIZE: Final = 1024
DEFAULT_BATCH_BYTES: Final = 8 * 1024 * 1024
DEFAULT_DURATION: Final = Duration(60_000_000_000)
MOST_BUFFER_SIZE: Final = 1_000_000
MOST_BATCH_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Params:
    """Where entries go, and how much may wait. Sizes and durations of 0 mean the default.

    `require_ack` is new: the server says which messages it has, the others are sent again.
    """

    address: str = "localhost:24224"
    integer_duration: bool = False
    instance_buffer_size: int = DEFAULT_BUFFER_SIZE
    max_batch_size_bytes: int = DEFAULT_BATCH_BYTES
    push_interval_duration: Duration = DEFAULT_DURATION
    push_timeout_duration: Duration = DEFAULT_DURATION
    require_ack: bool = False


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """An address that is none, negative sizes and durations, sizes beyond the limits."""
    if not is_msgpack_installed():
        yield ParamProblem("", "msgpack is not installed", "Run pip install 'remixer[fluentd]'.")
    if fault := check_address(params.address):
        yield ParamProblem("address", fault, "Write HOST:PORT, [IPV6]:PORT or unix:PATH.")
    for name, size, most in (
        ("instance_buffer_size", params.instance_buffer_size, MOST_BUFFER_SIZE),
        ("max_batch_size_bytes", params.max_batch_size_bytes, MOST_BATCH_BYTES),
    ):
        if not 0 <= size <= most:
            yield ParamProblem(name, f"{size} is not between 0 and {most}")
    for name, duration in (
        ("push_interval_duration", params.push_interval_duration),
        ("push_timeout_duration", params.push_timeout_duration),
    ):
        if duration < 0:
            yield ParamProblem(name, "is negative", "Use 0 for 1m.")
