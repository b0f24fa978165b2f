"""Figures beside the cost of calls: rates, memory, times of a start; each with its unit and goal."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

from bench.measure import Figure


@dataclass(frozen=True, slots=True)
class Fact:
    """One figure with its unit. `goal` None: none stated; `is_least`: more is better."""

    key: str
    name: str
    unit: str
    figure: Figure
    goal: float | None = None
    is_least: bool = False

    @property
    def is_met(self) -> bool:
        assert self.goal is not None
        if self.is_least:
            return self.figure.median >= self.goal
        return self.figure.median <= self.goal

    @property
    def text(self) -> str:
        return f"{spread(self.figure)} {self.unit}"

    @property
    def goal_text(self) -> str:
        if self.goal is None:
            return ""
        sign = "≥" if self.is_least else "≤"
        return f"{sign} {self.goal:g} {'met' if self.is_met else 'missed'}"


def facts_table(title: str, facts: Iterable[Fact]) -> Table:
    table = Table(title, "median (least to most)", "goal")
    for fact in facts:
        table.add_row(fact.name, fact.text, fact.goal_text)
    return table


def spread(figure: Figure) -> str:
    """The median, and in brackets least and most."""
    return f"{short(figure.median)} ({short(figure.minimum)} to {short(figure.maximum)})"


def short(value: float) -> str:
    """About three digits."""
    if abs(value) < 100:
        return f"{value:.2f}" if abs(value) < 5 else f"{value:.1f}"
    return f"{value:,.0f}"
