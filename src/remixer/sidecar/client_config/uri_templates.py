"""URI templates, as `google.api.http` has them, and the tree that finds the one of a path.

    Template = "/" | "/" Segments [ ":" LITERAL ]
    Segments = Segment { "/" Segment }
    Segment  = "*" | "**" | LITERAL | "{" FieldPath [ "=" Segments ] "}"

`*` and `{name}` are one segment, `**` is any number of them, and after it only literals may
follow. What a variable is called plays no part. A path counts without its query and without
slashes at its end. Its last segment's `:verb` is one if some template has that verb; no template
with the verb matching, it is a part of the segment.

Theory of operation. Templates share a tree, one level per segment. A search goes depth-first and
prefers, at each segment, a literal to `*` to `**`; from a dead end it goes back. A place of the
tree is tried at most once per segment of the path, so that time is bounded by the product of the
two and, without `**`, by the size of the tree.
"""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Generic, TypeAlias, TypeVar

T = TypeVar("T")

MAX_SEGMENTS: Final = 1_000
"""Of a path; a longer one matches no template. Operators' templates have about six."""
ANY_METHOD: Final = "*"
_RESERVED: Final = frozenset("{}*")


class Wild(Enum):
    """A segment that is no literal."""

    ONE = "*"
    MANY = "**"


Segment: TypeAlias = str | Wild


class TemplateError(ValueError):
    """Not a template; `str()` says what is wrong."""


@dataclass(frozen=True, slots=True)
class UriTemplate:
    """A template. `verb` "" means none."""

    segments: tuple[Segment, ...]
    verb: str = ""


def parse_template(text: str) -> UriTemplate:
    """Raises `TemplateError`."""
    if not text.startswith("/"):
        message = "it does not begin with `/`"
        raise TemplateError(message)
    if text == "/":
        return UriTemplate(())
    body, verb = text[1:], ""
    last = body[max(body.rfind("/"), body.rfind("}")) + 1 :]
    if ":" in last:
        verb = last.partition(":")[2]
        body = body[: len(body) - len(verb) - 1]
        _require_literal(verb, "verb")
    segments = tuple(_segments(body, is_in_variable=False))
    if Wild.MANY in segments:
        after = segments[segments.index(Wild.MANY) + 1 :]
        if any(isinstance(each, Wild) for each in after):
            message = "after `**` only literals may follow"
            raise TemplateError(message)
    return UriTemplate(segments, verb)


def _segments(text: str, *, is_in_variable: bool) -> list[Segment]:
    found: list[Segment] = []
    for part in _split(text):
        if part in {Wild.ONE.value, Wild.MANY.value}:
            found.append(Wild(part))
        elif part.startswith("{"):
            if is_in_variable:
                message = "a variable stands inside a variable"
                raise TemplateError(message)
            found.extend(_variable(part))
        else:
            _require_literal(part, "segment")
            found.append(part)
    return found


def _split(text: str) -> list[str]:
    """At slashes outside of braces."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == "/" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        message = "braces do not pair"
        raise TemplateError(message)
    return parts


def _variable(part: str) -> list[Segment]:
    if not part.endswith("}"):
        message = f"a variable takes a whole segment, and `{part}` goes on after it"
        raise TemplateError(message)
    path, equals, inner = part[1:-1].partition("=")
    if not all(path.split(".")) or not _RESERVED.isdisjoint(path) or "/" in path:
        message = f"`{part}` names no variable"
        raise TemplateError(message)
    return _segments(inner, is_in_variable=True) if equals else [Wild.ONE]


def _require_literal(text: str, what: str) -> None:
    if not text:
        message = f"a {what} is empty"
        raise TemplateError(message)
    if not _RESERVED.isdisjoint(text) or ":" in text:
        message = f"`{text}` is no {what}: `{{`, `}}`, `*` and `:` have meanings of their own"
        raise TemplateError(message)


@dataclass(slots=True)
class _Place(Generic[T]):
    """A place in the tree. `ends`: by verb and method, what templates that end here stand for."""

    literals: "dict[str, _Place[T]]" = field(default_factory=dict)
    one: "_Place[T] | None" = None
    many: "_Place[T] | None" = None
    is_many: bool = False
    ends: dict[tuple[str, str], T] = field(default_factory=dict)

    def child(self, segment: Segment) -> "_Place[T]":
        match segment:
            case Wild.ONE:
                self.one = self.one or _Place()
                return self.one
            case Wild.MANY:
                self.many = self.many or _Place(is_many=True)
                return self.many
            case _:
                return self.literals.setdefault(segment, _Place())

    def end(self, verb: str, method: str) -> T | None:
        found = self.ends.get((verb, method))
        return self.ends.get((verb, ANY_METHOD)) if found is None else found

    def next_steps(self, path: list[str], at: int) -> "list[tuple[_Place[T], int]]":
        """The worst first, to be taken from the end."""
        steps: list[tuple[_Place[T], int]] = []
        is_inside = at < len(path)
        if self.is_many and is_inside:
            steps.append((self, at + 1))
        if self.many is not None:
            steps.append((self.many, at))
        if self.one is not None and is_inside:
            steps.append((self.one, at + 1))
        if is_inside and path[at] in self.literals:
            steps.append((self.literals[path[at]], at + 1))
        return steps


class TemplateTree(Generic[T]):
    """Templates with methods, and what each stands for."""

    __slots__ = ("_root", "_verbs")

    def __init__(self) -> None:
        self._root: _Place[T] = _Place()
        self._verbs: set[str] = set()

    def add(self, template: UriTemplate, method: str, target: T) -> bool:
        """Whether it was added: of two with the same segments, verb and method the first counts."""
        place = self._root
        for segment in template.segments:
            place = place.child(segment)
        key = (template.verb, method)
        if key in place.ends:
            return False
        place.ends[key] = target
        if template.verb:
            self._verbs.add(template.verb)
        return True

    def find(self, method: str, path: str) -> T | None:
        """What the best template stands for; None if none matches. `path` may have a query."""
        segments = path_segments(path)
        if segments is None:
            return None
        if segments and ":" in segments[-1]:
            last, _, verb = segments[-1].rpartition(":")
            if verb in self._verbs:
                found = self._search([*segments[:-1], last], verb, method)
                if found is not None:
                    return found
        return self._search(segments, "", method)

    def _search(self, path: list[str], verb: str, method: str) -> T | None:
        waiting = [(self._root, 0)]
        tried: set[tuple[int, int]] = set()
        while waiting:
            place, at = waiting.pop()
            if (id(place), at) in tried:
                continue
            tried.add((id(place), at))
            if at == len(path):
                found = place.end(verb, method)
                if found is not None:
                    return found
            waiting.extend(place.next_steps(path, at))
        return None


def path_segments(path: str) -> list[str] | None:
    """Of a path, without query and slashes at the end; None for what is no path, or too long."""
    if not path.startswith("/"):
        return None
    bare = path.partition("?")[0].rstrip("/")
    if bare.count("/") > MAX_SEGMENTS:
        return None
    return bare.split("/")[1:]
