"""Small fake adapters, and a run of `resolve` over YAML text."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import pytest

from remixer.attributes.values import Duration
from remixer.config.resolve import resolve
from remixer.config.resources import combine, parse_file
from remixer.config.snapshot import Snapshot
from remixer.expr.semantics import Semantics
from remixer.foundation.problems import Problem
from remixer.sdk.adapter import AdapterInfo, Environment, Handler, HandlerContext
from remixer.sdk.params import ParamProblem
from remixer.templates.registry import load_templates

VOCABULARY = """
kind: attributemanifest
metadata: {name: vocabulary, namespace: istio-system}
spec:
  attributes:
    source.name: {value_type: STRING}
    source.ip: {value_type: IP_ADDRESS}
    request.size: {value_type: INT64}
    request.time: {value_type: TIMESTAMP}
    request.headers: {value_type: STRING_MAP}
    response.duration: {value_type: DURATION}
"""


@dataclass(frozen=True, slots=True)
class GateParams:
    """Parameters of the fake adapter `gate`."""

    valid_duration: Duration = Duration(5_000_000_000)  # noqa: RUF009 - an immutable int
    limits: tuple[int, ...] = ()
    wants_quota: bool = False
    explodes: bool = False


async def build(_params: object, _context: HandlerContext, _environment: Environment) -> Handler:
    raise NotImplementedError


def validate(params: GateParams, context: HandlerContext) -> Iterable[ParamProblem]:
    if params.explodes:
        message = "boom"
        raise RuntimeError(message)
    for index, limit in enumerate(params.limits):
        if limit < 0:
            yield ParamProblem(f"limits[{index}]", "must not be negative", "Write 0 for none.")
    if params.wants_quota and not context.of_template("quota"):
        yield ParamProblem("wants_quota", "no quota instance is sent to this handler")


GATE = AdapterInfo(
    name="gate",
    description="Takes checks and quotas.",
    templates=frozenset({"checknothing", "listentry", "quota"}),
    defaults=GateParams(),
    build=build,
    validate=validate,
)
NOTES = replace(
    GATE, name="notes", templates=frozenset({"metric", "logentry", "apikey", "authorization"})
)
ADAPTERS = {"gate": GATE, "notes": NOTES}

Resolve = Callable[..., Snapshot]


@pytest.fixture
def resolve_text() -> Resolve:
    """Resolve YAML text together with a small vocabulary."""

    def run(
        text: str,
        *,
        semantics: Semantics = Semantics.FIXED,
        adapters: dict[str, AdapterInfo[GateParams]] | None = None,
    ) -> Snapshot:
        files = [("f.yaml", text), ("vocabulary.yaml", VOCABULARY)]
        loaded = combine(parse_file(content.encode(), name) for name, content in files)
        return resolve(
            loaded,
            adapters=ADAPTERS if adapters is None else adapters,
            templates=load_templates(()).templates,
            semantics=semantics,
        )

    return run


@pytest.fixture
def only_problem(resolve_text: Resolve) -> Callable[[str], Problem]:
    """The single problem of a text."""

    def run(text: str) -> Problem:
        (problem,) = resolve_text(text).problems
        return problem

    return run
