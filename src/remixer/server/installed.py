"""What this installation resolves configuration with; `serve` and `validate` share it."""

from remixer.adapters.registry import load_adapters
from remixer.adapters.remote import remote_adapter
from remixer.config.plugins import plugin_problems
from remixer.expr.semantics import Semantics
from remixer.server.configuration import Resolver
from remixer.templates.registry import load_templates


def installed_resolver(*, default_namespace: str, semantics: Semantics) -> Resolver:
    """With the built-in adapters and templates and third parties'; imports the latter."""
    adapters = load_adapters()
    templates = load_templates()
    return Resolver(
        adapters=adapters.adapters,
        templates=templates.templates,
        remote=remote_adapter,
        default_namespace=default_namespace,
        semantics=semantics,
        problems=plugin_problems((*adapters.faults, *templates.faults)),
    )
