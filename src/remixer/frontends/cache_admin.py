"""`remixer.v1alpha1.Cache`: what operators do with the memory of verdicts of a running server.

Served on the port of everything, and answered only to peers that the operator trusts: it tells
which attributes rules read, and can slow down a whole mesh.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from remixer.foundation.status import Code
from remixer.tiers.cache_report import CacheReport, PlaceReport, Quantiles, ShapeReport
from remixer.tiers.revoking import BadConditionError
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import CallContext, Method, RpcError, UnaryMethod
from remixer.wire._pb.remixer.v1alpha1 import cache_pb2

SERVICE: Final = "remixer.v1alpha1.Cache"
_LONGEST_CONDITION: Final = 16 << 10


@dataclass(frozen=True, slots=True)
class Revoked:
    """What came of a revocation."""

    dropped: int
    """By this process."""
    is_shared: bool
    """Whether other instances hear of it."""


class NotToldError(RuntimeError):
    """Forgotten here, but other instances could not be told. `str()` says why."""

    def __init__(self, reason: str, *, dropped: int) -> None:
        super().__init__(reason)
        self.dropped = dropped


class CacheOperations(Protocol):
    """The memory, as operators see it."""

    async def revoke(self, text: str) -> Revoked:
        """Forget what matches, everything for an empty text.

        Raises `BadConditionError` and `NotToldError`.
        """
        ...

    def report(self) -> CacheReport: ...


def cache_admin_methods(
    cache: CacheOperations, *, trust: PeerTrust, setting: str
) -> tuple[Method, ...]:
    """The service; `setting` is named to those who are refused."""
    service = _Service(cache)
    handlers: dict[str, Callable[[bytes, CallContext], object]] = {
        "Flush": service.flush,
        "Revoke": service.revoke,
        "Explain": service.explain,
        "Stats": service.stats,
    }
    return tuple(
        UnaryMethod(f"/{SERVICE}/{name}", _Guarded(handle, trust, setting))  # type: ignore[arg-type] # bytes or an awaitable of them
        for name, handle in handlers.items()
    )


class _Guarded:
    """Answers peers that are trusted."""

    __slots__ = ("_handle", "_setting", "_trust")

    def __init__(
        self, handle: Callable[[bytes, CallContext], object], trust: PeerTrust, setting: str
    ) -> None:
        self._handle = handle
        self._trust = trust
        self._setting = setting

    def __call__(self, payload: bytes, context: CallContext) -> object:
        if not self._trust.covers(context.peer):
            message = f"{SERVICE} is not for {context.peer.address}; {self._setting} says for whom"
            raise RpcError(Code.PERMISSION_DENIED, message)
        return self._handle(payload, context)


class _Service:
    __slots__ = ("_cache",)

    def __init__(self, cache: CacheOperations) -> None:
        self._cache = cache

    async def flush(self, _payload: bytes, _context: CallContext) -> bytes:
        done = await self._revoked("")
        return cache_pb2.FlushResponse(
            dropped=done.dropped, is_shared=done.is_shared
        ).SerializeToString()

    async def revoke(self, payload: bytes, _context: CallContext) -> bytes:
        text = _match_of(payload)
        if not text.strip():
            raise RpcError(Code.INVALID_ARGUMENT, "the condition is empty; Flush forgets all")
        done = await self._revoked(text)
        return cache_pb2.RevokeResponse(
            dropped=done.dropped, is_shared=done.is_shared
        ).SerializeToString()

    def explain(self, _payload: bytes, _context: CallContext) -> bytes:
        report = self._cache.report()
        return cache_pb2.ExplainResponse(places=map(_place, report.places)).SerializeToString()

    def stats(self, _payload: bytes, _context: CallContext) -> bytes:
        report = self._cache.report()
        return cache_pb2.StatsResponse(
            is_on=report.is_on,
            entries=report.entries,
            bytes=report.size_bytes,
            counts=report.counts or {},
            places=map(_place, report.places),
            ages=_quantiles(report.ages),
            left=_quantiles(report.left),
        ).SerializeToString()

    async def _revoked(self, text: str) -> Revoked:
        try:
            return await self._cache.revoke(text)
        except BadConditionError as error:
            raise RpcError(Code.INVALID_ARGUMENT, _located(error)) from error
        except NotToldError as error:
            message = f"{error.dropped} forgotten here, but other instances were not told: {error}"
            raise RpcError(Code.UNAVAILABLE, message) from error


def _match_of(payload: bytes) -> str:
    try:
        text = cache_pb2.RevokeRequest.FromString(payload).match
    except DecodeError as error:
        message = f"RevokeRequest: {len(payload)} bytes are no such message ({error})"
        raise RpcError(Code.INVALID_ARGUMENT, message) from error
    if len(text) > _LONGEST_CONDITION:
        message = f"a condition of {len(text)} characters; at most {_LONGEST_CONDITION} may be"
        raise RpcError(Code.INVALID_ARGUMENT, message)
    return text


def _located(error: BadConditionError) -> str:
    """All errors, each with line and column."""
    return "; ".join(
        f"{each.code}: line {each.line}, column {each.column}: {each.message}"
        + (f". {each.hint}" if each.hint else "")
        for each in error.errors
    )


def _place(report: PlaceReport) -> cache_pb2.Place:
    return cache_pb2.Place(
        name=report.name,
        hits=report.hits,
        learned=report.learned,
        shapes=_shapes(report.shapes),
    )


def _shapes(reports: Iterable[ShapeReport]) -> Iterable[cache_pb2.Shape]:
    for each in reports:
        yield cache_pb2.Shape(
            attributes=[
                cache_pb2.Attribute(name=one.name, is_absent=one.is_absent, harm=one.harm)
                for one in each.attributes
            ],
            hits=each.hits,
            learned=each.learned,
            keys=each.keys,
        )


def _quantiles(found: Quantiles) -> cache_pb2.Quantiles:
    return cache_pb2.Quantiles(
        least=found.least, median=found.median, p90=found.p90, most=found.most
    )
