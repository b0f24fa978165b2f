"""The Handle services of one adapter as gRPC methods.

A call whose handler is there and promises not to wait is answered at once, without a task. What
goes wrong inside the adapter is told without its own words, which may hold secrets; the log has
them.
"""

from collections.abc import Awaitable
from typing import Final

from google.protobuf.message import DecodeError

from remixer.foundation.deadline import Deadline
from remixer.foundation.errors import InvalidRequestError, PolicyError
from remixer.foundation.status import Code
from remixer.frontends.adapter_model.building import RunningHandler, Workshop, handler_key
from remixer.frontends.adapter_model.handlers import Entry, HandlerKey, HandlerStore
from remixer.frontends.adapter_model.sessions import SessionTable
from remixer.frontends.adapter_model.varieties import Question, template_codec
from remixer.runtime.calls import Call, Failure
from remixer.runtime.calls import Entry as MethodEntry
from remixer.runtime.guard import Guard
from remixer.sdk.call_time import call_timeout_of
from remixer.templates.schema import Template
from remixer.transport.port import CallContext, RpcError, UnaryMethod
from remixer.wire._pb.istio.mixer.adapter.model.v1beta1.infrastructure_backend_pb2 import (
    CreateSessionResponse,
)
from remixer.wire.adapter_model import handle_path, interface_name
from remixer.wire.adapter_requests import PackedConfig
from remixer.wire.value_bytes import UnencodableValueError

SESSION_MESSAGE: Final = CreateSessionResponse.DESCRIPTOR.full_name
"""In `adapter_config`: the call belongs to the session that this answer opened."""


class HandleService:
    """One template's service."""

    __slots__ = ("_adapter", "_codec", "_guard", "_sessions", "_store", "_template", "_workshop")

    def __init__(
        self,
        template: Template,
        *,
        adapter: str,
        guard: Guard,
        workshop: Workshop,
        store: HandlerStore,
        sessions: SessionTable,
    ) -> None:
        self._template = template
        self._codec = template_codec(template)
        self._adapter = adapter
        self._guard = guard
        self._workshop = workshop
        self._store = store
        self._sessions = sessions

    def method(self) -> UnaryMethod:
        interface = interface_name(self._template.message.carrier.__name__, self._template.name)
        return UnaryMethod(handle_path(self._template.package, interface), self.handle)

    def handle(self, payload: bytes, context: CallContext) -> bytes | Awaitable[bytes]:
        try:
            question = self._codec.decode(payload)
            config = question.request.adapter_config
            key = handler_key(config)
            entry = self._ready(key, config)
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        if entry is None:
            return self._build_and_answer(question, key, context.deadline)
        method = self._method(entry)
        if method.may_wait:
            return self._answer(question, entry, context.deadline)
        return self._encoded(question, self._guard.run_now(Call(method, question.arguments)))

    def _ready(self, key: HandlerKey, config: PackedConfig | None) -> Entry | None:
        """The handler of this call, if there is one; raises `PolicyError`."""
        if config is None:
            return self._sessions.newest() or self._store.ready(key)
        if config.type_name == SESSION_MESSAGE:
            return self._sessions.entry_of(_session_id(config))
        return self._store.ready(key)

    async def _build_and_answer(
        self, question: Question, key: HandlerKey, deadline: Deadline | None
    ) -> bytes:
        config = question.request.adapter_config
        try:
            entry = await self._store.get(key, lambda: self._workshop.build(config))
        except PolicyError as error:
            raise RpcError(error.code, error.message) from error
        try:
            return await self._answer(question, entry, deadline)
        finally:
            self._store.leave(entry)

    async def _answer(self, question: Question, entry: Entry, deadline: Deadline | None) -> bytes:
        call = Call(self._method(entry), question.arguments)
        self._store.enter(entry)
        try:
            (result,) = await self._guard.run_all([call], deadline)
        finally:
            self._store.leave(entry)
        return self._encoded(question, result)

    def _method(self, entry: Entry) -> MethodEntry[object]:
        running = entry.built
        if not isinstance(running, RunningHandler):
            message = f"adapter `{self._adapter}` is stopping"
            raise RpcError(Code.UNAVAILABLE, message)
        name = self._codec.method
        return MethodEntry(
            template=self._template.name,
            handler=self._adapter,
            adapter=self._adapter,
            method=getattr(running.handler, name),
            may_wait=running.may_wait(name),
            answer=self._codec.answer,
            timeout_s=call_timeout_of(running.handler),
        )

    def _encoded(self, question: Question, result: object) -> bytes:
        if isinstance(result, Failure):
            code = Code.DEADLINE_EXCEEDED if result.is_timeout else Code.INTERNAL
            what = "gave no answer in time" if result.is_timeout else "failed"
            raise RpcError(code, f"adapter `{self._adapter}` {what}; its log has the reason")
        try:
            return self._codec.encode(question, result)
        except UnencodableValueError as error:
            message = f"adapter `{self._adapter}` gave a bad answer: {error}"
            raise RpcError(Code.INTERNAL, message) from error


def _session_id(config: PackedConfig) -> str:
    try:
        return CreateSessionResponse.FromString(config.value).session_id
    except DecodeError as error:
        text = f"adapter_config: {len(config.value)} bytes are no `{SESSION_MESSAGE}` ({error})"
        raise InvalidRequestError(text) from error
