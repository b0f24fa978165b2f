"""A YAML file to located trees, one per document, with every fault located.

Theory of operation. The text is cut into documents at marker lines before any of it is parsed
(`---` and `...` at the start of a line mark a document wherever they stand), so a syntax error
ends one document only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from remixer.foundation.documents import codes
from remixer.foundation.documents.nodes import Node, is_null
from remixer.foundation.documents.yaml_tree import DocumentError, read_tree
from remixer.foundation.problems import Location, Problem

MAX_FILE_BYTES: Final = 8 << 20
"""Five times what Kubernetes stores in one object; also bounds the time of a reading."""
MAX_DOCUMENTS: Final = 10_000
"""Per file. A mesh of a thousand services has about as many rules, in many files."""


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one file that could be read; empty ones are not among them."""

    roots: tuple[Node, ...]
    problems: tuple[Problem, ...]


def read_documents(content: bytes, file: str) -> Documents:
    """All documents of a file. Never raises, whatever the bytes are."""
    if len(content) > MAX_FILE_BYTES:
        message = f"the file has {len(content)} bytes; at most {MAX_FILE_BYTES} are read"
        return _nothing(codes.FILE_TOO_LARGE, message, Location(file), "Split it.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - (content.rfind(b"\n", 0, error.start) + 1) + 1
        message = f"the file is not UTF-8: byte 0x{content[error.start]:02x}"
        hint = "Save the file as UTF-8."
        return _nothing(codes.NOT_UTF8, message, Location(file, line, column), hint)
    return _read_text(text, file)


def _nothing(code: str, message: str, location: Location, hint: str) -> Documents:
    return Documents((), (Problem(code, message, location, hint=hint),))


def _read_text(text: str, file: str) -> Documents:
    roots: list[Node] = []
    problems: list[Problem] = []
    for count, (first_line, document) in enumerate(_split(text)):
        if count == MAX_DOCUMENTS:
            message = f"the file has more than {MAX_DOCUMENTS} documents; the rest is left out"
            place = Location(file, first_line, 1)
            problems.append(Problem(codes.TOO_MANY_DOCUMENTS, message, place, hint="Split it."))
            break
        try:
            root = read_tree(document, file=file, first_line=first_line, problems=problems)
        except DocumentError as error:
            problems.append(error.problem)
        except yaml.YAMLError as error:
            problem = _syntax_problem(error, document, file=file, first_line=first_line)
            problems.append(problem)
        else:
            if root is not None and not is_null(root):
                roots.append(root)
    return Documents(tuple(roots), tuple(problems))


def _split(text: str) -> Iterator[tuple[int, str]]:
    """Documents with the line (from 1) that each starts at; blank ones are left out."""
    start, lines = 1, list[str]()
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        if _is_marker(line, "---"):
            if _has_content(lines):
                yield start, "".join(lines)
            start, lines = number, [line]
        elif _is_marker(line, "..."):
            if _has_content(lines):
                yield start, "".join(lines)
            start, lines = number + 1, []
        else:
            lines.append(line)
    if _has_content(lines):
        yield start, "".join(lines)


def _is_marker(line: str, marker: str) -> bool:
    return line.startswith(marker) and (len(line) == len(marker) or line[3].isspace())


def _has_content(lines: list[str]) -> bool:
    """Whether there is more than blank lines, comments, directives and the bare marker."""
    for line in lines:
        rest = line.removeprefix("---") if _is_marker(line, "---") else line
        stripped = rest.strip()
        if stripped and not stripped.startswith("#") and not line.startswith("%"):
            return True
    return False


def _syntax_problem(error: yaml.YAMLError, document: str, *, file: str, first_line: int) -> Problem:
    """Locates what the parser says."""
    reason, location, hint = str(error), Location(file, first_line), ""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(part for part in (error.context, error.problem) if part)
        if mark is not None:
            location = Location(file, first_line + mark.line, mark.column + 1)
            line = document.splitlines()[mark.line : mark.line + 1]
            if line and line[0].lstrip(" ").startswith("\t"):
                hint = "Indent with spaces, not tabs."
    elif isinstance(error, yaml.reader.ReaderError):
        reason = str(error.reason)
    return Problem(codes.YAML_SYNTAX, f"not well-formed YAML: {reason}", location, hint=hint)
