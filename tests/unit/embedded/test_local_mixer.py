"""A whole Mixer inside an application."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remixer.attributes.bag import PlainBag
from remixer.cli.demo.polling import until
from remixer.embedded import LocalMixer, Remixer
from remixer.foundation.errors import InternalError, StartupError
from remixer.foundation.status import Code
from remixer.mixer.outcome import REPORTED, CheckOutcome, Provenance
from remixer.mixer.request import CheckRequest
from remixer.server.settings import Settings
from remixer.sidecar.blocking import BlockingMixer
from remixer.sidecar.client import MixerClient
from remixer.testing.texts import action, handler, instance, rule
from remixer.tiers.settings import FailPolicy

PATIENCE_S = 60.0
DENIER = handler("deny", "status: {code: 7, message: denied}", adapter="denier")
NOTHING = instance("nothing", "checknothing")
CLOSED = rule("closed", action("deny", "nothing"), match='request.path == "/closed"')
LISTED = (
    handler("listed", "overrides: [ann]", adapter="listchecker")
    + instance("key", "listentry", "value: request.api_key")
    + rule("keys", action("listed", "key"), match='request.path == "/keys"')
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rules.yaml").write_text(DENIER + NOTHING + CLOSED + LISTED)
    return tmp_path


def asked(path: str) -> CheckRequest:
    bag = PlainBag({"request.path": path, "destination.namespace": "shop"})
    return CheckRequest(bag)


async def check(mixer: LocalMixer, path: str) -> CheckOutcome:
    return mixer.port.check_now(asked(path)) or await mixer.port.check(asked(path))


async def test_rules_from_files_decide_and_are_remembered(folder: Path) -> None:
    async with Remixer.local(folder) as mixer:
        assert (await check(mixer, "/open")).status.is_ok
        for provenance in (Provenance.COMPUTED, Provenance.MEMORY):
            outcome = await check(mixer, "/closed")
            assert outcome.status.code == Code.PERMISSION_DENIED
            assert outcome.provenance is provenance
        assert mixer.port.report([asked("/open").bag]) is REPORTED


@pytest.mark.parametrize("given", ["path", "text", "url"])
async def test_forms_of_the_place_of_the_rules(folder: Path, given: str) -> None:
    forms: dict[str, Path | str] = {"path": folder, "text": str(folder), "url": f"fs://{folder}"}
    place = forms[given]
    async with Remixer.local(place) as mixer:
        assert not (await check(mixer, "/closed")).status.is_ok


async def test_rules_are_followed_as_they_change(folder: Path) -> None:
    async with Remixer.local(folder) as mixer:
        assert not (await check(mixer, "/closed")).status.is_ok
        stamp = mixer.policies.place_of(asked("/closed").bag)[1]
        (folder / "rules.yaml").write_text(DENIER + NOTHING)

        async def is_open() -> bool | None:
            return (await check(mixer, "/closed")).status.is_ok or None

        await until(is_open, within_s=PATIENCE_S)
        assert mixer.policies.place_of(asked("/closed").bag)[1] is not stamp


@pytest.mark.parametrize(("policy", "is_ok"), [(FailPolicy.OPEN, True), (FailPolicy.CLOSED, False)])
async def test_what_the_rules_cannot_decide_passes_or_not(
    folder: Path, policy: FailPolicy, *, is_ok: bool
) -> None:
    async with Remixer.local(folder, failure=policy) as mixer:
        outcome = await check(mixer, "/keys")  # the instance needs a key
        assert outcome.status.is_ok is is_ok
        assert outcome.provenance is Provenance.SUBSTITUTE
        assert not (await check(mixer, "/closed")).status.is_ok


@pytest.mark.parametrize("settings", [None, Settings(config_wait_s=0.0)])
async def test_rules_that_are_not_there_fail_the_start_at_once_and_leave_nothing(
    tmp_path: Path, settings: Settings | None
) -> None:
    before = asyncio.all_tasks()
    mixer = Remixer.local(tmp_path / "none", settings)
    for _ in range(2):
        with pytest.raises(StartupError, match="none"):
            async with asyncio.timeout(20):
                await mixer.start()
    await mixer.aclose()
    assert asyncio.all_tasks() == before


async def test_it_is_asked_after_its_start_and_before_its_end(folder: Path) -> None:
    mixer = Remixer.local(folder)
    for _ in range(2):
        with pytest.raises(InternalError, match="started before"):
            _ = mixer.port
        await asyncio.gather(mixer.start(), mixer.start())
        port = mixer.port
        await mixer.start()
        assert mixer.port is port
        await mixer.aclose()
        await mixer.aclose()


def test_one_object_serves_one_loop_after_the_other(folder: Path) -> None:
    mixer = Remixer.local(folder)

    async def live() -> None:
        await asyncio.gather(*(mixer.start() for _ in range(3)))
        assert not (await check(mixer, "/closed")).status.is_ok
        await mixer.aclose()

    for _ in range(2):
        asyncio.run(live())


async def test_the_end_leaves_no_task(folder: Path) -> None:
    before = asyncio.all_tasks()
    async with Remixer.local(folder) as mixer:
        await check(mixer, "/open")
    assert asyncio.all_tasks() == before


# ------------------------------------------------------------ the same object


def test_elsewhere_is_a_client() -> None:
    assert isinstance(Remixer.remote("127.0.0.1:1"), MixerClient)


@contextmanager
def in_threads(folder: Path) -> Iterator[BlockingMixer]:
    with BlockingMixer(lambda: Remixer.local(folder)) as mixer:
        yield mixer


def test_programs_of_threads_have_the_rules_inside_too(folder: Path) -> None:
    with in_threads(folder) as mixer:
        assert not mixer.check(asked("/closed")).status.is_ok
        assert mixer.check(asked("/closed")).provenance is Provenance.MEMORY
        assert mixer.check(asked("/open")).status.is_ok
        (folder / "rules.yaml").write_text(DENIER + NOTHING)

        async def is_open() -> bool | None:
            return mixer.check(asked("/closed")).status.is_ok or None

        asyncio.run(until(is_open, within_s=PATIENCE_S))
