"""Lists and watches of a Kubernetes API server, faults included."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from remixer.drivers import kubernetes as kubernetes_driver
from remixer.drivers import kubernetes_watch
from remixer.drivers.kubernetes import (
    Credentials,
    KubernetesApi,
    KubernetesError,
    KubernetesNotInstalledError,
    in_cluster,
    kubeconfig_file,
    kubeconfig_text,
    kubernetes_place,
)
from remixer.drivers.kubernetes_watch import PAGE_SIZE, Follower, Watched
from remixer.foundation.backoff import Backoff
from remixer.foundation.clock import Clock, SystemClock
from remixer.testing.clock import VirtualClock
from remixer.testing.kubernetes_api import PODS, FakeKubernetesApi

_PATIENCE_S = 60.0
_HASTY = Backoff(0.001, 0.01)
_WATCHED = Watched(PODS)


class _Names:
    """A sink that keeps names."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._seen: set[str] = set()

    def begin(self) -> None:
        self._seen = set()

    def put(self, item: Any, /) -> None:
        self.names.add(item["metadata"]["name"])
        self._seen.add(item["metadata"]["name"])

    def remove(self, item: Any, /) -> None:
        self.names.discard(item["metadata"]["name"])

    def sweep(self) -> None:
        self.names &= self._seen


def _pod(name: str, **labels: str) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": name, "labels": labels}}


def _credentials(fake: FakeKubernetesApi) -> Credentials:
    return kubeconfig_text(yaml.safe_dump(fake.kubeconfig()).encode(), name="test")


@asynccontextmanager
async def _api(fake: FakeKubernetesApi) -> AsyncIterator[KubernetesApi]:
    api = KubernetesApi(_credentials(fake))
    await api.start()
    yield api
    await api.aclose()
    await api.aclose()


@asynccontextmanager
async def _following(
    fake: FakeKubernetesApi,
    sink: _Names,
    *,
    refresh_s: float = 0,
    watched: Watched = _WATCHED,
    clock: Clock | None = None,
) -> AsyncIterator[Follower]:
    async with _api(fake) as api, asyncio.TaskGroup() as group:
        follower = Follower(
            watched,
            api=api,
            sink=sink,
            clock=clock or SystemClock(),
            refresh_s=refresh_s,
            backoff=_HASTY,
            chance=random.Random(4),
        )
        task = group.create_task(follower.run())
        yield follower
        task.cancel()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what sockets bring sets no event of ours
            await asyncio.sleep(0)


async def test_what_exists_is_listed_in_pages_and_then_watched() -> None:
    async with FakeKubernetesApi() as fake:
        wanted = {f"p{index}" for index in range(2 * PAGE_SIZE + 1)}
        for name in wanted:
            fake.apply(PODS, _pod(name))
        sink = _Names()
        async with _following(fake, sink) as follower:
            await asyncio.wait_for(follower.synced.wait(), _PATIENCE_S)
            assert sink.names == wanted
            assert fake.count(PODS, watch=False) == 3
            fake.apply(PODS, _pod("new"))
            fake.delete(PODS, _pod("p0"))
            await _until(lambda: sink.names == (wanted | {"new"}) - {"p0"})


async def test_a_label_selector_is_passed_on() -> None:
    async with FakeKubernetesApi() as fake:
        fake.apply(PODS, _pod("mine", app="cart"))
        fake.apply(PODS, _pod("other", app="shelf"))
        sink = _Names()
        async with _following(fake, sink, watched=Watched(PODS, "app=cart")):
            await _until(lambda: sink.names == {"mine"} and fake.watching == 1)
            fake.apply(PODS, _pod("other2", app="shelf"))
            fake.apply(PODS, _pod("mine2", app="cart"))
            await _until(lambda: sink.names == {"mine", "mine2"})


async def test_a_watch_that_broke_off_goes_on_where_it_was() -> None:
    async with FakeKubernetesApi() as fake:
        fake.apply(PODS, _pod("a"))
        sink = _Names()
        async with _following(fake, sink):
            for name in "bcd":
                await _until(lambda: fake.watching == 1)
                fake.drop_watches()
                fake.apply(PODS, _pod(name))
                await _until(lambda name=name: name in sink.names)  # type: ignore[misc]
            assert fake.count(PODS, watch=False) == 1


async def test_a_version_that_is_gone_makes_it_list_and_find_what_it_missed() -> None:
    async with FakeKubernetesApi() as fake:
        fake.apply(PODS, _pod("a"))
        sink = _Names()
        async with _following(fake, sink):
            await _until(lambda: fake.watching == 1)
            fake.delete(PODS, _pod("a"), silently=True)
            fake.apply(PODS, _pod("b"))
            fake.forget_history()
            await _until(lambda: sink.names == {"b"} and fake.watching == 1)
            assert fake.count(PODS, watch=False) == 2


async def test_gone_as_an_event_makes_it_list() -> None:
    async with FakeKubernetesApi() as fake:
        sink = _Names()
        async with _following(fake, sink):
            await _until(lambda: fake.watching == 1)
            fake.send(PODS, b'{"type":"ERROR","object":{"code":410,"message":"too old"}}\n')
            await _until(lambda: fake.count(PODS, watch=False) == 2)


