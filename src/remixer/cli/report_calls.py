"""Telling a server of finished requests, once or often."""

from dataclasses import replace
from typing import Final, assert_never

from remixer.attributes.bag import PlainBag
from remixer.cli import mixc_text
from remixer.cli.call_flags import CallOutput
from remixer.cli.call_summary import summary_line, timing_json
from remixer.cli.console import emit_json, show, show_plain
from remixer.cli.server_calls import Answer, CallPlan, send_all
from remixer.transport.client import RpcFailed
from remixer.wire.client_codec import REPORT_PATH, encode_report_request

# Source: mixc. Every word travels in the message.
_GLOBAL_WORD_COUNT: Final = 0


def tell(plan: CallPlan, bag: PlainBag, *, batch_size: int, output: CallOutput | None) -> None:
    """Send the reports of `plan`, up to `batch_size` in a message, and show how they were taken.

    `output` None shows nothing.
    """
    messages = -(-plan.repeat // batch_size)
    answers: list[Answer] = []

    def request(number: int) -> bytes:
        count = min(batch_size, plan.repeat - number * batch_size)
        return encode_report_request([bag] * count, global_word_count=_GLOBAL_WORD_COUNT)

    def take(answer: Answer) -> None:
        answers.append(answer)
        match output:
            case CallOutput.JSON:
                emit_json({"accepted": True, **timing_json(answer)})
            case CallOutput.MIXC:
                show_plain(mixc_text.REPORTED)
            case CallOutput.TEXT | None:
                pass  # at the end
            case _:
                assert_never(output)

    is_mixc = output is CallOutput.MIXC
    plan_of_messages = replace(plan, repeat=messages)
    send_all(plan_of_messages, REPORT_PATH, request, take, _show_failure if is_mixc else None)
    if output is CallOutput.TEXT:
        is_single = messages == 1
        show("accepted" if is_single else summary_line(["accepted"] * len(answers), answers))


def _show_failure(failure: RpcFailed) -> None:
    show_plain(mixc_text.report_failure(failure))
