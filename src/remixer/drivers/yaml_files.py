"""A directory of YAML files as plain values, read again and again, parsing only what changed.

For adapters with configuration of their own. A file that cannot be read or parsed keeps what it
held before; one that never could be parsed holds nothing. Everything is bounded: files, bytes,
values with aliases expanded, nesting.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

import yaml

MAX_FILES: Final = 10_000
MAX_FILE_BYTES: Final = 8 << 20
"""About 40,000 role bindings."""
MAX_VALUES: Final = 1_000_000
"""Of one file, aliases expanded; thrice what 8 MiB of role bindings have."""
MAX_DEPTH: Final = 32
_SUFFIXES: Final = (".yaml", ".yml")
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

YamlValue: TypeAlias = "str | int | float | bool | list[YamlValue] | dict[str, YamlValue] | None"


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document and the line, from 1, where its content begins."""

    file: str
    line: int
    value: YamlValue


@dataclass(frozen=True, slots=True)
class YamlFault:
    """Why a file, or the tree, could not be read."""

    file: str
    line: int
    message: str


class YamlFormatError(Exception):
    """Not YAML, or beyond the limits."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class _File:
    """A file as it was last read.

    `is_confirmed`: read again with the same stamp. One reading proves little, since two quick
    writes may bear one stamp.
    """

    stamp: tuple[int, int, int, int, int]
    is_confirmed: bool
    digest: bytes
    documents: tuple[YamlDocument, ...]
    faults: tuple[YamlFault, ...]


class YamlTree:
    """All `.yaml` and `.yml` files under a directory. Blocking; one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._files: dict[str, _File] = {}
        self._troubles: tuple[YamlFault, ...] = ()

    @property
    def documents(self) -> Iterator[YamlDocument]:
        """In lexical order of files, as written within each."""
        for path in sorted(self._files):
            yield from self._files[path].documents

    @property
    def faults(self) -> tuple[YamlFault, ...]:
        """What is wrong now."""
        files = (self._files[path] for path in sorted(self._files))
        return (*self._troubles, *(fault for file in files for fault in file.faults))

    def refresh(self) -> bool:
        """Look again; whether anything is different."""
        before, troubles_before = self._files, self._troubles
        paths, unseen = self._walk()
        files: dict[str, _File] = {}
        for fault in unseen:
            inside = fault.file + os.sep
            files.update((path, file) for path, file in before.items() if path.startswith(inside))
        for path in paths[:MAX_FILES]:
            file = _read(path, before.get(path))
            if file is not None:
                files[path] = file
        if len(paths) > MAX_FILES:
            message = f"has {len(paths)} files; the first {MAX_FILES} are read"
            unseen.append(YamlFault(str(self._root), 0, message))
        self._files, self._troubles = files, tuple(unseen)
        return self._troubles != troubles_before or _contents(files) != _contents(before)

    def _walk(self) -> tuple[list[str], list[YamlFault]]:
        """Paths in lexical order; directories that cannot be listed. `..x` is Kubernetes' own."""
        unseen: list[YamlFault] = []
        found: list[str] = []

        def note(error: OSError) -> None:
            where = str(error.filename or self._root)
            unseen.append(YamlFault(where, 0, f"cannot be read: {error.strerror}"))

        for folder, folders, names in os.walk(self._root, onerror=note):
            folders[:] = [each for each in folders if not each.startswith("..")]
            found.extend(
                str(Path(folder, name))
                for name in names
                if name.endswith(_SUFFIXES) and not name.startswith(".#")
            )
        return sorted(found), unseen


