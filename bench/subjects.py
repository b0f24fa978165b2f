"""What the table measures, in the order of its rows.

A row is one kind of question to a server with one configuration of `bench/configs`. Goals are of
server CPU over gRPC on the own transport. Mixer's figures were measured elsewhere, once, on two
cores as here and with the same load; they are published with the goals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

CHECK = "/istio.mixer.v1.Mixer/Check"
REPORT = "/istio.mixer.v1.Mixer/Report"
AUTHORIZATION = "/envoy.service.auth.v3.Authorization/Check"
ACCESS_LOG = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
OUT_OF_PROCESS = "out-of-process"
"""A configuration that is made when the back end's address is known."""


class Ask(Enum):
    """How requests come."""

    SAME = "one body again and again"
    VARIED = "a body of its own for each"
    STREAM = "messages of streams, each of its own"


@dataclass(frozen=True, slots=True)
class Subject:
    """One row. A figure is of one of `units` things in each message."""

    key: str
    name: str
    section: str
    config: str
    body: str
    path: str = CHECK
    ask: Ask = Ask.SAME
    has_cache: bool = False
    units: int = 1
    effort: int = 1
    """Asked so many times less often than others: a message is that much more work."""
    goal_us: float | None = None
    mixer_us: str = ""
    """Of Mixer 1.3; empty: never measured."""

    @property
    def is_mixers(self) -> bool:
        """Whether any Mixer understands the question."""
        return self.path in {CHECK, REPORT}


def _check(
    key: str,
    name: str,
    config: str,
    goal_us: float | None = None,
    mixer_us: str = "",
    *,
    body: str = "check-25",
    has_cache: bool = False,
) -> Subject:
    ask = Ask.VARIED if body == "vary" else Ask.SAME
    return Subject(
        key, name, "checks", config, body, ask=ask, has_cache=has_cache, goal_us=goal_us,
        mixer_us=mixer_us,
    )  # fmt: skip


def _report(key: str, name: str, config: str, goal_us: float, mixer_us: str) -> Subject:
    units = 100 if key.endswith("100") else 1
    return Subject(
        key, name, "reports", config, key, path=REPORT, units=units, effort=max(1, units // 5),
        goal_us=goal_us, mixer_us=mixer_us,
    )  # fmt: skip


def _envoy(key: str, name: str, config: str, goal_us: float, *, has_cache: bool) -> Subject:
    return Subject(
        key, name, "envoy", config, "ext-authz", path=AUTHORIZATION, has_cache=has_cache,
        goal_us=goal_us,
    )  # fmt: skip


def _access_log(key: str, name: str, units: int) -> Subject:
    return Subject(
        key, name, "envoy", "metrics", key, path=ACCESS_LOG, ask=Ask.STREAM, units=units,
        effort=max(1, units // 2), goal_us=12,
    )  # fmt: skip


def _expression(key: str, name: str) -> Subject:
    return Subject(key, name, "expressions", key, "check-25")


SUBJECTS: Sequence[Subject] = (
    _check("hit", "check, hit", "lasting", 9, "31", has_cache=True),
    _check("hit-10000", "check, hit, answers of 10,000 uses", "allow", None, "31", has_cache=True),
    _check(
        "hit-varied", "check, hit, other attributes vary", "lasting", body="vary", has_cache=True
    ),
    _check("no-rule", "check, no rule", "none", 15, "57"),
    _check("allow", "check, allow through a list rule", "allow", 25, "54 to 68"),
    _check("deny", "check, deny", "deny", 25, "60 to 90"),
    _check("quota", "check, allow with quota", "quota", 35, "77 to 97", body="check-25-quota"),
    _check("vary", "check, vary: never seen before", "vary", 30, "64", body="vary", has_cache=True),
    Subject(
        "out-of-process",
        "check by an out-of-process adapter",
        "checks",
        OUT_OF_PROCESS,
        "check-25",
        effort=10,
    ),
    _report("report-1", "report x1, 2 metrics x 8 labels", "metrics", 25, "58"),
    _report("report-100", "report x100, per bag, 2 x 8", "metrics", 8, "14.6"),
    _report("report-19-1", "report x1, 4 metrics x 19 labels", "metrics-19", 45, "127"),
    _report("report-19-100", "report x100, per bag, 4 x 19", "metrics-19", 20, "61 to 82"),
    _envoy("ext-authz-hit", "ext_authz check, hit", "lasting", 10, has_cache=True),
    _envoy("ext-authz-miss", "ext_authz check, list rule", "allow", 25, has_cache=False),
    _access_log("access-log", "access-log entry, messages of 1", 1),
    _access_log("access-log-20", "access-log entry, messages of 20", 20),
    _expression("expression-condition", "check, a condition of `==` and `&&`"),
    _expression("expression-default", "check, a chain of defaults"),
    _expression("expression-text", "check, functions of texts"),
    _expression("expression-order", "check, addresses and instants compared"),
    _expression("expression-map", "check, a look-up in a map"),
)

LIBRARY_KEY, LIBRARY_NAME, LIBRARY_GOAL_US = "library-hit", "client library, hit in memory", 4.0
"""The last row: no server is asked, so no configuration and no body."""
EXPRESSIONS = {
    "expression-condition": 'context.protocol == "http" && destination.service.name == "nobody"',
    "expression-default": (
        '(request.headers["x-account"] | request.headers["x-team"] | source.user | "none") == "me"'
    ),
    "expression-text": (
        'destination.service.host.startsWith("cart.") && match(request.path, "/cart/*") '
        '&& request.useragent.endsWith("Safari")'
    ),
    "expression-order": (
        'source.ip == ip("10.9.9.9") || request.time < timestamp("2020-01-01T00:00:00Z")'
    ),
    "expression-map": 'request.headers["x-user"] == "mallory"',
}
"""Conditions of rules that would deny, and never do: what is measured is to find that out."""
SECTIONS = ("checks", "reports", "envoy", "expressions", "library")
KEYS = (*(each.key for each in SUBJECTS), LIBRARY_KEY)


def chosen(only: Sequence[str]) -> list[str]:
    """Keys of rows, by their names or those of sections; nothing named: all."""
    wanted = set(only)
    found = [each.key for each in SUBJECTS if not wanted or wanted & {each.key, each.section}]
    if not wanted or wanted & {LIBRARY_KEY, "library"}:
        found.append(LIBRARY_KEY)
    return found
