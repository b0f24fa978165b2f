"""A place in a document while its meaning is checked: the node, its path, and who is told."""

from dataclasses import dataclass

from remixer.foundation.documents.nodes import ListNode, MapNode, Node
from remixer.foundation.field_names import lower_camel
from remixer.foundation.findings import Findings
from remixer.wire.proto_json.decode import Place


@dataclass(frozen=True, slots=True)
class Spot:
    """`node` is the nearest that the operator wrote, if there is none at the place itself."""

    node: Node
    place: Place

    @property
    def findings(self) -> Findings:
        return self.place.findings

    def field(self, name: str) -> "Spot":
        found = None
        if isinstance(self.node, MapNode):
            found = self.node.get(name) or self.node.get(lower_camel(name))
        return Spot(found or self.node, self.place.field(name))

    def item(self, key: int | str) -> "Spot":
        found: Node | None = None
        match self.node, key:
            case ListNode(items=items), int():
                found = items[key] if key < len(items) else None
            case MapNode() as node, str():
                found = node.get(key)
            case _:
                pass
        return Spot(found or self.node, self.place.item(key))

    def error(self, code: str, message: str, hint: str = "") -> None:
        self.place.error(code, message, self.node, hint)

    def warning(self, code: str, message: str, hint: str = "") -> None:
        self.findings.warning(code, message, self.node.location, field=self.place.path, hint=hint)

    def require(self, code: str, holds: object, message: str, hint: str = "") -> None:
        if not holds:
            self.error(code, message, hint)