async def test_a_bookmark_saves_a_list() -> None:
    async with FakeKubernetesApi() as fake:
        sink = _Names()
        async with _following(fake, sink):
            await _until(lambda: fake.watching == 1)
            fake.bookmark(PODS)
            fake.apply(PODS, _pod("a"))
            await _until(lambda: "a" in sink.names)
            fake._oldest_version = fake._version  # all but the newest version is forgotten
            fake.drop_watches()
            await _until(lambda: fake.watching == 1 and fake.count(PODS, watch=True) >= 2)
            assert fake.count(PODS, watch=False) == 1


async def test_a_refresh_finds_what_events_did_not_tell() -> None:
    clock = VirtualClock()
    async with FakeKubernetesApi() as fake:
        fake.apply(PODS, _pod("a"))
        sink = _Names()
        async with _following(fake, sink, refresh_s=60, clock=clock):
            await _until(lambda: fake.watching == 1)
            assert fake.requests[-1][1]["timeoutSeconds"] == "60"
            fake.delete(PODS, _pod("a"), silently=True)
            clock.advance(59)
            fake.drop_watches()
            await _until(lambda: fake.count(PODS, watch=True) == 2)
            assert sink.names == {"a"}
            clock.advance(1)
            fake.drop_watches()
            await _until(lambda: not sink.names)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
async def test_a_refusal_is_told_and_tried_again(status: int) -> None:
    async with FakeKubernetesApi() as fake:
        fake.refusals[PODS] = status
        fake.apply(PODS, _pod("a"))
        sink = _Names()
        async with _following(fake, sink) as follower:
            await _until(lambda: bool(follower.last_error))
            assert follower.last_error == f"GET {PODS}: {status} refused by the test"
            assert not follower.synced.is_set()
            del fake.refusals[PODS]
            await _until(lambda: sink.names == {"a"})
            assert follower.last_error == ""


@pytest.mark.parametrize(
    "answer", [b"", b"nonsense", b"[]", b'{"items": 7}', b"\xff\xfe", b"[" * 100_000]
)
async def test_garbage_instead_of_a_list_is_no_list(answer: bytes) -> None:
    async with FakeKubernetesApi() as fake:
        fake.apply(PODS, _pod("a"))
        fake.garbage[PODS] = answer
        sink = _Names()
        async with _following(fake, sink) as follower:
            await _until(lambda: bool(follower.last_error))
            assert not follower.synced.is_set()
            del fake.garbage[PODS]
            await _until(lambda: sink.names == {"a"})


@pytest.mark.parametrize(
    "event",
    [
        b"nonsense\n",
        b"7\n",
        b"{}\n",
        b'{"type":"ADDED","object":null}\n',
        b'{"type":"EXPLODED","object":{}}\n',
        b'{"type":"ERROR","object":{"code":"x"}}\n',
    ],
)
async def test_garbage_instead_of_an_event_loses_no_later_one(event: bytes) -> None:
    async with FakeKubernetesApi() as fake:
        sink = _Names()
        async with _following(fake, sink):
            await _until(lambda: fake.watching == 1)
            fake.send(PODS, event)
            fake.apply(PODS, _pod("a"))
            await _until(lambda: "a" in sink.names)


async def test_an_endless_event_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_driver, "MOST_EVENT_BYTES", 1_000)
    async with FakeKubernetesApi() as fake:
        sink = _Names()
        async with _following(fake, sink) as follower:
            await _until(lambda: fake.watching == 1)
            fake.send(PODS, b"x" * 1_001)
            await _until(lambda: "more than 1000 bytes" in follower.last_error)


async def test_an_endless_list_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_watch, "MOST_PAGES", 3)
    async with FakeKubernetesApi() as fake:
        fake.garbage[PODS] = b'{"metadata": {"continue": "1"}, "items": []}'
        sink = _Names()
        async with _following(fake, sink) as follower:
            await _until(lambda: "more than 3 pages" in follower.last_error)


async def test_a_page_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_driver, "MOST_PAGE_BYTES", 1_000)
    async with FakeKubernetesApi() as fake, _api(fake) as api:
        fake.garbage[PODS] = b"x" * 1_001
        with pytest.raises(KubernetesError, match="more than 1000 bytes"):
            await api.get(PODS)


async def test_a_long_page_is_parsed_as_well() -> None:
    async with FakeKubernetesApi() as fake, _api(fake) as api:
        fake.garbage[PODS] = b'{"a": "' + b"x" * 200_000 + b'"}'
        assert len((await api.get(PODS))["a"]) == 200_000


async def test_a_server_that_is_silent_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_driver, "ANSWER_TIMEOUT_S", 0.02)
    async with FakeKubernetesApi() as fake, _api(fake) as api:
        fake.silent.add(PODS)
        with pytest.raises(KubernetesError, match="no answer in time"):
            await api.get(PODS)


async def test_a_server_that_is_away_is_no_answer() -> None:
    async with FakeKubernetesApi() as fake:
        pass
    async with _api(fake) as api:
        with pytest.raises(KubernetesError, match=f"GET {PODS}"):
            await api.get(PODS)


