"""What an autoscaler's connection and the handlers on it have done, as an exposition."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One connection now."""

    autoscaler: str
    encoding: str
    is_connected: bool
    revisions: int
    held: int
    last_error: str = ""


class LinkCounts:
    """What happened on one connection so far."""

    __slots__ = (
        "connections",
        "failures",
        "messages_sent",
        "revisions_forgotten",
        "stats_lost",
        "stats_sent",
    )

    def __init__(self) -> None:
        self.connections = 0
        self.failures = 0
        self.messages_sent = 0
        self.stats_sent = 0
        self.stats_lost = 0
        """For want of a connection. What is still held is told again when there is one."""
        self.revisions_forgotten = 0

    def items(self) -> Iterator[tuple[str, int]]:
        for name in self.__slots__:
            yield name, getattr(self, name)


_HELP: Final = {
    "connections": "Connections to the autoscaler that were made.",
    "failures": "Attempts to connect that failed, and connections that ended.",
    "messages_sent": "Websocket messages to the autoscaler.",
    "stats_sent": "Stats of revisions in them.",
    "stats_lost": "Stats that came to nothing for want of a connection.",
    "revisions_forgotten": "Revisions forgotten to make room for others.",
}
_ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(
    links: Iterable[tuple[LinkStatus, LinkCounts]],
    checks: Counter[tuple[str, str]],
) -> bytes:
    """`checks` are by handler and what was found of the revision."""
    found = list(links)
    lines: list[str] = []
    for name, text, value in (
        ("connected", "Whether there is a connection.", lambda each: int(each.is_connected)),
        (
            "revisions",
            "Revisions that were asked for in the last second.",
            lambda each: each.revisions,
        ),
        ("requests_held", "Requests that wait for a revision.", lambda each: each.held),
    ):
        lines += _head(f"remixer_knative_{name}", text, "gauge")
        lines += [f"remixer_knative_{name}{_labels(status)} {value(status)}" for status, _ in found]
    for name, text in _HELP.items():
        title = f"remixer_knative_{name}_total"
        lines += _head(title, text, "counter")
        lines += [
            f"{title}{_labels(status)} {dict(counts.items())[name]}" for status, counts in found
        ]
    title = "remixer_knative_checks_total"
    lines += _head(title, "Checks, by what was found of the revision.", "counter")
    lines += [
        f'{title}{{handler="{_escaped(handler)}",found="{_escaped(what)}"}} {count}'
        for (handler, what), count in sorted(checks.items())
    ]
    return ("\n".join(lines) + "\n").encode()


def _head(name: str, text: str, kind: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _labels(status: LinkStatus) -> str:
    autoscaler, encoding = _escaped(status.autoscaler), _escaped(status.encoding)
    return f'{{autoscaler="{autoscaler}",encoding="{encoding}"}}'


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
