"""The operator's half of `remixer.v1alpha1.Cache`: requests into bytes, answers out of bytes."""

from collections.abc import Iterable
from typing import Final

from google.protobuf.message import DecodeError

from remixer.foundation.errors import RemixerError
from remixer.frontends.cache_admin import SERVICE, Revoked
from remixer.tiers.cache_report import (
    AttributeReport,
    CacheReport,
    PlaceReport,
    Quantiles,
    ShapeReport,
)
from remixer.wire._pb.remixer.v1alpha1 import cache_pb2

FLUSH_PATH: Final = f"/{SERVICE}/Flush"
REVOKE_PATH: Final = f"/{SERVICE}/Revoke"
STATS_PATH: Final = f"/{SERVICE}/Stats"


class UnreadableReportError(RemixerError):
    """The answer is none of this service's."""


def encode_revoke(match: str) -> bytes:
    return cache_pb2.RevokeRequest(match=match).SerializeToString()


def decode_revoked(payload: bytes) -> Revoked:
    """Of Flush and Revoke alike. Raises `UnreadableReportError`."""
    try:
        message = cache_pb2.RevokeResponse.FromString(payload)
    except DecodeError as error:
        raise UnreadableReportError(str(error)) from error
    return Revoked(message.dropped, is_shared=message.is_shared)


def decode_stats(payload: bytes) -> CacheReport:
    """Raises `UnreadableReportError`."""
    try:
        message = cache_pb2.StatsResponse.FromString(payload)
    except DecodeError as error:
        raise UnreadableReportError(str(error)) from error
    return CacheReport(
        is_on=message.is_on,
        entries=message.entries,
        size_bytes=message.bytes,
        counts=dict(message.counts),
        places=tuple(PlaceReport(each.name, _shapes(each.shapes)) for each in message.places),
        ages=_quantiles(message.ages),
        left=_quantiles(message.left),
    )


def _shapes(messages: Iterable[cache_pb2.Shape]) -> tuple[ShapeReport, ...]:
    return tuple(
        ShapeReport(
            attributes=tuple(
                AttributeReport(one.name, one.is_absent, one.harm) for one in each.attributes
            ),
            hits=each.hits,
            learned=each.learned,
            keys=each.keys,
        )
        for each in messages
    )


def _quantiles(message: cache_pb2.Quantiles) -> Quantiles:
    return Quantiles(message.least, message.median, message.p90, message.most)
