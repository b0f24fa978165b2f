"""Which operation of an API a request is, and which key it carries.

Several specifications of a service are one: their attributes, patterns and sources of keys are
taken together, in order. Attributes are merged so that a later step overrides an earlier one: those
of the API, those of the best URI template, those of each regular expression that matches.

Source: Mixer's client. There a regular expression with method `*` matches nothing; here `*` is any
method for both kinds of patterns.
"""

from collections.abc import Iterable, Mapping
from typing import Final, cast

from remixer.attributes.bag import SCALARS, Bag
from remixer.attributes.http_request import api_key, query_params
from remixer.attributes.values import EMPTY_STRING_MAP, PlainStringMap, StringMap, Value
from remixer.foundation.regex import Pattern, compile_pattern
from remixer.sidecar.client_config.attribute_values import values_of
from remixer.sidecar.client_config.messages import APIKey, HTTPAPISpec, HTTPAPISpecPattern
from remixer.sidecar.client_config.uri_templates import ANY_METHOD, TemplateTree, parse_template
from remixer.wire.text import encodable

API_KEY_ATTRIBUTE: Final = "request.api_key"


class ApiTable:
    """Specifications, ready to be evaluated. Immutable."""

    __slots__ = ("_always", "_keys", "_patterns", "_templates", "provided")

    def __init__(self, specs: Iterable[HTTPAPISpec] = ()) -> None:
        """Raises `PatternError` and `TemplateError`. Of two equal templates the first counts."""
        self._always: dict[str, Value] = {}
        self._templates = TemplateTree[Mapping[str, Value]]()
        self._patterns: list[tuple[str, Pattern, Mapping[str, Value]]] = []
        self._keys: tuple[APIKey, ...] = ()
        provided: set[str] = set()
        for spec in specs:
            self._always |= values_of(spec.attributes)
            self._keys += spec.api_keys
            for pattern in spec.patterns:
                provided.update(self._add(pattern))
        self.provided: Final = frozenset(provided | self._always.keys())
        """Every attribute that some request may get of `attributes`."""

    def _add(self, pattern: HTTPAPISpecPattern) -> Iterable[str]:
        attributes = values_of(pattern.attributes)
        if pattern.uri_template is not None:
            template = parse_template(pattern.uri_template)
            self._templates.add(template, pattern.http_method, attributes)
        else:
            compiled = compile_pattern(pattern.regex or "")
            self._patterns.append((pattern.http_method, compiled, attributes))
        return attributes

    @property
    def has_own_keys(self) -> bool:
        """Whether the operator said where keys are; if not, they are where Mixer's client looks."""
        return bool(self._keys)

    def attributes(self, bag: Bag) -> Mapping[str, Value]:
        """What the specifications say of a request; nothing if it has no method or no path."""
        method, path = bag["request.method"], bag["request.path"]
        if type(method) is not str or type(path) is not str:
            return {}
        found = dict(self._always)
        found.update(self._templates.find(method, path) or {})
        text = encodable(path)
        for wanted, pattern, attributes in self._patterns:
            if wanted in {method, ANY_METHOD} and pattern.matches(text):
                found.update(attributes)
        return found

    def api_key(self, bag: Bag) -> str | None:
        """From the first source that has one. A query parameter or header may be empty."""
        path = bag["request.path"]
        has_query = type(path) is str and "?" in path
        query = query_params(cast("str", path)) if has_query else EMPTY_STRING_MAP
        found = bag["request.headers"]
        headers: StringMap = EMPTY_STRING_MAP
        if found is not None and type(found) not in SCALARS:
            headers = cast("StringMap", found)
        if not self._keys:
            return api_key(query, headers)
        keys = (_key(source, query, headers) for source in self._keys)
        return next((each for each in keys if each is not None), None)


def _key(source: APIKey, query: PlainStringMap, headers: StringMap) -> str | None:
    if source.query is not None:
        return query[source.query]
    if source.header is not None:
        return headers[source.header.lower()]
    return _cookie(headers["cookie"] or "", source.cookie or "")


def _cookie(header: str, name: str) -> str | None:
    """The first cookie of that name that is not empty."""
    for pair in header.split(";"):
        key, _, value = pair.partition("=")
        if key.strip() == name:
            text = value.strip()
            if len(text) > 1 and text[0] == text[-1] == '"':
                text = text[1:-1]
            if text:
                return text
    return None
