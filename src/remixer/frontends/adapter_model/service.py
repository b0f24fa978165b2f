"""All services of one adapter, and their life."""

import asyncio
from collections.abc import Sequence

from remixer.foundation.clock import Clock
from remixer.frontends.adapter_model.backend import InfrastructureBackend
from remixer.frontends.adapter_model.building import Workshop
from remixer.frontends.adapter_model.handlers import HandlerStore
from remixer.frontends.adapter_model.servicer import HandleService
from remixer.frontends.adapter_model.sessions import SessionTable
from remixer.runtime.guard import Guard
from remixer.runtime.handlers import HandlerBuilder
from remixer.sdk.adapter import AnyAdapterInfo
from remixer.templates.schema import Template
from remixer.transport.port import UnaryMethod


class AdapterModel:
    """Serves one adapter. `aclose` ends its handlers; a server must have drained before."""

    def __init__(
        self,
        info: AnyAdapterInfo,
        templates: Sequence[Template],
        *,
        builder: HandlerBuilder,
        guard: Guard,
        clock: Clock,
        group: asyncio.TaskGroup,
    ) -> None:
        """`templates`: all that the adapter names. Raises `SchemaError`."""
        self._store = HandlerStore(clock=clock, group=group)
        sessions = SessionTable(self._store)
        workshop = Workshop(info, templates, builder=builder)
        self._backend = InfrastructureBackend(
            templates={each.package: each for each in templates},
            workshop=workshop,
            sessions=sessions,
        )
        self._services = tuple(
            HandleService(
                each,
                adapter=info.name,
                guard=guard,
                workshop=workshop,
                store=self._store,
                sessions=sessions,
            )
            for each in templates
        )

    def methods(self) -> tuple[UnaryMethod, ...]:
        """Handle services in the order of the templates, then InfrastructureBackend."""
        return (*(each.method() for each in self._services), *self._backend.methods())

    async def aclose(self) -> None:
        await self._store.aclose()
