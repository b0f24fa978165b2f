"""Words and their indices."""

from hashlib import sha256

import pytest

from remixer.foundation.status import Code
from remixer.wire._pb.istio.mixer.v1.report_pb2 import ReportRequest
from remixer.wire.dictionary import (
    FALLBACK_WORD_COUNT,
    GLOBAL_INDICES,
    GLOBAL_WORD_COUNT,
    MessageWords,
    UnknownIndexError,
    WordBytes,
    WordList,
    global_index_bytes,
    index_bytes,
    refuses_dictionary,
    word_heads,
)
from remixer.wire.global_words import GLOBAL_WORDS


@pytest.mark.parametrize(
    ("count", "digest"),
    [
        (111, "a986e3314e10ac094784dffb200eff0ce127a6bae9f2c043d1961b2fd30cfd84"),
        (203, "99aab21f2865c70c3443b5bc23999c1942ac9cb482d7d455e5bd6327061fc86c"),
        (221, "5280c09be856da6faf5e281c0ccbd6b265eee4a3cfb4fa4067a57eeea046450c"),
        (222, "26fb30f3aa07715166c19d9e872569f4e420c80cc746a2e870b39f18fe9cd2cd"),
    ],
)
def test_global_list_is_the_one_of_every_release(count: int, digest: str) -> None:
    assert sha256("\n".join(GLOBAL_WORDS[:count]).encode()).hexdigest() == digest


def test_global_words_are_distinct() -> None:
    assert len(GLOBAL_INDICES) == GLOBAL_WORD_COUNT == len(GLOBAL_WORDS) == 222
    assert FALLBACK_WORD_COUNT < GLOBAL_WORD_COUNT


@pytest.mark.parametrize(
    ("index", "word"), [(94, "'200'"), (111, "'0'"), (112, "'1'"), (136, "200"), (218, '"-"')]
)
def test_quotes_belong_to_some_words(index: int, word: str) -> None:
    assert GLOBAL_WORDS[index] == word


def test_negative_index_counts_message_slots_from_minus_one() -> None:
    words = MessageWords([b"first", b"second"])
    assert [words.text(-1), words.text(-2), words.text(0)] == ["first", "second", "source.ip"]


@pytest.mark.parametrize("index", [-3, 222, 2**31 - 1, -(2**31)])
def test_index_of_no_word_is_an_error(index: int) -> None:
    words = MessageWords([b"first", b"second"])
    with pytest.raises(UnknownIndexError) as caught:
        words.text(index)
    assert str(caught.value) == (
        f"attribute index {index} is not defined in the available dictionaries"
    )


def test_last_slot_of_a_repeated_word_is_its_index() -> None:
    assert MessageWords([b"app", b"b", b"app"]).index_of("app") == -3


def test_message_word_hides_the_global_one() -> None:
    words = MessageWords([b"request.path"])
    assert words.index_of("request.path") == -1
    assert words.index_of("request.method") == 19


def test_word_that_is_not_utf8_gets_replacement_characters() -> None:
    assert MessageWords([b"caf\xe9"]).text(-1) == "caf\ufffd"


def test_word_list_uses_global_words_below_the_count_only() -> None:
    words = WordList(global_word_count=17)
    assert [words.index_of(word) for word in ("request.id", "request.path", "app")] == [16, -1, -2]
    assert words.words() == [b"request.path", b"app"]


def test_word_list_holds_each_word_once() -> None:
    words = WordList(global_word_count=0)
    assert [words.index_of(word) for word in ("a", "b", "a")] == [-1, -2, -1]
    assert words.words() == [b"a", b"b"]


@pytest.mark.parametrize(
    ("code", "message", "refused"),
    [
        (Code.INVALID_ARGUMENT, "Request could not be processed due to invalid words", True),
        (Code.INVALID_ARGUMENT, "m:9091: Request could not be processed due to invalid x", True),
        (Code.INVALID_ARGUMENT, "request could not be processed due to invalid x", False),
        (Code.INTERNAL, "inconsistent global dictionary versions used: mixer knows 203", True),
        (Code.INTERNAL, "performing check operation failed", False),
        (Code.UNKNOWN, "Request could not be processed due to invalid words", False),
    ],
)
def test_servers_say_in_two_ways_that_they_do_not_know_a_dictionary(
    code: Code, message: str, *, refused: bool
) -> None:
    assert refuses_dictionary(code, message) is refused


def test_words_have_the_indices_of_a_word_list() -> None:
    words = [*GLOBAL_WORDS[90:120], *(f"w{number}" for number in range(300)), "é" * 200]
    listed = WordList(global_word_count=111)
    written = WordBytes(global_index_bytes(111), heads=word_heads(2))
    for word in words:
        assert written[word] == index_bytes(listed.index_of(word))
    message = ReportRequest.FromString(b"".join(written.fields))
    assert list(message.default_words) == listed.words()
    assert written.size_bytes == len(b"".join(written.fields))


@pytest.mark.parametrize(
    ("index", "written"),
    [(0, "00"), (-1, "01"), (1, "02"), (-64, "7f"), (64, "8001"), (-65, "8101"), (221, "ba03")],
)
def test_indices_are_written_as_zig_zag_varints(index: int, written: str) -> None:
    assert index_bytes(index).hex() == written
