"""Commands by name, imported when they run, and one way in which every command ends."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from remixer.cli.complaints import show_error, show_warning
from remixer.cli.exits import ExitCode, OperatorError
from remixer.foundation.errors import StartupError

if TYPE_CHECKING:
    from typer._click import Command, Context  # typer names the types of its hooks only here

_PASS_ON: Final = ("allow_extra_args", "ignore_unknown_options")


@dataclass(frozen=True, slots=True)
class LateImport:
    """Where a command lives, and what `remixer --help` says of it."""

    module: str
    attribute: str
    """A function is one command, a `typer.Typer` a group of them."""
    summary: str
    takes_unknown_flags: bool = False
    """The command itself complains about them."""
    takes_mixc_flags: bool = False
    """Has a namesake in mixc, whose scripts run here."""

    def load(self, name: str) -> "Command":
        """Import the module and build the command."""
        found = getattr(import_module(self.module), self.attribute)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        app = typer.Typer(add_completion=False)
        settings = dict.fromkeys(_PASS_ON, self.takes_unknown_flags)
        app.command(name, context_settings=settings)(found)
        return typer.main.get_command(app)


COMMANDS: Final[Mapping[str, LateImport]] = MappingProxyType(
    {
        "serve": LateImport(
            "remixer.cli.commands.serve",
            "serve",
            "Answer proxies' checks, quotas and reports.",
            takes_unknown_flags=True,
        ),
        "sidecar": LateImport(
            "remixer.cli.commands.sidecar",
            "sidecar",
            "Answer the Envoy beside it from memory.",
            takes_unknown_flags=True,
        ),
        "check": LateImport(
            "remixer.cli.commands.check",
            "check",
            "Ask a running server to decide on a request.",
            takes_mixc_flags=True,
        ),
        "report": LateImport(
            "remixer.cli.commands.report",
            "report",
            "Tell a running server of finished requests.",
            takes_mixc_flags=True,
        ),
        "validate": LateImport(
            "remixer.cli.commands.validate", "validate", "Find faults in configuration files."
        ),
        "expr": LateImport("remixer.cli.commands.expr", "app", "Try expressions on attributes."),
        "explain": LateImport(
            "remixer.cli.commands.explain", "explain", "Tell what configuration files mean."
        ),
        "cache": LateImport(
            "remixer.cli.commands.cache", "app", "Forget remembered verdicts, and tune the cache."
        ),
        "adapter": LateImport(
            "remixer.cli.commands.adapter", "app", "Write, describe, serve and list adapters."
        ),
        "knative": LateImport(
            "remixer.cli.commands.knative",
            "app",
            "Wake revisions of Knative, and configure Envoy to wait for them.",
        ),
        "demo": LateImport(
            "remixer.cli.commands.demo", "demo", "See it work: a small mesh on this machine."
        ),
        "lab": LateImport(
            "remixer.cli.commands.lab", "app", "Measure what caches are worth, on this machine."
        ),
        "version": LateImport("remixer.cli.commands.version", "version", "Print the version."),
    }
)


class LateCommand(TyperCommand):
    """Stands in for a command until it runs: shows its summary, then hands over."""

    def __init__(self, name: str, late: LateImport) -> None:
        super().__init__(name, help=late.summary)
        self._late = late

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: "Context | None" = None,
        **extra: Any,  # noqa: ANN401 - typer's own signature
    ) -> "Context":
        """A context of the real command, which then runs in it."""
        command = self._late.load(self.name or "")
        if self._late.takes_mixc_flags:
            args = _without_mixc_s_own(self.name or "", args)
        return command.make_context(info_name, args, parent=parent, **extra)


def _without_mixc_s_own(command: str, arguments: list[str]) -> list[str]:
    from remixer.cli.mixc_flags import rewritten

    found = rewritten(command, arguments)
    for note in found.notes:
        show_warning(note)
    return found.arguments


class LazyGroup(TyperGroup):
    """The root command. Every mistake of an operator ends here, as one line on stderr."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - typer's own signature
        super().__init__(**attributes)
        for name, late in COMMANDS.items():
            self.add_command(LateCommand(name, late), name)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *rest: Any,  # noqa: ANN401 - typer's own signature
        **extra: Any,  # noqa: ANN401 - typer's own signature
    ) -> NoReturn:
        """Run and exit; never returns.

        A reader that goes away (`| head`) ends the command with 1, without a word: typer's way.
        """
        arguments = list(sys.argv[1:] if args is None else args) or ["--help"]
        extra["standalone_mode"] = False
        try:
            code = super().main(arguments, prog_name or "remixer", *rest, **extra)
        except OperatorError as error:
            code = _complain(str(error), error.exit_code)
        except StartupError as error:
            code = _complain(str(error), ExitCode.FAILED)
        except typer.TyperException as error:
            code = _complain(_usage_text(error), ExitCode.USAGE)
        except (KeyboardInterrupt, typer.Abort):
            code = ExitCode.INTERRUPTED
        sys.exit(int(code or 0))


def _complain(text: str, code: ExitCode) -> ExitCode:
    show_error(text)
    return code


def _usage_text(error: typer.TyperException) -> str:
    """What typer says, where, and which help answers it."""
    command = getattr(getattr(error, "ctx", None), "command_path", "remixer")
    what = error.format_message().strip().rstrip(".").replace("Value error, ", "")
    return f"{what[:1].lower()}{what[1:]}; {command}; see `{command} --help`"
