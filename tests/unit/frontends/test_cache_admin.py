"""The operators' service, over bytes: who may ask, what is answered, what both halves agree on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from remixer.attributes.values import ValueType
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.deadline import Deadline
from remixer.foundation.status import Code
from remixer.frontends.cache_admin import NotToldError, Revoked, cache_admin_methods
from remixer.frontends.cache_admin_client import (
    FLUSH_PATH,
    REVOKE_PATH,
    STATS_PATH,
    UnreadableReportError,
    decode_revoked,
    decode_stats,
    encode_revoke,
)
from remixer.tiers.cache_report import (
    AttributeReport,
    CacheReport,
    PlaceReport,
    Quantiles,
    ShapeReport,
)
from remixer.tiers.revoking import matcher
from remixer.transport.peer_trust import PeerTrust
from remixer.transport.port import Peer, RpcError, UnaryMethod
from remixer.wire._pb.remixer.v1alpha1.cache_pb2 import ExplainResponse

EXPLAIN_PATH = "/remixer.v1alpha1.Cache/Explain"
SHAPE = ShapeReport(
    (
        AttributeReport("request.path", is_absent=False, harm=""),
        AttributeReport("request.time", is_absent=False, harm="is a time"),
        AttributeReport('request.headers["a"]', is_absent=True, harm=""),
    ),
    hits=7,
    learned=3,
    keys=2,
)
REPORT = CacheReport(
    is_on=True,
    entries=5,
    size_bytes=1_000,
    counts={"hit": 7, "miss": 3},
    places=(PlaceReport("shop", (SHAPE,)), PlaceReport("", ())),
    ages=Quantiles(0.0, 1.5, 2.0, 3.0),
    left=Quantiles(-1.0, 0.5, 1.0, 2.0),
)
VOCABULARY = Vocabulary({"source.user": ValueType.STRING})


@dataclass(slots=True)
class Memory:
    """Fake `CacheOperations`."""

    revoked: list[str] = field(default_factory=list)
    is_deaf: bool = False

    async def revoke(self, text: str) -> Revoked:
        if text:
            matcher(text, VOCABULARY)
        if self.is_deaf:
            reason = "valkey://a: refused"
            raise NotToldError(reason, dropped=2)
        self.revoked.append(text)
        return Revoked(4, is_shared=True)

    def report(self) -> CacheReport:
        return REPORT


@dataclass(frozen=True, slots=True)
class Call:
    """Fake `CallContext`."""

    peer: Peer = field(default_factory=lambda: Peer("unix:"))
    metadata: Mapping[str, str] = field(default_factory=dict)
    deadline: Deadline | None = None

    def set_trailing_metadata(self, metadata: Mapping[str, str]) -> None:
        raise NotImplementedError(metadata)


async def ask(
    memory: Memory, path: str, payload: bytes = b"", *, peer: str = "unix:", trusts: str = "unix"
) -> bytes:
    methods = cache_admin_methods(memory, trust=PeerTrust.of([trusts]), setting="--admin-from")
    by_path = {each.path: each for each in methods if isinstance(each, UnaryMethod)}
    answer = by_path[path].handle(payload, Call(Peer(peer)))
    return answer if isinstance(answer, bytes) else await answer


async def test_flush_forgets_all() -> None:
    memory = Memory()
    assert decode_revoked(await ask(memory, FLUSH_PATH)) == Revoked(4, is_shared=True)
    assert memory.revoked == [""]


async def test_revoke_hands_on_the_condition() -> None:
    memory = Memory()
    payload = encode_revoke('source.user == "ann"')
    assert decode_revoked(await ask(memory, REVOKE_PATH, payload)).dropped == 4
    assert memory.revoked == ['source.user == "ann"']


async def test_stats_are_read_as_they_were_told() -> None:
    assert decode_stats(await ask(Memory(), STATS_PATH)) == REPORT


async def test_explain_tells_the_attributes_and_their_harm() -> None:
    answer = ExplainResponse.FromString(await ask(Memory(), EXPLAIN_PATH))
    (shape,) = answer.places[0].shapes
    assert [(each.name, each.is_absent, each.harm) for each in shape.attributes] == [
        ("request.path", False, ""),
        ("request.time", False, "is a time"),
        ('request.headers["a"]', True, ""),
    ]


@pytest.mark.parametrize("path", [FLUSH_PATH, REVOKE_PATH, STATS_PATH, EXPLAIN_PATH])
@pytest.mark.parametrize("peer", ["ipv4:192.0.2.7:1", "ipv6:[2001:db8::1]:1", "unix:"])
async def test_who_is_not_listed_is_refused(path: str, peer: str) -> None:
    memory = Memory()
    with pytest.raises(RpcError, match="--admin-from") as caught:
        await ask(memory, path, encode_revoke("true"), peer=peer, trusts="127.0.0.0/8")
    assert caught.value.code is Code.PERMISSION_DENIED
    assert memory.revoked == []


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (encode_revoke(""), "Flush forgets all"),
        (encode_revoke("x" * 20_000), "at most 16384"),
        (encode_revoke('source.usr == "a"'), "EXPR004: line 1, column 1: .*Did you mean"),
        (b"\xff", "1 bytes are no such message"),
    ],
)
async def test_what_is_no_condition_is_refused(payload: bytes, message: str) -> None:
    memory = Memory()
    with pytest.raises(RpcError, match=message) as caught:
        await ask(memory, REVOKE_PATH, payload)
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert memory.revoked == []


async def test_others_that_could_not_be_told_are_no_success() -> None:
    with pytest.raises(RpcError, match=r"2 forgotten here, .* refused") as caught:
        await ask(Memory(is_deaf=True), FLUSH_PATH)
    assert caught.value.code is Code.UNAVAILABLE


def test_an_answer_of_somebody_else_is_told() -> None:
    for decode in (decode_revoked, decode_stats):
        with pytest.raises(UnreadableReportError):
            decode(b"\xff")
