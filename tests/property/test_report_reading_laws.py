"""Reports read for all elements at once say what their elements say, read one by one."""

from collections.abc import Sequence
from itertools import pairwise
from struct import pack

from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from remixer.attributes.bag import Bag
from remixer.attributes.columns import BagColumns, SameColumn, SelectedColumns
from remixer.attributes.values import Value
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.bag import CompressedBag
from remixer.wire.dictionary import GLOBAL_INDICES, GLOBAL_WORD_COUNT, MessageWords
from remixer.wire.field_bytes import FIXED64, VARINT, tag, varint
from remixer.wire.framing import embedded
from remixer.wire.lone_report import AskedNames
from remixer.wire.report import DecodedReport, decode_report
from remixer.wire.report_history import decode_one_by_one, words_of

# Around the ends of what one and two bytes say, and of what a list has.
WORD_COUNTS = (0, 2, 63, 64, 65, 130, 192, 300)
EDGES = (
    *(GLOBAL_WORD_COUNT - 1, GLOBAL_WORD_COUNT, 2**31 - 1, -(2**31)),
    *(
        index
        for count in (*WORD_COUNTS, 8_192, 20_000)
        for index in (-count, -count - 1, count - 1, count)
    ),
)
# Fields of CompressedAttributes, and names that mostly stand in them.
STRINGS, INT64S, DOUBLES, BOOLS, TIMESTAMPS, DURATIONS, BYTES, STRING_MAPS = range(2, 10)
USUAL = {
    STRINGS: ("request.path", "request.method"),
    INT64S: ("response.code", "request.size"),
    DOUBLES: ("quota.cost",),
    BOOLS: ("connection.mtls",),
    TIMESTAMPS: ("request.time",),
    DURATIONS: ("response.duration",),
    BYTES: ("source.ip",),
    STRING_MAPS: ("request.headers", "source.labels"),
}
NAMES = (*(name for names in USUAL.values() for name in names), "w0", "w1", "GET", "nowhere")

seconds = st.sampled_from(
    [0, 5, 1_600_000_000, 2**33 - 1, 2**33, 9_223_372_035, 9_223_372_036, 9_223_372_037, -1]
)
nanos = st.sampled_from([0, 5, 999_999_999, -1, 2**31 - 1, -(2**31)])
usual_indices = st.sampled_from([0, 17, 90, GLOBAL_WORD_COUNT - 1, -1, -2])


def often(usual: st.SearchStrategy[int], rare: st.SearchStrategy[int]) -> st.SearchStrategy[int]:
    return st.integers(0, 49).flatmap(lambda chance: rare if chance == 7 else usual)


indices = often(usual_indices, st.sampled_from(EDGES))


def names_of(field: int) -> st.SearchStrategy[int]:
    usual = st.sampled_from([GLOBAL_INDICES.get(name, 0) for name in USUAL[field]])
    return often(usual, st.sampled_from([*EDGES, -1, -2, 17, 30]))


def number(field: int, value: int) -> bytes:
    return tag(field, VARINT) + varint(value)


def index(field: int, value: int) -> bytes:
    return number(field, value << 1 if value >= 0 else ~(value << 1))


@st.composite
def entries(draw: st.DrawFn, field: int, value: st.SearchStrategy[bytes]) -> bytes:
    """One entry of a type map; now and then as no client writes it."""
    key = names_of(field) if field in USUAL else indices
    parts = [index(1, draw(key)), draw(value)]
    match draw(st.integers(0, 60)):
        case 1:
            parts = [parts[1], parts[0]]
        case 2:
            del parts[draw(st.integers(0, 1))]
        case 3:
            parts.insert(draw(st.integers(0, 2)), embedded(7, b"\x80\xff"))
        case 4:
            parts += [index(1, draw(key)), draw(value)]
        case 5:
            parts[0] = b"\x88\x80\x00" + parts[0][1:]  # a tag in more bytes than it needs
        case _:
            pass
    return embedded(field, b"".join(parts))


index_values = indices.map(lambda value: index(2, value))
times = st.tuples(seconds, nanos).map(
    lambda each: embedded(2, number(1, each[0]) + number(2, each[1]))
)
maps = st.lists(entries(1, index_values), max_size=24).map(
    lambda found: embedded(2, b"".join(found))
)
doubles = st.sampled_from([0.0, -0.0, 1.5, float("nan")]).map(
    lambda value: tag(2, FIXED64) + pack("<d", value)
)
changes = st.one_of(
    entries(STRINGS, index_values),
    entries(INT64S, st.integers(-2, 300).map(lambda value: number(2, value))),
    entries(DOUBLES, doubles),
    entries(BOOLS, st.booleans().map(lambda value: number(2, value))),
    entries(TIMESTAMPS, times),
    entries(DURATIONS, times),
    entries(BYTES, st.binary(max_size=9).map(lambda value: embedded(2, value))),
    entries(STRING_MAPS, maps),
    st.sampled_from([b"", b"", b"", embedded(1, b"w0"), embedded(1, b"request.path")]),
)
elements = st.lists(changes, max_size=5).map(b"".join)
word_lists = st.tuples(
    st.sampled_from(WORD_COUNTS), st.sampled_from([b"", b"", b"", b"w0", b"request.path", b"\xff"])
).map(lambda each: [b"w%d" % slot for slot in range(each[0])][1:] + [each[1]] * bool(each[0]))
modes = st.sampled_from([ReportRequest.DELTA_ENCODING] * 3 + [ReportRequest.INDEPENDENT_ENCODING])


