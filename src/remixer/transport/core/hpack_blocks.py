"""Header blocks in: decoding, and a memory of known blocks.

A client repeats the same block for each call of a method. Equal bytes mean equal headers as long
as the table they refer to has not changed, so that such a block need not be decoded again:

* a block of static entries and literals that are not to be indexed means the same for ever;
* a block that refers to the dynamic table means the same until the table changes;
* a block that inserts an entry or resizes the table is never remembered, and ends the memory of
  those that refer to it;
* a block that differs from the one before in the value of one field written out (a trace's id)
  means the same but for that field (`_Template`).

The decoder is our own, because of what it gives: fields that are understood already when they come
from a table or have been written out before (see `fields`), and which of them are *fresh*: seen for
the first time, as a trace's id is in each call. `jh2`'s decoder in Rust takes 1.7 µs for a block of
nine fields, the checks that it needs around it 2 more, and then nothing is understood yet; `hpack`
takes 24. Tests hold ours to `jh2`'s.

Source: RFC 7541.
"""

from typing import Final, NoReturn

from remixer.transport.core.events import CallHead
from remixer.transport.core.faults import ConnectionFaultError
from remixer.transport.core.fields import METADATA, Field, read_field, renamed_field
from remixer.transport.core.frames import ErrorCode
from remixer.transport.core.hpack_table import STATIC_ENTRIES, STATIC_FIELDS, DynamicTable
from remixer.transport.core.huffman import unhuffer
from remixer.transport.core.limits import Cause, ConnectionLimits

_new_tuple = tuple.__new__
_MAX_INTEGER: Final = 2**24  # far above any legal index, length or table size here
_MAX_SHIFT: Final = 35  # zeros may pad an integer without end
_INDEXED: Final = 0x80
_LAST_STATIC: Final = _INDEXED + STATIC_ENTRIES
_INSERTED: Final = 0x40
_RESIZE: Final = 0x20
_HUFFMAN: Final = 0x80
_FULL_7: Final = 0x7F
_FULL_6: Final = 0x3F
_FULL_5: Final = 0x1F
_FULL_4: Final = 0x0F

# What a block has to do with the dynamic table.
_READS: Final = 1
_CHANGES: Final = 2


class _KnownName:
    """A name that was written out, or is static; and the latest values written out for it."""

    __slots__ = ("field", "values")

    def __init__(self, field: Field) -> None:
        self.field = field
        self.values: dict[bytes, Field] = {}


class _Template:
    """A head whose block is known but for the value of one field that is written out in it."""

    __slots__ = ("head", "name", "prefix", "room", "suffix")

    def __init__(
        self, *, prefix: bytes, suffix: bytes, name: str, head: CallHead, room: int
    ) -> None:
        self.prefix = prefix
        self.suffix = suffix
        self.name = name
        self.head = head
        """Without that field."""
        self.room = room
        """How long the value may be for the list not to be too large."""


