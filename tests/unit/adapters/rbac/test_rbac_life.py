"""`rbac` with its store: answers, changes, broken files, foreign resources."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from remixer.adapters.rbac import INFO, Params, Rbac
from remixer.attributes.values import Duration
from remixer.sdk import Action, Authorization, CheckResult, Code, HandlerContext, Status, Subject
from remixer.testing.adapters import AdapterHarness, RejectedParamsError
from remixer.testing.clock import in_virtual_time

_ROLE = """
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: {name: viewer, namespace: shop}
spec:
  rules:
  - services: ["*"]
    methods: [GET]
"""
_BINDING = """
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: {name: viewers, namespace: shop}
spec:
  subjects:
  - user: USER
  roleRef: {kind: ServiceRole, name: viewer}
"""


def _files(user: str = "ann") -> str:
    return f"---{_ROLE}---{_BINDING.replace('USER', user)}"


def _asks(handler: Rbac, user: str = "ann") -> bool:
    return handler.check(_question(user)).status.is_ok


def _question(user: str) -> Authorization:
    return Authorization("a", Subject(user), Action("shop", "cart", "GET", "/items"))


def _params(root: Path, **changes: Any) -> Params:
    return Params(config_store_url=f"fs://{root}", **changes)


def _reasons(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [
        (Path(record.fields["place"]).name, record.fields["reason"])
        for record in caplog.records
        if record.msg == "rbac_resource_left_out"
    ]


# ---------------------------------------------------------------- answers


@in_virtual_time
async def test_answers_hold_for_the_cache_duration_and_a_thousand_million_uses(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.yaml").write_text(_files())
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path, cache_duration=Duration(7)))
        assert handler.check(_question("ann")) == CheckResult(Status(Code.OK), Duration(7), 10**9)
        denied = Status(Code.PERMISSION_DENIED, "RBAC: permission denied.")
        assert handler.check(_question("bob")) == CheckResult(denied, Duration(7), 10**9)


def test_the_default_lifetime_is_a_minute() -> None:
    assert Params().cache_duration == 60_000_000_000


@in_virtual_time
async def test_a_store_that_is_not_there_admits_nobody_and_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path / "later"))
        assert not _asks(handler)
        assert _reasons(caplog) == [("later", "cannot be read: No such file or directory")]
        (tmp_path / "later").mkdir()
        (tmp_path / "later" / "a.yml").write_text(_files())
        await harness.advance(3)
        assert _asks(handler)


# ---------------------------------------------------------------- parameters


@pytest.mark.parametrize("url", ["k8s://", "mcp://x:1", "", "/etc/rbac", "fs://"])
def test_a_store_that_does_not_work_here_is_a_problem_that_says_which_do(url: str) -> None:
    (problem,) = INFO.validate(Params(config_store_url=url), HandlerContext("h", ()))
    assert problem.path == "config_store_url"
    assert "fs://DIR" in problem.hint


@in_virtual_time
async def test_a_negative_cache_duration_is_refused(tmp_path: Path) -> None:
    async with AdapterHarness() as harness:
        with pytest.raises(RejectedParamsError, match="cache_duration: is negative"):
            await harness.build(INFO, _params(tmp_path, cache_duration=Duration(-1)))


# ---------------------------------------------------------------- changes


@in_virtual_time
async def test_changes_are_taken_together_one_second_after_the_first_is_seen(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.yaml").write_text(_files())
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        (tmp_path / "a.yaml").write_text(_files("bob"))
        await harness.advance(0.9)
        assert _asks(handler, "ann")
        (tmp_path / "b.yaml").write_text(
            "---" + _BINDING.replace("USER", "eve").replace("viewers", "more")
        )
        await harness.advance(0.7)
        assert [_asks(handler, user) for user in ("ann", "bob", "eve")] == [False, True, True]


@in_virtual_time
async def test_a_removed_file_takes_its_roles_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(_files())
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        (tmp_path / "a.yaml").unlink()
        await harness.advance(3)
        assert not _asks(handler)


@in_virtual_time
async def test_a_file_that_broke_keeps_what_it_held(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(_files())
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        path.write_text(_files("bob") + "\nspec: [")
        await harness.advance(3)
        assert _asks(handler, "ann")
        assert not _asks(handler, "bob")
        assert _reasons(caplog)[0][1].startswith("is not YAML")
        path.write_text(_files("bob"))
        await harness.advance(3)
        assert [_asks(handler, user) for user in ("ann", "bob")] == [False, True]


@in_virtual_time
async def test_a_write_that_leaves_size_and_times_as_they_were_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(_files("ann"))
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        status = path.stat()
        path.write_text(_files("bob"))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        await harness.advance(3)
        assert _asks(handler, "bob")


@in_virtual_time
async def test_a_fault_is_logged_when_it_appears_and_not_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.yaml").write_text("---\nkind: [")
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        for user in ("ann", "bob"):
            (tmp_path / "b.yaml").write_text(_files(user))
            await harness.advance(3)
        assert _asks(handler, "bob")
        assert len(_reasons(caplog)) == 1


# ---------------------------------------------------------------- doubtful resources


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("methods: [GET]", "notMethods: [PUT]\n    methods: [GET]"), "notMethods is unknown"),
        (("methods: [GET]", "methods: GET"), "spec.rules[0].methods is no list"),
        (("methods: [GET]", "methods: [1]"), "spec.rules[0].methods[0] is no text; quote it"),
        (("v1alpha1", "v1beta1"), "apiVersion is `rbac.istio.io/v1beta1`"),
        (("rules:", "rulez:"), "spec.rulez is unknown"),
        (("namespace: shop", "other: shop"), "metadata.namespace is missing"),
    ],
)
@in_virtual_time
async def test_a_role_that_is_not_understood_grants_nothing_and_others_go_on(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: tuple[str, str],
    reason: str,
) -> None:
    (tmp_path / "a.yaml").write_text(_files())
    bad = (_ROLE + "---" + _BINDING).replace(*change, 1).replace("viewer", "doubt")
    (tmp_path / "b.yaml").write_text(bad.replace("USER", "eve"))
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        assert _asks(handler, "ann")
        assert not _asks(handler, "eve")
        place, found = _reasons(caplog)[0]
        assert place == "b.yaml:2"
        assert reason in found


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("user: USER", "user: USER\n    notUser: x"), "spec.subjects[0].notUser is unknown"),
        (("user: USER", "user: 7"), "spec.subjects[0].user is no text; quote it"),
        (("kind: ServiceRole,", "kind: Role,"), "spec.roleRef.kind is not `ServiceRole`"),
        (("name: viewer}", "name: nobody}"), "there is no role `nobody` in `shop`"),
    ],
)
@in_virtual_time
async def test_a_binding_that_is_not_understood_binds_nobody(
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    change: tuple[str, str],
    reason: str,
) -> None:
    (tmp_path / "a.yaml").write_text(_ROLE)
    (tmp_path / "b.yaml").write_text(_BINDING.replace(*change, 1))
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        assert not _asks(handler, "USER")
        ((place, found),) = _reasons(caplog)
        assert place == "b.yaml:2"
        assert reason in found


@in_virtual_time
async def test_foreign_resources_are_passed_over_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = (
        "apiVersion: apps/v1\nkind: Deployment\n---\n# nothing\n---\n7\n---\n[a]\n"
        "---\napiVersion: other/v1\nkind: ServiceRole\n"
    )
    (tmp_path / "a.yaml").write_text(foreign + _files())
    (tmp_path / "notes.txt").write_text("kind: [")
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "b.yaml").write_text("kind: [")
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        assert _asks(handler)
        assert _reasons(caplog) == []


@in_virtual_time
async def test_a_list_is_its_items(tmp_path: Path) -> None:
    items = [
        block.strip().replace("\n", "\n  ") for block in _files().split("---") if block.strip()
    ]
    text = "apiVersion: v1\nkind: List\nitems:\n" + "".join(f"- {item}\n" for item in items)
    (tmp_path / "a.yaml").write_text(text)
    async with AdapterHarness() as harness:
        handler = await harness.build(INFO, _params(tmp_path))
        assert _asks(handler)


@in_virtual_time
async def test_no_more_faults_are_logged_than_tell_where_to_look(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "a.yaml").write_text("".join("---" + _ROLE.replace("rules", "x") for _ in "x" * 50))
    async with AdapterHarness() as harness:
        await harness.build(INFO, _params(tmp_path))
        assert len(_reasons(caplog)) == 20
        (loaded,) = [each for each in caplog.records if each.msg == "rbac_loaded"]
        assert loaded.fields["faults"] == 50  # type: ignore[attr-defined] # set by the event log