def payload_of(found: Sequence[bytes], words: Sequence[bytes], mode: int) -> bytes:
    return b"".join(
        (
            *(embedded(1, element) for element in found),
            *(embedded(2, word) for word in words),
            number(4, mode),
        )
    )


def one_by_one(message: ReportRequest) -> DecodedReport:
    """The straightforward reading."""
    words = MessageWords(message.default_words)
    bags = [CompressedBag(each, words_of(each, words)) for each in message.attributes]
    if message.repeated_attributes_semantics == ReportRequest.INDEPENDENT_ENCODING or not bags:
        return DecodedReport(bags)
    found, errors = decode_one_by_one(bags[0], message.attributes[1:], words)
    return DecodedReport(found, tuple(errors))


def told(value: Value | None) -> object:
    """Comparable by type and bits."""
    if isinstance(value, float):
        return pack("<d", value)
    return type(value), value


def content(bag: Bag) -> object:
    names = frozenset(bag.names())
    return names, {name: told(bag[name]) for name in {*names, *NAMES}}


@given(st.lists(elements, max_size=6), word_lists, modes)
def test_a_report_is_what_its_elements_are(
    found: list[bytes], words: list[bytes], mode: int
) -> None:
    payload = payload_of(found, words, mode)
    try:
        message = ReportRequest.FromString(payload)
    except DecodeError:
        return  # refused before it gets here
    report, wanted = decode_report(message, payload), one_by_one(message)
    assert report.errors == wanted.errors
    assert [content(bag) for bag in report.bags] == [content(bag) for bag in wanted.bags]


@given(st.lists(elements, min_size=2, max_size=6), word_lists, modes, st.data())
def test_columns_are_what_bags_say(
    found: list[bytes], words: list[bytes], mode: int, data: st.DataObject
) -> None:
    payload = payload_of(found, words, mode)
    try:
        bags = decode_report(ReportRequest.FromString(payload)).bags
    except DecodeError:
        return
    if not isinstance(bags, BagColumns):
        return
    positions = data.draw(st.lists(st.sampled_from(range(len(bags))), min_size=1))
    some = SelectedColumns(bags, positions)
    for name in NAMES:
        column = [told(value) for value in bags.column(name)]
        assert column == [told(bag[name]) for bag in bags]
        assert [told(value) for value in some.column(name)] == [column[at] for at in positions]
        if type(bags.column(name)) is SameColumn:
            assert all(one == next_one for one, next_one in pairwise(column))


def test_reports_of_clients_are_read_at_once() -> None:
    """Of what clients write nothing is read one by one: the laws above would not notice."""
    path, headers = GLOBAL_INDICES["request.path"], GLOBAL_INDICES["request.headers"]
    first = embedded(STRINGS, index(1, path) + index(2, 0))
    change = embedded(STRINGS, index(1, path) + index(2, -1))
    entry = embedded(1, index(1, -70) + index(2, -65))
    change += embedded(STRING_MAPS, index(1, headers) + embedded(2, entry))
    words = [b"w%d" % slot for slot in range(70)]
    for mode in (ReportRequest.DELTA_ENCODING, ReportRequest.INDEPENDENT_ENCODING):
        payload = payload_of([first, change, change], words, mode)
        assert isinstance(decode_report(ReportRequest.FromString(payload)).bags, BagColumns)
    beyond = embedded(STRINGS, index(1, path) + index(2, -71))
    payload = payload_of([first, change, beyond], words, ReportRequest.DELTA_ENCODING)
    assert len(decode_report(ReportRequest.FromString(payload)).errors) == 1


@given(elements, word_lists, st.booleans(), modes, st.permutations(NAMES), st.data())
def test_a_lone_report_says_the_same_whatever_was_asked_before(
    element: bytes,
    words: list[bytes],
    has_default_words: bool,  # noqa: FBT001 - drawn
    mode: int,
    asked_names: list[str],
    data: st.DataObject,
) -> None:
    own = b"" if has_default_words else b"".join(embedded(1, word) for word in words)
    payload = payload_of([element + own], words if has_default_words else (), mode)
    try:
        message = ReportRequest.FromString(payload)
    except DecodeError:
        return
    asked = AskedNames()
    for name in asked_names[: data.draw(st.integers(0, len(NAMES)))]:
        asked.add(name)
    [wanted] = one_by_one(message).bags
    for _ in range(2):
        report = decode_report(message, payload, asked)
        assert not report.errors
        assert [content(bag) for bag in report.bags] == [content(wanted)]


def test_a_lone_report_has_what_others_were_asked_for_from_the_start() -> None:
    path, code = GLOBAL_INDICES["request.path"], GLOBAL_INDICES["response.code"]
    element = embedded(STRINGS, index(1, path) + index(2, -1))
    element += embedded(INT64S, index(1, code) + number(2, 200))
    payload = payload_of([element], [b"/a"], ReportRequest.DELTA_ENCODING)
    message, asked = ReportRequest.FromString(payload), AskedNames()
    [first] = decode_report(message, payload, asked).bags
    assert [first["request.path"], first["response.code"], first["source.ip"]] == ["/a", 200, None]
    [second] = decode_report(message, payload, asked).bags
    assert isinstance(second, dict)
    assert {**second} == {"request.path": "/a", "response.code": 200, "source.ip": None}
