"""Finished requests into `ReportRequest`s: bags in, at once, and bytes out when there are enough.

Theory of operation. Elements are DELTA encoded, which every Mixer understands. A delta cannot
take an attribute away; so a batch holds several *chains* (`report_chain`), one per set of
attribute names, and each chain becomes one request. A bag joins the chain of its names, in
whatever order it gives them. A chain ends when it is full, when another set of names needs its
place (then the shortest chain ends), or with the batch. A bag is encoded when it is handed over,
and nothing of it is kept: it may be a view of something that changes.

Source: the C++ client of Istio 1.0, which had one chain.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from remixer.attributes.bag import Bag, PlainBag
from remixer.attributes.table_bag import TableBag, present_in
from remixer.foundation.errors import InvalidRequestError
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.dictionary import GLOBAL_WORD_COUNT, global_index_bytes
from remixer.wire.report import decode_report
from remixer.wire.report_chain import AbsentError, Chain, Remembered

_MOST_ORDERS: Final = 256
"""Orders of names that are remembered; arbitrary, a sender has a few."""


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Bounds of each request that a batch makes, and of how many are open at a time."""

    most_records: int = 1_000
    """Servers of this project take 20,000."""
    most_bytes: int = 512 * 1024
    """Servers take 1 MiB. A record that is larger by itself goes alone."""
    most_chains: int = 8
    """Sets of names; a sender has few, and each costs a request per interval."""


class EncodedReport(NamedTuple):
    """A finished `ReportRequest`. `global_word_count` is the one that it was made with."""

    payload: bytes
    records: int
    global_word_count: int


class ReportBatch:
    """Takes bags one by one; gives requests when they are full, or all of them at `finish`.

    `global_word_count`: how many words of the global list the Mixer knows.
    """

    def __init__(
        self, *, global_word_count: int = GLOBAL_WORD_COUNT, limits: BatchLimits | None = None
    ) -> None:
        self._limits = limits or BatchLimits()
        self._global_word_count = global_word_count
        self._known = global_index_bytes(global_word_count)
        self._chains: dict[frozenset[str], Chain] = {}
        self._latest: Chain | None = None
        self._sets: dict[tuple[str, ...], frozenset[str]] = {}

    @property
    def records(self) -> int:
        """Handed over, and in no finished request yet."""
        return sum(chain.records for chain in self._chains.values())

    @property
    def size_bytes(self) -> int:
        """Of the requests that `finish` would give."""
        return sum(chain.size_bytes for chain in self._chains.values())

    def add(self, bag: Bag) -> tuple[EncodedReport, ...]:
        """Requests that are finished with it or because of it; mostly none."""
        if isinstance(bag, TableBag):
            bag = bag.present()
        names = tuple(bag if type(bag) is PlainBag else bag.names())
        chain = latest = self._latest
        if chain is None or chain.names != names:
            chain = self._chain_of(names)
        values: list[Remembered]
        if type(bag) is PlainBag and chain.names == names:
            values = [*bag.values()]
        else:
            values = [bag[name] for name in chain.names]
        try:
            is_taken = chain.add(values, most_bytes=self._limits.most_bytes)
        except AbsentError:
            return self.add(present_in(bag))
        if not is_taken:
            return (self._finished(chain), *self.add(bag))
        if chain is latest and chain.records < self._limits.most_records:
            return ()
        return self._settled(chain)

    def finish(self) -> tuple[EncodedReport, ...]:
        """All that is open, chains in the order in which they began."""
        return tuple([self._finished(chain) for chain in tuple(self._chains.values())])

    def _chain_of(self, names: tuple[str, ...]) -> Chain:
        """The one of these names; or a new one, which has no place until it has a record."""
        name_set = self._sets.get(names)
        if name_set is None:
            if len(self._sets) >= _MOST_ORDERS:
                self._sets.clear()
            name_set = self._sets[names] = frozenset(names)
        chain = self._chains.get(name_set)
        if chain is None:
            chain = Chain(names, known=self._known, global_word_count=self._global_word_count)
        return chain

    def _settled(self, chain: Chain) -> tuple[EncodedReport, ...]:
        """Give a chain its place after a record; what ends for it or with it."""
        finished: list[EncodedReport] = []
        if chain.name_set not in self._chains:
            if len(self._chains) >= self._limits.most_chains:
                # The shortest: rare sets take turns in one place, and leave the others be.
                finished.append(self._finished(min(self._chains.values(), key=_records_of)))
            self._chains[chain.name_set] = chain
        self._latest = chain
        if chain.records >= self._limits.most_records:
            finished.append(self._finished(chain))
        return tuple(finished)

    def _finished(self, chain: Chain) -> EncodedReport:
        del self._chains[chain.name_set]
        if self._latest is chain:
            self._latest = None
        return EncodedReport(chain.request(), chain.records, self._global_word_count)


def with_fewer_words(
    payload: bytes, *, global_word_count: int, limits: BatchLimits | None = None
) -> tuple[EncodedReport, ...]:
    """The records of a request for a Mixer that knows fewer words; more than one if they grow.

    Costs about what decoding does. Raises `PolicyError` for what is no report.
    """
    try:
        message = ReportRequest.FromString(payload)
    except DecodeError as error:
        text = f"ReportRequest of {len(payload)} bytes is no protobuf message: {error}"
        raise InvalidRequestError(text) from error
    batch = ReportBatch(global_word_count=global_word_count, limits=limits)
    finished: list[EncodedReport] = []
    for bag in decode_report(message).bags:
        finished += batch.add(bag)
    return (*finished, *batch.finish())


def _records_of(chain: Chain) -> int:
    return chain.records