class BlockReader:
    """One connection's decoder and its memory of blocks."""

    __slots__ = (
        "_limits",
        "_names",
        "_reading",
        "_span",
        "_table",
        "_template",
        "_unhuff",
        "_use",
        "fresh",
        "memo",
        "sized_memo",
    )

    def __init__(self, *, limits: ConnectionLimits) -> None:
        self.memo: dict[bytes, CallHead] = {}
        """What each remembered block means now. Read by the hot loop; changed only here."""
        self.sized_memo: dict[bytes, tuple[CallHead, int]] = {}
        """The same for blocks that say a `content-length`, with that length."""
        self._reading: set[bytes] = set()
        """Which of them refer to the dynamic table."""
        self._names: dict[int | bytes, _KnownName] = {}
        """By static index, or by the bytes of a name written out."""
        self._unhuff = unhuffer()
        self.fresh: list[int] = []
        """Positions, in the block just decoded, of fields that were never seen before."""
        self._span = (0, 0)
        """Where the value of the latest fresh field is written, in the block just decoded."""
        self._template: _Template | None = None
        self._table = DynamicTable()
        self._limits = limits
        self._use = 0

    def remember(self, block: bytes, head: CallHead, content_length: int | None = None) -> None:
        """The block just decoded means `head`; forgotten again when that may change."""
        if self.fresh or self._use & _CHANGES or len(block) > self._limits.memo_block_bytes:
            return
        memo: dict[bytes, CallHead] | dict[bytes, tuple[CallHead, int]]
        memo = self.memo if content_length is None else self.sized_memo
        if len(memo) >= self._limits.memo_entries:
            # The oldest goes: those in use are back at once, so this is nearly least-recently-used.
            oldest = next(iter(memo))
            del memo[oldest]
            self._reading.discard(oldest)
        if content_length is None:
            self.memo[block] = head
        else:
            self.sized_memo[block] = head, content_length
        if self._use & _READS:
            self._reading.add(block)

    def recurring(self, block: bytes) -> CallHead | None:
        """The head, if the block is as the one that `learn` saw last but for one value."""
        template = self._template
        if template is None or not block.startswith(template.prefix):
            return None
        start = len(template.prefix)
        length = block[start] & _FULL_7 if start < len(block) else _FULL_7
        end = start + 1 + length
        if length == _FULL_7 or end > len(block) or block[end:] != template.suffix:
            return None
        text = self._text(block[start:end]).decode("latin-1")
        if not text.isprintable() or text != text.strip() or len(text) > template.room:
            return None
        path, authority, given, binary, timeout_s, encoding, accepts_gzip, content_type = (
            template.head
        )
        metadata = {**given, template.name: text}
        return _new_tuple(
            CallHead,
            (path, authority, metadata, binary, timeout_s, encoding, accepts_gzip, content_type),
        )

    def learn(self, block: bytes, fields: list[Field], head: CallHead) -> None:
        """Blocks like this one, just decoded, may follow with one other value."""
        start, end = self._span
        if len(self.fresh) != 1 or not start or self._use & _CHANGES:
            return
        field = fields[self.fresh[0]]
        metadata = dict(head.metadata)
        is_alone = metadata.pop(field.name, None) == field.value
        is_short = block[start] & _FULL_7 != _FULL_7 and len(block) <= self._limits.memo_block_bytes
        if field.kind == METADATA and field.name != "host" and is_alone and is_short:
            size = sum(known.size for known in fields) - len(field.value)
            self._template = _Template(
                prefix=block[:start],
                suffix=block[end:],
                name=field.name,
                head=head._replace(metadata=metadata),
                room=self._limits.max_header_list_bytes - size,
            )

    def fields(self, block: bytes) -> list[Field]:
        """Decode; must see every block that is in neither memo, once and in order.

        Raises `ConnectionFaultError`: after a broken block the table is not to be trusted.
        """
        try:
            fields = self._decode(block)
        except IndexError:
            _break("block ends inside a field, or refers to an entry that is not there")
        if self._use & _CHANGES:
            self._template = None
            for known in self._reading:
                if self.memo.pop(known, None) is None:
                    del self.sized_memo[known]
            self._reading.clear()
        if len(fields) > self._limits.max_header_fields:
            reason = f"{len(fields)} fields, at most {self._limits.max_header_fields}"
            raise ConnectionFaultError(ErrorCode.ENHANCE_YOUR_CALM, Cause.HPACK_BOMB, reason)
        return fields

    def _decode(self, block: bytes) -> list[Field]:  # noqa: C901, PLR0912, PLR0915 - one walk over bytes; calls would double its cost
        position = 0
        use = 0
        end = len(block)
        entries = self._table.entries
        fields: list[Field] = []
        self.fresh = fresh = []
        self._span = 0, 0
        while position < end:
            byte = block[position]
            position += 1
            if byte > _LAST_STATIC:
                use |= _READS
                index = byte & _FULL_7
                if index == _FULL_7:
                    index, position = _integer(block, position, _FULL_7)
                fields.append(entries[STATIC_ENTRIES - index])
            elif byte > _INDEXED:
                fields.append(STATIC_FIELDS[byte - _INDEXED])
            elif byte == _INDEXED:
                _break("index 0")
            elif _INSERTED > byte >= _RESIZE:
                if fields:
                    _break("table size update behind a field")
                use |= _CHANGES
                position = self._resize(block, position, byte)
            else:
                full = _FULL_6 if byte >= _INSERTED else _FULL_4
                index = byte & full
                if index == full:
                    index, position = _integer(block, position, full)
                if index > STATIC_ENTRIES:
                    use |= _READS
                    start = position
                    position = _behind_string(block, position)
                    value = self._text(block[start:position])
                    field = renamed_field(entries[STATIC_ENTRIES - index], value)
                    fresh.append(len(fields))
                else:
                    start = position
                    if index == 0:
                        position = _behind_string(block, position)
                    name_end = position
                    length = block[position]
                    if length & _FULL_7 == _FULL_7:
                        position = _behind_string(block, position)
                    else:
                        position += 1 + (length & _FULL_7)
                        if position > end:
                            _break("block ends inside a string")
                    known = self._names.get(index or block[start:name_end])
                    if known is None:
                        known = self._learn_name(block[start:name_end], index)
                    written = block[name_end:position]
                    value_field = known.values.get(written)
                    if value_field is None:
                        value_field = self._learn_value(known, written)
                        fresh.append(len(fields))
                        self._span = name_end, position
                    field = value_field
                if byte >= _INSERTED:
                    use |= _CHANGES
                    self._table.insert(field)
                fields.append(field)
        self._use = use
        return fields

    def _learn_name(self, written: bytes, index: int) -> "_KnownName":
        """A name that is static (by its index), or written out (`index` 0)."""
        field = STATIC_FIELDS[index] if index else read_field(self._text(written), b"")
        known = _KnownName(field)
        if len(written) <= self._limits.memo_value_bytes:
            if len(self._names) >= self._limits.memo_entries:
                del self._names[next(iter(self._names))]
            self._names[index or written] = known
        return known

    def _learn_value(self, known: "_KnownName", written: bytes) -> Field:
        field = renamed_field(known.field, self._text(written))
        if len(written) <= self._limits.memo_value_bytes:
            if len(known.values) >= self._limits.memo_values:
                # One that differs in each call soon has this to itself; those that recur, recur.
                known.values.clear()
            known.values[written] = field
        return field

    def _text(self, written: bytes) -> bytes:
        """What a whole string literal says (RFC 7541, section 5.2)."""
        first = written[0]
        start = 1
        if first & _FULL_7 == _FULL_7:
            start = _integer(written, 1, _FULL_7)[1]
        if first < _HUFFMAN:
            return written[start:]
        text = self._unhuff(written[start:])
        if text is None:
            _break("broken Huffman code")
        return text

    def _resize(self, block: bytes, position: int, byte: int) -> int:
        size = byte & _FULL_5
        if size == _FULL_5:
            size, position = _integer(block, position, _FULL_5)
        if not self._table.resize(size):
            _break(f"table resized to {size} bytes, more than is allowed")
        return position


def _behind_string(block: bytes, position: int) -> int:
    length = block[position] & _FULL_7
    position += 1
    if length == _FULL_7:
        length, position = _integer(block, position, _FULL_7)
    position += length
    if position > len(block):
        _break("block ends inside a string")
    return position


def _integer(block: bytes, position: int, value: int) -> tuple[int, int]:
    """The integer whose prefix was full, and the position behind it (RFC 7541, section 5.1)."""
    shift = 0
    while True:
        byte = block[position]
        position += 1
        value += (byte & 0x7F) << shift
        shift += 7
        if value > _MAX_INTEGER or shift > _MAX_SHIFT:
            _break("integer too large")
        if byte < 0x80:  # noqa: PLR2004 - no more bytes follow
            return value, position


def _break(reason: str) -> NoReturn:
    raise ConnectionFaultError(ErrorCode.COMPRESSION_ERROR, Cause.COMPRESSION, reason)
