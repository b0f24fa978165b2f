"""The verdicts of `rbac`."""

from typing import Final

from remixer.adapters.rbac.params import Params, store_folder, validate
from remixer.adapters.rbac.watch import RbacWatch
from remixer.foundation.errors import RemixerError
from remixer.foundation.status import Code, Status
from remixer.sdk import AdapterInfo, Authorization, CheckResult, Environment, HandlerContext

_DENIED: Final = "RBAC: permission denied."
_USES: Final = 1_000_000_000
"""As the original's: time alone ends an answer."""


class StoreMissingError(RemixerError):
    """There is no store to read roles from."""


class Rbac:
    """Looks the question up in the index; before anything was read everybody is denied."""

    def __init__(self, params: Params, *, watch: RbacWatch) -> None:
        self._watch = watch
        self._allowed = CheckResult(Status(Code.OK), params.cache_duration, _USES)
        self._denied = CheckResult(
            Status(Code.PERMISSION_DENIED, _DENIED), params.cache_duration, _USES
        )

    def check(self, instance: Authorization, /) -> CheckResult:
        """Source: Mixer 1.0's rbac adapter, its text and lifetimes included."""
        index = self._watch.index
        is_allowed = index is not None and index.admits(instance.subject, instance.action)
        return self._allowed if is_allowed else self._denied

    async def aclose(self) -> None:
        """Nothing is held; the watching is a task of the runtime's."""


async def _build(params: Params, context: HandlerContext, environment: Environment) -> Rbac:
    folder = store_folder(params)
    if folder is None:
        message = f"config_store_url `{params.config_store_url}` is no store that works here"
        raise StoreMissingError(message)
    watch = RbacWatch(folder, handler=context.name)
    await watch.load()
    environment.tasks.spawn(watch.follow(), name="watch")
    return Rbac(params, watch=watch)


INFO = AdapterInfo(
    name="rbac",
    description="Allows what service roles and their bindings allow.",
    templates=frozenset({"authorization"}),
    defaults=Params(),
    build=_build,
    validate=validate,
)
