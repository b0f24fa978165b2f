"""Errors sorted by who can act on them.

* the operator: `remixer.foundation.problems.Problem`, never an exception;
* the peer: a `PolicyError`, mapped to one gRPC status in a frontend's codec;
* us: `InternalError` or an assertion, never handled as normal.

Each code has a section in ``docs/errors.md``.
"""

from remixer.foundation.status import Code


class RemixerError(Exception):
    """Root of all errors that this project raises on purpose."""


class PolicyError(RemixerError):
    """The caller gets this as a gRPC status; infrastructure trouble, not a verdict."""

    code: Code = Code.UNKNOWN

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidRequestError(PolicyError):
    """The request itself cannot be understood."""

    code = Code.INVALID_ARGUMENT


class CheckFailedError(PolicyError):
    """No verdict: an adapter or an instance failed and nobody denied. Sent as INTERNAL.

    Source: Mixer 1.3 answers `performing check operation failed: …`.
    """

    code = Code.INTERNAL


class UnavailableError(PolicyError):
    """Not now: shedding load, draining, or not configured yet."""

    code = Code.UNAVAILABLE


class StartupError(RemixerError):
    """The process cannot start; `str()` tells the operator what, where and the next step."""


class InternalError(RemixerError):
    """A state that our own code promised could not be."""
