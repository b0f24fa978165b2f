"""From what a caller sends as configuration to a handler that can be called.

Decode, validate, build: as configuration does it for a handler resource, with the caller told of
what the operator would be.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from remixer.config.snapshot import HandlerConfig
from remixer.foundation.errors import PolicyError
from remixer.foundation.problems import Location
from remixer.foundation.status import Code
from remixer.frontends.adapter_model.handlers import HandlerKey
from remixer.frontends.adapter_model.params_codec import ParamsCodec
from remixer.frontends.adapter_model.varieties import METHODS
from remixer.runtime.handlers import HandlerBuilder, HandlerTable, LiveHandler, close_handlers
from remixer.sdk.adapter import AnyAdapterInfo, Handler, HandlerContext
from remixer.templates.schema import InstanceType, Template
from remixer.wire.adapter_requests import PackedConfig


class HandlerNotBuiltError(PolicyError):
    """The adapter refused what it had accepted, or cannot be built just now."""

    code = Code.FAILED_PRECONDITION


@dataclass(frozen=True, slots=True)
class RunningHandler:
    """A `BuiltHandler` over the runtime's."""

    live: LiveHandler

    @property
    def handler(self) -> Handler:
        return self.live.handler

    def may_wait(self, method: str) -> bool:
        return self.live.may_wait(method)

    async def aclose(self) -> None:
        await close_handlers([self.live])


class Workshop:
    """Makes handlers of one adapter."""

    def __init__(
        self,
        info: AnyAdapterInfo,
        templates: Sequence[Template],
        *,
        builder: HandlerBuilder,
    ) -> None:
        """Raises `SchemaError` for parameters that no message can carry."""
        self._info = info
        self._params = ParamsCodec(info)
        self._builder = builder
        self._methods = sorted({METHODS[each.variety] for each in templates})

    def validated(
        self, config: PackedConfig | None, instances: Iterable[InstanceType] = ()
    ) -> tuple[object, HandlerContext]:
        """What `build` takes. Raises `ParamsError`, or `HandlerNotBuiltError` for a defect."""
        params = self._params.decode(config)
        ordered = tuple(sorted(instances, key=lambda each: each.name))
        context = HandlerContext(self._info.name, ordered)
        try:
            found = tuple(self._info.validate(params, context))
        except Exception as error:
            message = f"adapter `{self._info.name}` failed to validate: {type(error).__name__}"
            raise HandlerNotBuiltError(message) from error
        if found:
            raise self._params.refused((each.path, each.message, each.hint) for each in found)
        return params, context

    async def build(
        self, config: PackedConfig | None, instances: Iterable[InstanceType] = ()
    ) -> RunningHandler:
        """Raises `PolicyError`. The reason why a build failed is in the log alone."""
        params, context = self.validated(config, instances)
        name = self._info.name
        handler = HandlerConfig(
            name=name,
            display_name=name,
            adapter=self._info,
            params=params,
            instances=context.instances,
            varieties=frozenset(),
            signature=b"",
            location=Location(name),
        )
        table = await self._builder.build([handler], HandlerTable())
        live = table.handlers.get(name)
        if live is None:
            message = f"adapter `{name}` could not be built; its log has the reason"
            raise HandlerNotBuiltError(message)
        missing = [
            each for each in self._methods if not callable(getattr(live.handler, each, None))
        ]
        if missing:
            await close_handlers([live])
            message = f"the handler of adapter `{name}` has no method `{missing[0]}`"
            raise HandlerNotBuiltError(message)
        return RunningHandler(live)


def handler_key(
    config: PackedConfig | None, types: Mapping[str, bytes] | None = None
) -> HandlerKey:
    """`types`: each instance's name and types, as a session was told."""
    digest = sha256()
    for name, payload in sorted((types or {}).items()):
        for part in (name.encode(), payload):
            digest.update(len(part).to_bytes(8, "big") + part)
    return HandlerKey(
        params=b"" if config is None else config.value,
        form="" if config is None else config.type_name,
        types=digest.digest() if types else b"",
    )
