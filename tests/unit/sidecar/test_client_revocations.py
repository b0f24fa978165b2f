"""What operators revoke at a Mixer is forgotten by its clients with their next report."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from remixer.attributes.bag import Bag
from remixer.attributes.values import Duration
from remixer.cli.demo.polling import until
from remixer.frontends.cache_admin_client import REVOKE_PATH, encode_revoke
from remixer.mixer.outcome import CheckOutcome, Provenance
from remixer.server.compose import RemixerServer
from remixer.server.settings import Settings
from remixer.server.sidecar import SidecarServer
from remixer.server.sidecar_settings import read_sidecar_settings
from remixer.sidecar.blocking import BlockingMixerClient
from remixer.sidecar.client import MixerClient
from remixer.sidecar.settings import ClientSettings
from remixer.testing.app_mixers import FakePort, allowed, denied
from remixer.testing.mixer_client import mixer_caller
from remixer.testing.served_mixer import served_mixer
from remixer.tiers.report_settings import ReportSettings
from remixer.wire.revocation_marks import RevocationMark

WITHIN_S = 60.0
SOON = ClientSettings(reports=ReportSettings(interval_s=0.01))
ANY_PORT = "127.0.0.1:0"
ANN = {"user": "ann"}


@dataclass
class Place:
    """A Mixer whose verdicts live for an hour, whoever it allows."""

    address: str = ""
    mark: RevocationMark = field(default_factory=RevocationMark)
    is_open: bool = True

    def decide(self, _bag: Bag) -> CheckOutcome:
        outcome = allowed() if self.is_open else denied(message="no")
        return replace(outcome, valid_duration=Duration(3_600 * 10**9), valid_use_count=10_000)

    def close(self, name: str = "a") -> None:
        """From now on nobody is allowed, and what was decided is revoked."""
        self.is_open = False
        self.mark.renew(name)


@asynccontextmanager
async def serving() -> AsyncIterator[Place]:
    place = Place()
    port = FakePort(place.decide, answers_at_once=True)
    async with served_mixer(port, mark=place.mark) as place.address:
        yield place


async def reported(client: MixerClient) -> None:
    """One more request, and the Mixer has answered."""
    sent = client.statistics()["total_report_records_sent"]
    client.report(ANN)
    await until(
        lambda: _truth(client.statistics()["total_report_records_sent"] > sent), within_s=WITHIN_S
    )


async def _truth(found: bool) -> bool | None:  # noqa: FBT001 - as `until` wants it
    return found or None


async def test_a_client_asks_anew_after_the_next_report() -> None:
    async with serving() as place, MixerClient(place.address, SOON) as client:
        assert (await client.check(ANN)).status.is_ok
        await reported(client)
        assert (await client.check(ANN)).provenance is Provenance.MEMORY
        place.close()
        assert (await client.check(ANN)).status.is_ok  # nobody told the client yet
        await reported(client)
        assert not (await client.check(ANN)).status.is_ok


async def test_one_revocation_costs_one_forgetting() -> None:
    async with serving() as place, MixerClient(place.address, SOON) as client:
        await client.check(ANN)
        place.close()
        await reported(client)
        await client.check(ANN)
        for _ in range(3):
            await reported(client)
            assert (await client.check(ANN)).provenance is Provenance.MEMORY
        assert client.statistics()["total_remote_calls"] == 2
        place.close("b")
        await reported(client)
        assert (await client.check(ANN)).provenance is Provenance.COMPUTED


async def test_what_was_revoked_stands_in_for_no_failure() -> None:
    async with serving() as place:
        client = MixerClient(place.address, SOON)
        await client.start()
        await client.check(ANN)
        place.close()
        await reported(client)
    async with asyncio.timeout(WITHIN_S):
        outcome = await client.check(ANN, timeout_s=0.2)
    assert not outcome.status.is_ok
    assert outcome.provenance is not Provenance.STALE
    await client.aclose()


async def test_a_client_for_threads_forgets_too() -> None:
    async with serving() as place:
        client = BlockingMixerClient(place.address, SOON)
        asked: Callable[[], CheckOutcome] = lambda: client.check_attributes(ANN)

        async def is_refused() -> bool | None:
            await asyncio.to_thread(client.report_attributes, ANN)
            return not (await asyncio.to_thread(asked)).status.is_ok or None

        assert (await asyncio.to_thread(asked)).status.is_ok
        assert await is_refused() is None
        place.close()
        await until(is_refused, within_s=WITHIN_S)
        await asyncio.to_thread(client.close)


async def test_a_sidecar_tells_its_own_clients() -> None:
    flags = ("--monitoring-address=", f"--address={ANY_PORT}", "--report-interval=10ms")
    async with serving() as place:
        settings = read_sidecar_settings([f"--mixer={place.address}", *flags], {})
        async with (
            SidecarServer(settings).serving() as sidecar,
            MixerClient(sidecar.addresses[0], SOON) as client,
        ):
            assert (await client.check(ANN)).status.is_ok
            place.close()

            async def is_refused() -> bool | None:
                await reported(client)
                return not (await client.check(ANN)).status.is_ok or None

            await until(is_refused, within_s=WITHIN_S)


RULES = """
kind: handler
metadata: {name: users, namespace: istio-system}
spec: {compiledAdapter: listchecker, params: {overrides: [ann], caching_interval: 3600s}}
---
kind: instance
metadata: {name: user, namespace: istio-system}
spec: {compiledTemplate: listentry, params: {value: source.user}}
---
kind: rule
metadata: {name: users, namespace: istio-system}
spec: {actions: [{handler: users, instances: [user]}]}
"""


async def test_what_an_operator_revokes_at_a_server_is_asked_anew(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    settings = Settings(
        config_store=f"fs://{tmp_path}",
        address=(ANY_PORT,),
        monitoring_address=ANY_PORT,
        prometheus_address=ANY_PORT,
    )
    user = {"source.user": "ann"}
    async with RemixerServer(settings).serving() as server:
        (address,) = server.addresses.grpc
        async with MixerClient(address, SOON) as client, mixer_caller(address) as operator:
            await client.check(user)
            await reported(client)
            assert (await client.check(user)).provenance is Provenance.MEMORY
            revoke = encode_revoke('source.user == "ann"')
            await operator.unary(REVOKE_PATH, revoke, timeout_s=WITHIN_S)
            await reported(client)
            assert (await client.check(user)).provenance is Provenance.COMPUTED
            assert client.statistics()["total_remote_calls"] == 2