async def test_a_watch_that_always_ends_at_once_does_not_spin() -> None:
    async with FakeKubernetesApi() as fake:
        fake.garbage[PODS] = b'{"metadata": {"resourceVersion": "5"}, "items": []}'
        sink = _Names()
        async with _following(fake, sink) as follower:
            await _until(lambda: follower._failures >= 3)


async def test_rotated_credentials_are_found_after_a_401(tmp_path: Path) -> None:
    async with FakeKubernetesApi(token="old") as fake:  # noqa: S106 - a test's
        api = KubernetesApi(kubeconfig_file(fake.write_kubeconfig(tmp_path)))
        await api.start()
        await api.get(PODS)
        fake.token = "new"  # noqa: S105 - a test's
        fake.write_kubeconfig(tmp_path)
        with pytest.raises(KubernetesError, match="401"):
            await api.get(PODS)
        await api.get(PODS)
        await api.aclose()


# ---------------------------------------------------------------- credentials


@pytest.mark.parametrize(
    ("part", "extra"),
    [
        ("users", {"exec": {"command": "/bin/touch", "args": ["/tmp/x"]}}),  # noqa: S108 - never run
        ("users", {"auth-provider": {"name": "gcp"}}),
        ("users", {"tokenFile": "/etc/passwd"}),
        ("users", {"client-key": "/etc/passwd"}),
        ("users", {"client-certificate": "/etc/passwd"}),
        ("clusters", {"certificate-authority": "/etc/passwd"}),
    ],
)
async def test_a_kubeconfig_from_a_secret_reaches_nothing_of_this_machine(
    part: str, extra: dict[str, Any]
) -> None:
    content = FakeKubernetesApi().kubeconfig()
    content[part][0][part[:-1]].update(extra)
    api = KubernetesApi(kubeconfig_text(yaml.safe_dump(content).encode(), name="secret x"))
    with pytest.raises(KubernetesError, match=f"`{next(iter(extra))}` is not allowed"):
        await api.start()


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"7", b"{", b"\xff", b"current-context: x", b"users: 7", b"users: [7]"]
)
async def test_a_kubeconfig_that_is_none_is_told(text: bytes) -> None:
    with pytest.raises(KubernetesError, match="kubeconfig of secret x"):
        await KubernetesApi(kubeconfig_text(text, name="secret x")).start()


async def test_a_kubeconfig_that_is_missing_is_named() -> None:
    with pytest.raises(KubernetesError, match="kubeconfig /nowhere/config: no such file"):
        await KubernetesApi(kubeconfig_file("/nowhere/config")).start()


async def test_certificates_that_are_none_are_told() -> None:
    content = FakeKubernetesApi().kubeconfig()
    content["clusters"][0]["cluster"] = {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": "c2VjcmV0",
    }
    text = yaml.safe_dump(content).encode()
    with pytest.raises(KubernetesError, match="cannot use the credentials"):
        await KubernetesApi(kubeconfig_text(text, name="x")).start()


async def test_outside_of_a_cluster_there_is_no_service_account(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KubernetesError, match="in-cluster: Service host/port is not set"):
        await KubernetesApi(in_cluster()).start()


async def test_inside_of_a_cluster_the_service_account_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeKubernetesApi(token="of-the-pod") as fake:  # noqa: S106 - a test's
        fake.apply(PODS, _pod("a"))

        def load(client_configuration: Any) -> None:
            client_configuration.host = fake.url
            client_configuration.api_key["BearerToken"] = "Bearer of-the-pod"

        monkeypatch.setattr("kubernetes_asyncio.config.load_incluster_config", load)
        api = KubernetesApi(in_cluster())
        await api.start()
        assert len((await api.get(PODS))["items"]) == 1
        await api.aclose()


def test_the_place_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/a:/b")
    monkeypatch.setenv("POD_NAMESPACE", "mesh")
    assert kubernetes_place() == kubernetes_driver.KubernetesPlace("/a:/b", "mesh")


async def test_a_missing_library_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_driver, "kubernetes_is_installed", lambda: False)
    with pytest.raises(KubernetesNotInstalledError, match=r"pip install 'remixer\[kubernetes\]'"):
        await KubernetesApi(in_cluster()).start()


async def test_a_client_that_is_closed_answers_with_our_error() -> None:
    async with FakeKubernetesApi() as fake, _api(fake) as api:
        await api.aclose()
        with pytest.raises(KubernetesError, match="not started"):
            await api.get(PODS)


@pytest.mark.parametrize(
    ("failures", "full_s"), [(1, 1.0), (2, 2.0), (3, 4.0), (4, 5.0), (99, 5.0)]
)
def test_waits_double_up_to_a_bound_and_are_cut_by_up_to_half(failures: int, full_s: float) -> None:
    backoff = Backoff(1.0, 5.0)
    chance = random.Random(7)
    waits = [backoff.pause_s(failures, chance) for _ in range(50)]
    assert full_s / 2 <= min(waits) < max(waits) <= full_s
