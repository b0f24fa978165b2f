"""What every step of one resolve run works with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from remixer.config import codes
from remixer.config.dynamic import Dynamic
from remixer.config.expressions import ExpressionCompiler
from remixer.expr.semantics import Semantics
from remixer.foundation.findings import Findings
from remixer.foundation.problems import Location, Problem
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.templates.schema import Template

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Context:
    """One run: what is supplied from outside, and where problems are collected."""

    adapters: Mapping[str, AnyAdapterInfo]
    templates: Mapping[str, Template]
    expressions: ExpressionCompiler
    semantics: Semantics
    default_namespace: str
    problems: list[Problem]
    dynamic: Dynamic = field(default_factory=Dynamic)
    """Templates and adapters that are resources themselves."""

    def findings(self, resource: str) -> Findings:
        """Collects the problems of one resource."""
        return Findings(resource, self.problems)

    def walled(self, resource: str, at: Location, read: Callable[[], T | None]) -> T | None:
        """What `read` gives. If it raises, this resource alone is left out.

        Adapters' parameter classes and templates' carriers run here; and a fault of our own that
        one resource brings to light must not keep all others from applying.
        """
        try:
            return read()
        except Exception as error:  # noqa: BLE001 - the wall around one resource
            self.findings(resource).error(
                codes.RESOURCE_FAULT,
                f"reading the resource failed: {type(error).__name__}: {error}",
                at,
                hint="Report it, with this resource, to the author of the adapter or template.",
            )
            return None
