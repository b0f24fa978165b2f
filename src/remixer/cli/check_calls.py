"""Asking a server to decide, once or often, and showing what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from remixer.attributes.bag import PlainBag
from remixer.cli import mixc_text
from remixer.cli.call_flags import CallOutput
from remixer.cli.call_summary import summary_line, timing_json
from remixer.cli.check_answer import check_json, check_line, check_text
from remixer.cli.console import emit_json, show, show_plain
from remixer.cli.exits import ExitCode, OperatorError
from remixer.cli.server_calls import Answer, CallPlan, send_all
from remixer.foundation.clock import SystemClock
from remixer.foundation.status import code_name
from remixer.mixer.outcome import CheckOutcome
from remixer.mixer.request import CheckRequest, QuotaArgs
from remixer.transport.client import RpcFailed
from remixer.wire.client_codec import (
    CHECK_PATH,
    UnreadableAnswerError,
    decode_check_response,
    encode_check_request,
)

# Source: mixc. An answer without global words can be read by any version of the dictionary.
_GLOBAL_WORD_COUNT: Final = 0


def ask(
    plan: CallPlan,
    bag: PlainBag,
    *,
    asked: Mapping[str, int],
    deduplication_id: str | None,
    output: CallOutput | None,
) -> bool:
    """Send the checks of `plan` and show each answer; whether any was a denial.

    `output` None shows nothing. `asked`: quota amounts by name. Without a de-duplication id each request gets a new one.
    """
    first_id = SystemClock().unix_ns()
    quotas = {name: QuotaArgs(each, best_effort=True) for name, each in asked.items()}

    def request(number: int) -> bytes:
        check = CheckRequest(
            bag, quotas=quotas, deduplication_id=deduplication_id or str(first_id + number)
        )
        return encode_check_request(check, global_word_count=_GLOBAL_WORD_COUNT)

    reader = _Reader(plan.address, output, asked, is_single=plan.repeat == 1)
    is_mixc = output is CallOutput.MIXC
    send_all(plan, CHECK_PATH, request, reader.take, _show_failure if is_mixc else None)
    reader.finish()
    return any(reader.codes)


def _show_failure(failure: RpcFailed) -> None:
    show_plain(mixc_text.check_failure(failure))


@dataclass(slots=True)
class _Reader:
    """Shows each answer as it comes, and remembers what the end needs."""

    address: str
    output: CallOutput | None
    asked: Mapping[str, int]
    is_single: bool
    answers: list[Answer] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def take(self, answer: Answer) -> None:
        outcome = self._outcome(answer)
        self.answers.append(answer)
        self.codes.append(outcome.status.code)
        match self.output:
            case CallOutput.JSON:
                emit_json({**check_json(outcome, asked=self.asked), **timing_json(answer)})
            case CallOutput.MIXC:
                show_plain(mixc_text.check_text(outcome))
            case CallOutput.TEXT if self.is_single:
                show(check_text(outcome, asked=self.asked))
            case CallOutput.TEXT:
                show(check_line(outcome))
            case None:
                pass
            case _:
                assert_never(self.output)

    def _outcome(self, answer: Answer) -> CheckOutcome:
        try:
            return decode_check_response(answer.response)
        except UnreadableAnswerError as error:
            raise OperatorError(
                what=f"the server's answer cannot be read: {error.message}",
                where=self.address,
                next_step="name a Mixer with --address",
                exit_code=ExitCode.REFUSED,
            ) from error

    def finish(self) -> None:
        if self.output is CallOutput.TEXT and not self.is_single:
            show(summary_line(map(code_name, self.codes), self.answers))
