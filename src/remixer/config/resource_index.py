"""Resources by kind, and what this version says of kinds that it does not have."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from remixer.config import codes, kinds
from remixer.config.resources import Resource
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Problem


class ResourceIndex:
    """Resources of known kinds. Adapters and templates are kinds too, by their names."""

    __slots__ = ("_by_kind", "handler_kinds", "instance_kinds", "supported")

    def __init__(
        self,
        resources: Iterable[Resource],
        *,
        adapters: Iterable[str],
        templates: Iterable[str],
        has_remote: bool = False,
    ) -> None:
        """`has_remote`: kinds `adapter` and `template` are supported."""
        self.instance_kinds = frozenset(templates) - kinds.CORE_KINDS | {kinds.INSTANCE}
        adapter_kinds = frozenset(adapters) - kinds.CORE_KINDS - self.instance_kinds
        self.handler_kinds = adapter_kinds | {kinds.HANDLER}
        self.supported = (
            self.instance_kinds
            | self.handler_kinds
            | {kinds.ATTRIBUTE_MANIFEST, kinds.RULE}
            | kinds.OWN_KINDS
            | ({kinds.ADAPTER, kinds.TEMPLATE} if has_remote else set())
        )
        self._by_kind: dict[str, list[Resource]] = {}
        for resource in sorted(resources, key=lambda each: each.name):
            self._by_kind.setdefault(resource.key.kind, []).append(resource)

    def of_kinds(self, wanted: Iterable[str]) -> list[Resource]:
        """All resources of these kinds, sorted by name."""
        found = [each for kind in wanted for each in self._by_kind.get(kind, ())]
        return sorted(found, key=lambda each: each.name)

    def names_of(self, wanted: Iterable[str]) -> frozenset[str]:
        """Names of all resources of these kinds."""
        return frozenset(each.name for each in self.of_kinds(wanted))

    @property
    def counts(self) -> Mapping[str, int]:
        """Resources of Mixer's kinds, supported or not, by kind."""
        known = self.supported | _MIXER_KINDS
        return {kind: len(self._by_kind[kind]) for kind in sorted(known & self._by_kind.keys())}

    def report_unsupported(self, problems: list[Problem]) -> None:
        """One problem per resource that Mixer would have used and this version does not.

        Kinds that Mixer does not know are none of our business, unless one looks misspelt.
        """
        for kind in sorted(self._by_kind.keys() - self.supported - kinds.CONTROL_PLANE_KINDS):
            if kind in _MIXER_KINDS:
                message, hint = _unsupported(kind)
                for each in self._by_kind[kind]:
                    findings = Findings(each.name, problems)
                    at = each.location
                    findings.error(codes.NOT_SUPPORTED, message, at, field="kind", hint=hint)
            else:
                self._report_unknown(kind, problems)

    def _report_unknown(self, kind: str, problems: list[Problem]) -> None:
        near = get_close_matches(kind.lower(), sorted(self.supported), n=1, cutoff=_NEAR)
        for each in self._by_kind[kind] if near else ():
            Findings(each.name, problems).warning(
                codes.KIND_NEAR_MISS,
                f"the kind `{kind}` is unknown; the resource is ignored",
                each.location,
                field="kind",
                hint=f"Did you mean `{near[0]}`?",
            )


_MIXER_KINDS = kinds.CORE_KINDS | kinds.MIXER_ADAPTERS | kinds.MIXER_TEMPLATES
_NEAR = 0.8  # closer than a hint usually needs: a foreign kind must not be taken for a typo


def _unsupported(kind: str) -> tuple[str, str]:
    if kind in {kinds.ADAPTER, kinds.TEMPLATE}:
        message = f"out-of-process adapters (`{kind}` resources) are not supported in this version"
        return message, "Use a built-in or installed adapter with `compiledAdapter`."
    if kind in kinds.MIXER_TEMPLATES:
        return f"template `{kind}` is not supported in this version", ""
    return f"adapter `{kind}` is not supported in this version", kinds.successor_hint(kind)
