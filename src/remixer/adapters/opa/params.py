"""Parameters of `opa` and what is wrong with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from remixer.attributes.values import Duration
from remixer.drivers.http_client import http_url, shown_url
from remixer.drivers.rego import engine
from remixer.foundation.durations import format_duration
from remixer.sdk import HandlerContext, Int32, ParamProblem

MOST_POLICY_BYTES: Final = 1 << 20
"""All modules together; as much as Kubernetes stores in one object."""
_SECOND_NS: Final = 1_000_000_000
_MOST_TIMEOUT_NS: Final = 60 * _SECOND_NS
_FEWEST_PARTS: Final = 3  # data, package, rule
_HELP_METHOD: Final = "Write it as data.PACKAGE.RULE: data.mixerauthz.allow."


@dataclass(frozen=True, slots=True)
class Params:
    """Which policy is asked, and what it means when it has no answer.

    The first three are the original's; the others are additions.
    """

    policy: tuple[str, ...] = ()
    check_method: str = ""
    fail_close: bool = False
    server_url: str = ""
    bearer_token_file: str = ""
    timeout: Duration = Duration(_SECOND_NS)  # noqa: RUF009 - an int subclass, immutable
    caching_duration: Duration = Duration(0)  # noqa: RUF009 - an int subclass, immutable
    caching_use_count: Int32 = Int32(0)  # noqa: RUF009 - a number


def validate(params: Params, _context: HandlerContext) -> Iterator[ParamProblem]:
    """All faults. Those of the policy only without `fail_close`: with it, its denials tell.

    Source: Mixer 1.3's opa adapter remembers them under `fail_close`, and denies everything.
    """
    yield from _addition_problems(params)
    if not params.fail_close:
        yield from policy_problems(params)


def policy_problems(params: Params) -> Iterator[ParamProblem]:
    """What keeps the policy from being asked."""
    if not params.check_method:
        yield ParamProblem("check_method", "is missing", _HELP_METHOD)
    elif not _is_rule(params.check_method):
        yield ParamProblem("check_method", f"`{params.check_method}` is no rule", _HELP_METHOD)
    if params.server_url:
        return
    if not params.policy:
        yield ParamProblem("policy", "is missing", "Give a Rego module, or `server_url`.")
    elif sum(map(len, params.policy)) > MOST_POLICY_BYTES:
        yield ParamProblem("policy", f"is longer than {MOST_POLICY_BYTES} characters")
    elif not engine.is_installed():
        yield ParamProblem("policy", engine.MISSING_PACKAGE, engine.INSTALL_HINT)
    else:
        for fault in engine.parse_faults(params.policy):
            yield ParamProblem(f"policy[{fault.index}]", f"line {fault.line}: {fault.message}")


def _addition_problems(params: Params) -> Iterator[ParamProblem]:
    if params.server_url:
        yield from _server_problems(params)
    elif params.bearer_token_file:
        yield ParamProblem("bearer_token_file", "is of no use without `server_url`")
    if not 0 < params.timeout <= _MOST_TIMEOUT_NS:
        found = format_duration(params.timeout)
        yield ParamProblem("timeout", f"{found} is not above 0s and at most 1m")
    if params.caching_duration < 0:
        yield ParamProblem("caching_duration", "is negative")
    if params.caching_use_count < 0:
        yield ParamProblem("caching_use_count", f"{params.caching_use_count} is negative")
    if (params.caching_duration == 0) is not (params.caching_use_count == 0):
        empty = "caching_use_count" if params.caching_duration else "caching_duration"
        yield ParamProblem(empty, "is 0 while its companion is not", "Give both, or none.")


def _server_problems(params: Params) -> Iterator[ParamProblem]:
    if params.policy:
        message = "is given, and `server_url` too"
        yield ParamProblem("policy", message, "A server has its own policies; keep one of them.")
    parts = http_url(params.server_url)
    if parts is None or parts.query or parts.fragment:
        found = shown_url(params.server_url)
        hint = "Write it with scheme and host: http://127.0.0.1:8181."
        yield ParamProblem("server_url", f"`{found}` is not an HTTP address", hint)


def _is_rule(text: str) -> bool:
    parts = text.split(".")
    return (
        text.isascii()
        and len(parts) >= _FEWEST_PARTS
        and parts[0] == "data"
        and all(part.isidentifier() for part in parts)
    )
