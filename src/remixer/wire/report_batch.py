"""Finished requests into `ReportRequest`s: bags in, and bytes out when there are enough.

Theory of operation. A bag that is handed over waits. One that cannot change any more, such as the
middleware's, is kept as it is; of all others the values are taken at once, for they may be views of
something that changes. `encode` takes those that have waited longest, as many as it is told, and
encodes them together, column by column: a tenth of the time that each would take alone.

Elements are DELTA encoded, which every Mixer understands. A delta cannot take an attribute away; so
a batch holds several *chains* (`report_chain`), one per set of attribute names, and each chain
becomes one request. A record joins the chain of its names, in whatever order it gives them. A chain
ends when it is full, when another set of names needs its place (then the shortest chain ends), or
with the batch. Records of one set of names keep their order.

Source: the C++ client of Istio 1.0, which had one chain.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from google.protobuf.message import DecodeError

from remixer.attributes.bag import Bag
from remixer.attributes.http_columns import HttpReader
from remixer.attributes.http_report import HttpReportBag
from remixer.attributes.record_rows import Row, RowReader, records_of
from remixer.attributes.records import Records
from remixer.foundation.errors import InvalidRequestError
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.dictionary import GLOBAL_WORD_COUNT, global_index_bytes
from remixer.wire.report import decode_report
from remixer.wire.report_chain import Chain

AT_ONCE: Final = 100
"""Records that are encoded together: enough to share the price, in less than a millisecond."""
_MOST_WAITING_BYTES: Final = 1 << 20
_STEPS: Final = 10
"""In which a report gets full, at least: the last one is hardly ever too large."""
_WEIGHED_AT_ONCE: Final = 16
"""Records: one by one would take longer, right after each request."""
_UNREADABLE: Final = (TypeError, ValueError, AttributeError, LookupError)
"""What comes of values that no attribute can have; servers and applications gave them to us."""
_Kept: TypeAlias = Row | HttpReportBag


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
        self._at_once = max(1, min(AT_ONCE, self._limits.most_records // _STEPS))
        self._global_word_count = global_word_count
        self._known = global_index_bytes(global_word_count)
        self._chains: dict[frozenset[str], Chain] = {}
        self._rows = RowReader()
        self._http = HttpReader()
        self._waiting: list[_Kept] = []
        self._weighed = 0
        """So many of those that have waited longest."""
        self.waiting_bytes = 0
        """What records that are not encoded yet take, about; without a few of the latest."""
        self.unreadable = 0
        """Records that could not be encoded, since the batch began."""

    @property
    def waiting(self) -> int:
        """Records that are not encoded yet."""
        return len(self._waiting)

    @property
    def is_pressing(self) -> bool:
        """Whether so much waits that it is time to `encode`."""
        return len(self._waiting) >= self._at_once or self.waiting_bytes >= _MOST_WAITING_BYTES

    @property
    def records(self) -> int:
        """Handed over, and in no finished request yet."""
        return len(self._waiting) + sum(chain.records for chain in self._chains.values())

    @property
    def size_bytes(self) -> int:
        """Of the requests that hold what is encoded."""
        return sum(chain.size_bytes for chain in self._chains.values())

    def add(self, bag: Bag) -> None:
        """Let it wait. Raises what reading it raises."""
        waiting = self._waiting
        waiting.append(bag if type(bag) is HttpReportBag else self._rows.row(bag))
        if len(waiting) >= self._weighed + _WEIGHED_AT_ONCE:
            self._weigh()

    def encode(self, most: int = AT_ONCE) -> Sequence[EncodedReport]:
        """Encode so many of those that have waited longest; the requests that this finishes."""
        self._weigh()
        waiting = self._waiting
        taken, waiting[:most] = waiting[:most], ()
        # As if all took the same: what they take together is what counts.
        self.waiting_bytes -= self.waiting_bytes * len(taken) // max(1, self._weighed)
        self._weighed = len(waiting)
        finished: list[EncodedReport] = []
        for records in self._records(taken):
            self._join(records, finished)
        return finished

    def finish(self) -> Sequence[EncodedReport]:
        """All that is open, chains in the order in which they began."""
        finished: list[EncodedReport] = []
        while self._waiting:
            finished += self.encode()
        return [*finished, *(self._finished(chain) for chain in tuple(self._chains.values()))]

    def _weigh(self) -> None:
        """Those that were added since."""
        new = self._waiting[self._weighed :]
        with suppress(*_UNREADABLE):  # one that cannot be weighed cannot be read either
            self.waiting_bytes += sum([each.kept_bytes() for each in new])
        self._weighed = len(self._waiting)

    def _records(self, taken: Sequence[_Kept]) -> Sequence[Records]:
        rows: list[Row] = []
        bags: list[HttpReportBag] = []
        for each in taken:
            if isinstance(each, Row):
                rows.append(each)
            elif self._has_columns(each):
                bags.append(each)
            else:
                rows += self._one_by_one((each,))
        try:
            return [*records_of(rows), *self._http.records(bags)]
        except _UNREADABLE:
            return [*records_of([*rows, *self._one_by_one(bags)])]

    def _has_columns(self, bag: HttpReportBag) -> bool:
        try:
            return self._http.has_columns(bag)
        except _UNREADABLE:
            return False

    def _one_by_one(self, bags: Iterable[HttpReportBag]) -> Iterator[Row]:
        """Those that can be read."""
        for bag in bags:
            try:
                yield self._rows.row(bag)
            except _UNREADABLE:
                self.unreadable += 1

    def _join(self, records: Records, finished: list[EncodedReport]) -> None:
        """Give records to the chain of their names; to several, one after the other, if they must."""
        names = frozenset(records.columns)
        while records.count:
            chain = self._chains.get(names)
            if chain is None:
                chain = Chain(
                    records.columns, known=self._known, global_word_count=self._global_word_count
                )
            count = min(records.count, self._limits.most_records - chain.records)
            part = records.part(0, count)
            try:
                is_taken = chain.add(part, most_bytes=self._limits.most_bytes)
            except _UNREADABLE:
                self.unreadable += count
                is_taken = True
            if is_taken:
                self._settle(chain, finished)
                records = records.part(count, records.count)
            elif chain.records:
                finished.append(self._finished(chain))
            else:  # too much for a chain of their own: there is more than one
                self._join(records.part(0, count // 2), finished)
                records = records.part(count // 2, records.count)

    def _settle(self, chain: Chain, finished: list[EncodedReport]) -> None:
        """Give a chain its place after records; what ends for it or with it."""
        if not chain.records:
            return
        if chain.names not in self._chains:
            if len(self._chains) >= self._limits.most_chains:
                # The shortest: rare sets take turns in one place, and leave the others be.
                finished.append(self._finished(min(self._chains.values(), key=_records_of)))
            self._chains[chain.names] = chain
        if chain.records >= self._limits.most_records:
            finished.append(self._finished(chain))

    def _finished(self, chain: Chain) -> EncodedReport:
        del self._chains[chain.names]
        return EncodedReport(chain.request(), chain.records, self._global_word_count)


def with_fewer_words(
    payload: bytes, *, global_word_count: int, limits: BatchLimits | None = None
) -> Sequence[EncodedReport]:
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
        batch.add(bag)
        if batch.waiting >= AT_ONCE:
            finished += batch.encode()
    return [*finished, *batch.finish()]


def _records_of(chain: Chain) -> int:
    return chain.records
