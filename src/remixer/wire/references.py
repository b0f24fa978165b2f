"""What an answer depends on, as `ReferencedAttributes`, both ways.

`map_key` 0 says "no key", though 0 is also the index of a word. That word, when it is a key,
therefore always joins the message list.

Source: Mixer v1 API and Mixer 1.3.
"""

from typing import Final

from remixer.attributes.bag import Condition, Reference
from remixer.wire._pb.istio.mixer.v1.check_pb2 import ReferencedAttributes
from remixer.wire.dictionary import MessageWords, WordList

_NO_KEY: Final = 0
_CONDITIONS: Final[dict[int, Condition]] = {
    ReferencedAttributes.ABSENCE: Condition.ABSENCE,
    ReferencedAttributes.EXACT: Condition.EXACT,
}


def encode_references(
    references: frozenset[Reference], *, global_word_count: int
) -> ReferencedAttributes:
    """Sorted, so that equal sets have equal bytes. An empty key is sent as no key.

    That a string map was merely present is not sent: the protocol has no word for it.
    """
    words = WordList(global_word_count=global_word_count)
    message = ReferencedAttributes()
    sent = (each for each in references if each.condition is not Condition.PRESENCE)
    for reference in sorted(sent, key=_by_name_and_key):
        message.attribute_matches.add(
            name=words.index_of(reference.name),
            condition=_wire_condition(reference.condition),
            map_key=_key_index(reference.key, words),
        )
    message.words.extend(words.words())
    return message


def _by_name_and_key(reference: Reference) -> tuple[str, str]:
    return reference.name, reference.key or ""


def _wire_condition(condition: Condition) -> ReferencedAttributes.Condition:
    if condition is Condition.ABSENCE:
        return ReferencedAttributes.ABSENCE
    return ReferencedAttributes.EXACT


def _key_index(key: str | None, words: WordList) -> int:
    if not key:
        return _NO_KEY
    index = words.index_of(key)
    return words.message_index_of(key) if index == _NO_KEY else index


def decode_references(message: ReferencedAttributes) -> frozenset[Reference] | None:
    """None if the answer depends on what cannot be told: it must not be reused.

    That is a REGEX match, or an index of no word. A match without a condition is skipped.
    Source: the C++ client, 1.1 to 1.3.
    """
    words = MessageWords(message.words)
    found: list[Reference] = []
    for match in message.attribute_matches:
        if match.condition == ReferencedAttributes.CONDITION_UNSPECIFIED:
            continue
        condition = _CONDITIONS.get(match.condition)
        if condition is None:
            return None
        try:
            key = None if match.map_key == _NO_KEY else words.text(match.map_key)
            found.append(Reference(words.text(match.name), key, condition))
        except LookupError:
            return None
    return frozenset(found)
