"""`remixer knative envoy-config`: reads what the operator wants, prints what Envoy needs."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import assert_never

from remixer.adapters.kactivator.keys import is_revision
from remixer.adapters.kactivator.readiness import Revision
from remixer.cli.console import show_plain
from remixer.cli.exits import OperatorError
from remixer.cli.knative.commented import as_yaml, plain
from remixer.cli.knative.envoy_document import document, title
from remixer.cli.knative.envoy_plan import (
    ANY_HOST,
    Endpoints,
    FileFormat,
    KnativeEnvoyPlan,
    Mode,
    Target,
)
from remixer.cli.knative.istio import envoy_filter
from remixer.transport.addresses import TcpAddress, parse_address

_FORM = "NAMESPACE/REVISION or NAMESPACE/REVISION=HOST[,HOST]"


def print_envoy_config(plan: KnativeEnvoyPlan, *, output: FileFormat) -> None:
    """Print the whole file. Raises `OperatorError` for what cannot work."""
    _refuse_contradictions(plan)
    match output:
        case FileFormat.JSON:
            show_plain(json.dumps(plain(document(plan)), indent=2))
        case FileFormat.YAML:
            show_plain(as_yaml(document(plan), title=title(plan)).rstrip("\n"))
        case FileFormat.ENVOY_FILTER:
            _refuse_all_hosts(plan)
            show_plain(as_yaml(envoy_filter(plan), title=title(plan)).rstrip("\n"))
        case _:
            assert_never(output)


def targets_of(texts: Sequence[str]) -> tuple[Target, ...]:
    """What `--service` gave. Raises `OperatorError`."""
    targets = tuple(_target(text) for text in texts)
    seen: dict[str, str] = {}
    for target in targets:
        for host in target.hosts:
            if host in seen:
                raise OperatorError(
                    what=f"two revisions for the host `{host}`",
                    where=f"--service {seen[host]}, --service {target.revision}",
                    next_step="Give each revision hosts of its own: NAMESPACE/REVISION=HOST.",
                )
            seen[host] = str(target.revision)
    return targets


def tcp_address_of(text: str, *, flag: str) -> TcpAddress:
    """`HOST:PORT`. Raises `OperatorError`."""
    try:
        address = parse_address(text)
    except ValueError as error:
        raise OperatorError(what=str(error), where=flag, next_step="") from error
    if not isinstance(address, TcpAddress):
        raise OperatorError(what=f"`{text}` is not HOST:PORT", where=flag, next_step="")
    return address


def with_addresses(
    plan: KnativeEnvoyPlan,
    *,
    listen: str = "",
    mixer: str = "",
    activate: str = "",
    control_plane: str = "",
) -> KnativeEnvoyPlan:
    """`plan` with the addresses that were given; `""` leaves the plan's own."""
    if listen:
        plan = replace(plan, listen=tcp_address_of(listen, flag="--listen"))
    if mixer:
        plan = replace(plan, mixer=tcp_address_of(mixer, flag="--mixer"))
    if activate:
        plan = replace(plan, activate=tcp_address_of(activate, flag="--activate"))
    if control_plane:
        plan = replace(plan, control_plane=tcp_address_of(control_plane, flag="--control-plane"))
    return plan


def with_script(plan: KnativeEnvoyPlan, script: Path | None) -> KnativeEnvoyPlan:
    """`plan` with the text of the script that mode `lua` needs. Raises `OperatorError`."""
    if plan.mode is not Mode.LUA:
        return plan
    if script is None:
        raise OperatorError(
            what="no script",
            where="--mode lua",
            next_step="Give --script filters/activate.lua, of Remixer's sources.",
        )
    try:
        return replace(plan, script=script.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(
            what=f"cannot read {script}: {error}", where="--script", next_step=""
        ) from error


def _target(text: str) -> Target:
    key, equals, rest = text.partition("=")
    namespace, slash, name = key.partition("/")
    revision = Revision(namespace, name)
    hosts = tuple(rest.split(",")) if equals else (ANY_HOST,)
    if not slash or not is_revision(revision) or not all(map(_is_host, hosts)):
        raise OperatorError(
            what=f"`{text}` is not {_FORM}",
            where="--service",
            next_step="Name the revision (cart-00001), not the Knative service (cart).",
        )
    return Target(revision, hosts)


def _is_host(text: str) -> bool:
    labels = text.lower().split(".")
    return text == ANY_HOST or all(is_revision(Revision(label, label)) for label in labels)


def _refuse_contradictions(plan: KnativeEnvoyPlan) -> None:
    if plan.mode.retries and plan.endpoints is not Endpoints.SERVICE:
        raise OperatorError(
            what="a cluster without endpoints answers 503 at once and is never retried",
            where=f"--mode {plan.mode} --endpoints {plan.endpoints}",
            next_step="Use --endpoints service, whose address refuses, or --mode hold.",
        )
    if plan.mode is Mode.FILTER and plan.endpoints is Endpoints.ORIGINAL_DST:
        raise OperatorError(
            what="the filter lets requests go without saying where to",
            where="--mode filter --endpoints original-dst",
            next_step="Use --endpoints service or eds, or --mode hold.",
        )


def _refuse_all_hosts(plan: KnativeEnvoyPlan) -> None:
    for target in plan.targets:
        if ANY_HOST in target.hosts:
            raise OperatorError(
                what=f"no host for {target.revision}: a gateway has others beside it",
                where="--output envoy-filter",
                next_step=f"Name its hosts: --service {target.revision}=cart.example.com.",
            )
