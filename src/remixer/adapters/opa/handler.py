"""The verdicts of `opa`."""

from pathlib import Path
from typing import Final, assert_never

from remixer.adapters.opa.documents import encode_input
from remixer.adapters.opa.embedded import EmbeddedPolicy
from remixer.adapters.opa.params import Params, policy_problems, validate
from remixer.adapters.opa.remote import BearerToken, RemotePolicy
from remixer.adapters.opa.results import Doubted, Evaluation, Policy
from remixer.drivers.rego.results import Decided, Failed, PolicyFaultError, Undecided
from remixer.foundation.clock import Clock
from remixer.foundation.event_limit import EventLimit
from remixer.foundation.log import event_log
from remixer.foundation.status import Code, Status
from remixer.sdk import AdapterInfo, Authorization, CheckResult, Environment, HandlerContext

_REJECTED: Final = "opa: request was rejected"
_LOG_INTERVAL_S: Final = 60.0
_NS_PER_S: Final = 1_000_000_000
_NO_OPINION: Final = CheckResult()

_log: Final = event_log(__name__)


class Opa:
    """Asks a policy. Without a policy every check is a failure, which `fail_close` denies."""

    def __init__(
        self, params: Params, *, policy: Policy | None, handler: str, clock: Clock
    ) -> None:
        self._policy = policy
        self._fail_close = params.fail_close
        self._handler = handler
        self._clock = clock
        self._limit = EventLimit(interval_s=_LOG_INTERVAL_S)
        lifetime = (params.caching_duration, params.caching_use_count)
        self._allowed = CheckResult(Status(Code.OK), *lifetime)
        self._denied = CheckResult(Status(Code.PERMISSION_DENIED, _REJECTED), *lifetime)

    async def check(self, instance: Authorization, /) -> CheckResult:
        """Allow, deny, or what `fail_close` says about a policy without an answer.

        Source: Mixer 1.3's opa adapter, its texts included. A failure is never cached.
        """
        if self._policy is None:
            return self._failure("")
        try:
            document = encode_input(instance)
        except ValueError:
            return self._failure("the instance is not JSON: a number that is none, or broken text")
        return self._verdict(await self._policy.evaluate(document))

    async def aclose(self) -> None:
        if self._policy is not None:
            await self._policy.aclose()

    def _verdict(self, evaluation: Evaluation) -> CheckResult:
        match evaluation:
            case Decided():
                return self._allowed if evaluation.is_allowed else self._denied
            case Undecided():
                return self._failure("")
            case Failed():
                return self._failure(evaluation.reason)
            case Doubted():
                self._log_failure(evaluation.reason, answer="deny")
                return _denial(evaluation.reason)
        assert_never(evaluation)

    def _failure(self, reason: str) -> CheckResult:
        self._log_failure(reason, answer="deny" if self._fail_close else "allow")
        return _denial(reason) if self._fail_close else _NO_OPINION

    def _log_failure(self, reason: str, *, answer: str) -> None:
        held_back = self._limit.pass_now(reason, now_s=self._clock.monotonic_s())
        if held_back is not None:
            _log.warning(
                "opa_no_decision",
                handler=self._handler,
                reason=reason or "the rule is neither true nor false, or the policy is unusable",
                answer=answer,
                held_back=held_back,
            )


def _denial(reason: str) -> CheckResult:
    message = f"{_REJECTED}. err: {reason}" if reason else _REJECTED
    return CheckResult(Status(Code.PERMISSION_DENIED, message))


async def _build(params: Params, context: HandlerContext, environment: Environment) -> Opa:
    policy: Policy | None
    try:
        policy = await _policy(params, context, environment)
    except PolicyFaultError as fault:
        if not params.fail_close:
            raise
        _log.error("opa_policy_unusable", handler=context.name, reason=str(fault), answer="deny")
        policy = None
    return Opa(params, policy=policy, handler=context.name, clock=environment.clock)


async def _policy(params: Params, context: HandlerContext, environment: Environment) -> Policy:
    """Raises `PolicyFaultError`."""
    faults = [f"{each.path} {each.message}" for each in policy_problems(params)]
    if faults:
        raise PolicyFaultError("; ".join(faults))
    timeout_s = params.timeout / _NS_PER_S
    if not params.server_url:
        embedded = EmbeddedPolicy(params.policy, params.check_method, timeout_s=timeout_s)
        await embedded.start()
        return embedded
    token = None
    if params.bearer_token_file:
        token = BearerToken(Path(params.bearer_token_file), handler=context.name)
        await token.load()
        environment.tasks.spawn(token.keep_fresh(), name="token")
    return RemotePolicy(
        params.server_url,
        params.check_method,
        http=environment.http,
        timeout_s=timeout_s,
        token=token,
    )


INFO = AdapterInfo(
    name="opa",
    description="Asks a Rego policy, embedded or of an OPA server.",
    templates=frozenset({"authorization"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
