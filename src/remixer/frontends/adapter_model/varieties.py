"""What each variety asks of a handler: which method, with what, and how its answer is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never, cast

from remixer.foundation.errors import InvalidRequestError
from remixer.frontends.adapter_model.codec import (
    REPORT_RESULT,
    encode_check_output,
    encode_check_result,
    encode_quota_result,
)
from remixer.sdk.results import CheckOutput, CheckResult, QuotaRequest, QuotaResult
from remixer.templates.schema import Message, Template, Variety
from remixer.wire.adapter_requests import HandleRequest, decode_handle_request
from remixer.wire.instance_messages import InstanceCodec, OutputCodec

METHODS: Final[Mapping[Variety, str]] = {
    Variety.CHECK: "check",
    Variety.CHECK_WITH_OUTPUT: "check_with_output",
    Variety.QUOTA: "allocate",
    Variety.REPORT: "report",
    Variety.ATTRIBUTE_GENERATOR: "generate",
}
"""The handler's method of each variety."""

_NO_OUTPUT: Final = Message("OutputTemplate", dict)


@dataclass(frozen=True, slots=True)
class Question:
    """One call, ready for a handler. `instance` names the one whose quota it is."""

    request: HandleRequest
    arguments: tuple[object, ...]
    instance: str = ""


@dataclass(frozen=True, slots=True)
class TemplateCodec:
    """Requests and answers of one template."""

    method: str
    answer: type
    """What the method must answer with."""
    decode: Callable[[bytes], Question]
    """Raises `InvalidRequestError`."""
    encode: Callable[[Question, object], bytes]
    """Takes what the method answered; raises `UnencodableValueError`."""


def template_codec(template: Template) -> TemplateCodec:
    """The codec of a template's service."""
    variety = template.variety
    output = OutputCodec(template.output or _NO_OUTPUT)
    decode = _Decoder(template)
    method = METHODS[variety]
    match variety:
        case Variety.CHECK:
            return TemplateCodec(method, CheckResult, decode, _check)
        case Variety.REPORT:
            return TemplateCodec(method, type(None), decode, _report)
        case Variety.QUOTA:
            return TemplateCodec(method, QuotaResult, decode, _quota)
        case Variety.CHECK_WITH_OUTPUT:

            def with_output(_question: Question, answer: object) -> bytes:
                found = cast("CheckOutput", answer)
                return encode_check_output(found.result, output.encode(found.output))

            return TemplateCodec(method, CheckOutput, decode, with_output)
        case Variety.ATTRIBUTE_GENERATOR:

            def attributes(_question: Question, answer: object) -> bytes:
                return output.encode(cast("Mapping[str, object]", answer))

            return TemplateCodec(method, Mapping, decode, attributes)
        case _:
            assert_never(variety)


class _Decoder:
    """Reads the requests of one template."""

    __slots__ = ("_instances", "_template")

    def __init__(self, template: Template) -> None:
        self._template = template
        self._instances = InstanceCodec(template.message)

    def __call__(self, payload: bytes) -> Question:
        is_report = self._template.variety is Variety.REPORT
        request = decode_handle_request(payload, is_report=is_report)
        instances = tuple(map(self._instances.decode, request.instances))
        if is_report:
            return Question(request, (instances,))
        if self._template.variety is Variety.QUOTA:
            return self._quota(request, instances[0])
        return Question(request, instances)

    def _quota(self, request: HandleRequest, instance: object) -> Question:
        if len(request.quotas) != 1:
            text = (
                f"{self._template.package}: quota_request has {len(request.quotas)} quotas;"
                " wanted one, under the name of the instance"
            )
            raise InvalidRequestError(text)
        ((name, asked),) = request.quotas.items()
        wanted = QuotaRequest(asked.amount, asked.best_effort, request.dedup_id)
        return Question(request, (instance, wanted), name)


def _check(_question: Question, answer: object) -> bytes:
    return encode_check_result(cast("CheckResult", answer))


def _report(_question: Question, _answer: object) -> bytes:
    return REPORT_RESULT


def _quota(question: Question, answer: object) -> bytes:
    return encode_quota_result(question.instance, cast("QuotaResult", answer))
