"""The file of `--forward-auth-destinations`: attributes of services, by the hosts of requests.

    shop.example:
      destination.namespace: shop
      destination.service.name: web
    "*.books.example": {destination.namespace: books}
    "*": {}

In force as a whole or not at all: every fault is told at once. What only may be one, an attribute
that no configuration of rules knows by itself, is logged.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from remixer.attributes.static_values import static_value
from remixer.attributes.vocabulary import Vocabulary
from remixer.foundation.documents.codes import UNREADABLE
from remixer.foundation.documents.nodes import MapEntry, MapNode, Node, ScalarNode, describe
from remixer.foundation.documents.yaml_documents import MAX_FILE_BYTES, read_documents
from remixer.foundation.findings import did_you_mean
from remixer.foundation.log import event_log
from remixer.foundation.problems import Location, Problem, Severity
from remixer.frontends.forward_auth.destinations import ANY_HOST, host_of
from remixer.server.setting_table import SettingsError
from remixer.server.standard_attributes import standard_vocabulary

BAD_DESTINATION: Final = "SET006"
"""An entry of the file cannot be used."""

_HOST_WANTED: Final = "Write `shop.example`, `*.shop.example` or `*`: lower case, without a port."
_TEXT_WANTED: Final = "Write a text or a number; maps as `app=web,version=v1`."
_log: Final = event_log(__name__)


def load_destinations(path: str) -> dict[str, dict[str, str]]:
    """Attributes by host, as texts. Blocking. Raises `SettingsError` with every fault."""
    reading = _Reading(path, standard_vocabulary())
    found = reading.read()
    errors = [each for each in reading.problems if each.severity is Severity.ERROR]
    if errors:
        raise SettingsError(errors)
    for each in reading.problems:
        _log.warning("forward_auth_destinations", problem=str(each))
    return found


class _Reading:
    """One file, and its faults so far."""

    def __init__(self, path: str, vocabulary: Vocabulary) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._vocabulary = vocabulary

    def read(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for entry in self._entries():
            if entry.key in found:
                self._add(f"`{entry.key}` is given twice", entry.location, "Join the two.")
            elif self._is_host(entry):
                found[entry.key] = dict(self._attributes(entry))
        return found

    def _entries(self) -> Iterator[MapEntry]:
        try:
            with Path(self._path).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            message = f"the file cannot be read: {error.strerror or error}"
            hint = "Check the path, and who may read it."
            self._add(message, Location(self._path), hint, code=UNREADABLE)
            return
        documents = read_documents(content, self._path)
        self.problems.extend(documents.problems)
        for root in documents.roots:
            if isinstance(root, MapNode):
                yield from root
            else:
                message = f"found {describe(root)}; wanted a mapping of hosts"
                self._add(message, root.location, _HOST_WANTED)

    def _is_host(self, entry: MapEntry) -> bool:
        name = entry.key.removeprefix("*.")
        if entry.key != ANY_HOST and (not name or "*" in name or name != host_of(name)):
            self._add(f"`{entry.key}` is no host", entry.location, _HOST_WANTED)
            return False
        return True

    def _attributes(self, entry: MapEntry) -> Iterator[tuple[str, str]]:
        if not isinstance(entry.value, MapNode):
            message = (
                f"`{entry.key}`: found {describe(entry.value)}; wanted a mapping of attributes"
            )
            self._add(message, entry.value.location, "`{}` says nothing of the service.")
            return
        for each in entry.value:
            text = _text_of(each.value)
            if text is None:
                message = f"`{each.key}`: found {describe(each.value)}; wanted a value"
                self._add(message, each.value.location, _TEXT_WANTED)
            else:
                self._judge(each, text)
                yield each.key, text

    def _judge(self, attribute: MapEntry, text: str) -> None:
        """Rules may declare further attributes, so an unknown one need be no fault."""
        types = self._vocabulary.types
        declared = types.get(attribute.key)
        if declared is None:
            message = f"`{attribute.key}` is no standard attribute; only a manifest can make it one"
            hint = did_you_mean(attribute.key, types)
            self._add(message, attribute.location, hint, severity=Severity.WARNING)
        elif static_value(text, declared) is None:
            message = f"`{attribute.key}`: `{text}` does not fit its type, {declared.name}"
            self._add(message, attribute.value.location, _TEXT_WANTED)

    def _add(
        self,
        message: str,
        location: Location,
        hint: str,
        *,
        code: str = BAD_DESTINATION,
        severity: Severity = Severity.ERROR,
    ) -> None:
        self.problems.append(Problem(code, message, location, hint=hint, severity=severity))


def _text_of(node: Node) -> str | None:
    return node.text if isinstance(node, ScalarNode) and node.value is not None else None