def read_documents(content: bytes, file: str) -> Iterator[YamlDocument]:
    """Every document that is not empty. Raises `YamlFormatError`."""
    if len(content) > MAX_FILE_BYTES:
        raise YamlFormatError(0, f"is longer than {MAX_FILE_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
        yield from _Reader(file).read(text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlFormatError(line, "is not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 0
        raise YamlFormatError(line, f"is not YAML: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise YamlFormatError(0, "is not YAML") from error


def _contents(files: Mapping[str, _File]) -> dict[str, tuple[bytes, tuple[YamlFault, ...]]]:
    return {path: (file.digest, file.faults) for path, file in files.items()}


def _read(path: str, earlier: _File | None) -> _File | None:
    """None for what is no regular file."""
    kept = () if earlier is None else earlier.documents
    stamp, digest = (0, 0, 0, 0, 0), b""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return None
        stamp = _stamp(status)
        is_same = earlier is not None and earlier.stamp == stamp
        if earlier is not None and is_same and earlier.is_confirmed:
            return earlier
        with open(path, "rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        digest = hashlib.sha256(content).digest()
        if earlier is not None and earlier.digest == digest:
            return replace(earlier, stamp=stamp, is_confirmed=is_same)
        documents = tuple(read_documents(content, path))
        return _File(stamp, is_confirmed=False, digest=digest, documents=documents, faults=())
    except OSError as error:
        fault = YamlFault(path, 0, f"cannot be read: {error.strerror}")
    except YamlFormatError as error:
        fault = YamlFault(path, error.line, str(error))
    return _File(stamp, is_confirmed=False, digest=digest, documents=kept, faults=(fault,))


def _stamp(status: os.stat_result) -> tuple[int, int, int, int, int]:
    return (
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )  # fmt: skip


@dataclass(slots=True)
class _Open:
    """A list or mapping that is still being read; `key` waits for its value."""

    value: list[YamlValue] | dict[str, YamlValue]
    anchor: str | None
    counted: int
    key: str | None = None


@dataclass(slots=True)
class _Reader:
    """Events to values, with a stack of its own: nesting cannot exhaust the interpreter's."""

    file: str
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[YamlValue, int]] = field(default_factory=dict)
    count: int = 0
    root: YamlValue = None

    def read(self, text: str) -> Iterator[YamlDocument]:
        line = 1
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors.clear()
                self.root, line = None, 0
            elif isinstance(event, yaml.DocumentEndEvent):
                if self.root is not None:
                    yield YamlDocument(self.file, line, self.root)
            elif isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent):
                at = event.start_mark.line + 1 if event.start_mark is not None else 1
                line = line or at
                self._take(event, at)

    def _take(self, event: yaml.Event, at: int) -> None:
        match event:
            case yaml.ScalarEvent():
                value = _scalar(event)
                self._grow(1, at)
                self._remember(event.anchor, value, 1)
                self._add(value, at)
            case yaml.AliasEvent():
                if event.anchor not in self.anchors:
                    raise YamlFormatError(at, f"alias `*{event.anchor}` names no finished anchor")
                value, count = self.anchors[event.anchor]
                self._grow(count, at)
                self._add(value, at)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                if len(self.stack) >= MAX_DEPTH:
                    raise YamlFormatError(at, f"nests deeper than {MAX_DEPTH} levels")
                empty: list[YamlValue] | dict[str, YamlValue]
                empty = {} if isinstance(event, yaml.MappingStartEvent) else []
                self._grow(1, at)
                self.stack.append(_Open(empty, event.anchor, self.count))
            case _:
                done = self.stack.pop()
                self._remember(done.anchor, done.value, self.count - done.counted + 1)
                self._add(done.value, at)

    def _grow(self, count: int, at: int) -> None:
        self.count += count
        if self.count > MAX_VALUES:
            raise YamlFormatError(at, f"has more than {MAX_VALUES} values, aliases expanded")

    def _remember(self, anchor: str | None, value: YamlValue, count: int) -> None:
        if anchor is not None:
            self.anchors[anchor] = (value, count)

    def _add(self, value: YamlValue, at: int) -> None:
        if not self.stack:
            self.root = value
            return
        top = self.stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
        elif top.key is None:
            if not isinstance(value, str):
                raise YamlFormatError(at, "a key is not text")
            top.key = value
        else:
            top.value[top.key] = value
            top.key = None


def _scalar(event: yaml.ScalarEvent) -> YamlValue:
    """Text if quoted or tagged; else null, boolean or number where YAML says so."""
    text: str = event.value
    if event.style or event.tag is not None:
        return text
    resolve = yaml.resolver.Resolver().resolve
    tag = resolve(yaml.ScalarNode, text, (True, False)).rpartition(":")[2]  # type: ignore[no-untyped-call] # the stubs leave it out
    match tag:
        case "null":
            return None
        case "bool":
            return text.lower() in {"true", "yes", "on"}
        case "int" | "float":
            return _number(text)
        case _:
            return text


def _number(text: str) -> YamlValue:
    """Text for what YAML calls a number and Python does not: `1:30`, `0o7`."""
    for read in (int, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text
