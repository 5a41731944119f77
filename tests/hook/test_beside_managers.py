"""Hooks beside husky, pre-commit, prek and lefthook, each really installed, under the git of the machine and one with configured
hooks: both run, nothing of theirs changes, and what was installed comes out again to the last byte."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from chainverify.errors import UsageError
from chainverify.git.repository import Repository as Opened
from chainverify.jobs import install
from tests.conftest import find_tool
from tests.hook.test_commit_msg import POLICY
from tests.world.hookmanagers import MANAGERS, NEWER_GIT, Managed, snapshot
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

ONE = ("commit-msg",)
BESIDE = [
    pytest.param(manager, newer, marks=[pytest.mark.tool(manager), *([pytest.mark.tool(NEWER_GIT)] if newer else [])])
    for manager in MANAGERS
    for newer in (False, True)
]


def use_newer_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything in this test find the git with configured hooks."""
    found = find_tool(NEWER_GIT)
    assert found is not None
    monkeypatch.setenv("PATH", f"{Path(found).resolve().parent}{os.pathsep}{os.environ['PATH']}")


def on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put chainverify on PATH, as it is for a team that shares its hooks."""
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{Path(sys.executable).parent}")


@pytest.fixture
def managed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Managed:
    manager, newer = request.param
    if newer:
        use_newer_git(monkeypatch)
    on_path(monkeypatch)
    found = Managed.create(tmp_path / "my repo", manager)
    directory = found.repo.path / ".chainverify"
    directory.mkdir()
    (directory / "policy.toml").write_text(POLICY)
    return found


def opened(managed: Managed) -> Opened:
    return Opened.discover(managed.repo.path)


beside = pytest.mark.parametrize(
    "managed",
    [pytest.param(tuple(each.values), marks=each.marks, id="-".join(map(str, each.values))) for each in BESIDE],
    indirect=True,
)


@beside
def test_a_round_trip_leaves_every_byte_as_it_was(managed: Managed) -> None:
    before = managed.snapshot()
    install.plan(opened(managed), install.Wish())
    assert managed.snapshot() == before, "planning writes nothing"
    assert any(done.changed for done in install.install(opened(managed)))
    between = managed.snapshot()
    assert between != before
    # nothing of theirs was changed but by adding to it
    for name, (mode, data) in before.items():
        assert between[name][0] == mode
        assert data in between[name][1]
    assert not any(done.changed for done in install.install(opened(managed))), "a second time changes nothing"
    assert managed.snapshot() == between
    assert any(done.changed for done in install.uninstall(opened(managed)))
    assert managed.snapshot() == before
    assert install.uninstall(opened(managed)) == ()


@beside
def test_both_run_and_ours_is_the_gate(managed: Managed) -> None:
    before = managed.snapshot()
    install.install(opened(managed), ONE)
    refused = managed.commit("fix it")
    assert refused.returncode == 1
    assert "message-ticket" in refused.stderr + refused.stdout
    assert managed.repo.tip() is None
    count = managed.ran()
    good = managed.commit("JIRA-1: fix it")
    assert good.returncode == 0, good.stderr
    assert managed.ran() == count + 1, "theirs ran, once"
    install.uninstall(opened(managed), ONE)
    assert managed.commit("fix it").returncode == 0
    assert managed.snapshot() == before


@beside
def test_the_manager_s_own_install_does_not_lose_ours(managed: Managed) -> None:
    install.install(opened(managed), ONE)
    match managed.manager:
        case "husky":
            managed.tool("husky")
        case "lefthook":
            managed.tool("lefthook", "install", "--force")
        case name:
            managed.tool(name, "install", "-t", "commit-msg")
    assert managed.commit("fix it").returncode == 1
    assert managed.commit("JIRA-1: fix it").returncode == 0


@pytest.mark.parametrize("manager", [pytest.param(each, marks=pytest.mark.tool(each)) for each in ("pre-commit", "prek")])
def test_what_was_there_first_becomes_theirs_to_chain(manager: str, tmp_path: Path) -> None:
    repo = Repository.create(tmp_path / "repo")
    (repo.path / ".chainverify").mkdir()
    (repo.path / ".chainverify" / "policy.toml").write_text(POLICY)
    install.install(Opened.discover(repo.path), ONE)
    managed = Managed(repo, manager, tmp_path / "log")
    repo.configure(user__name="A", user__email="a@example.org")
    (repo.path / ".pre-commit-config.yaml").write_text(
        "repos:\n- repo: local\n  hooks: [{id: own, name: own, language: system, entry: 'true', stages: [commit-msg], "
        "always_run: true}]\n"
    )
    repo.git("add", "-A")
    managed.tool(manager, "install", "-t", "commit-msg")
    assert managed.commit("fix it").returncode == 1
    assert not any(done.changed for done in install.install(Opened.discover(repo.path), ONE))
    (removed,) = install.uninstall(Opened.discover(repo.path))
    assert removed.path.name == "commit-msg.legacy"
    assert managed.commit("fix it").returncode == 0


@pytest.mark.tool("lefthook")
def test_a_local_file_of_lefthook_s_that_is_not_ours_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    managed = Managed.create(tmp_path / "repo", "lefthook")
    local = managed.repo.path / "lefthook-local.yml"
    local.write_text("pre-push:\n  commands: {}\n")
    with pytest.raises(UsageError, match="is not chainverify's to change") as caught:
        install.install(opened(managed), ONE)
    # the text that is shown works for a team with chainverify on PATH
    on_path(monkeypatch)
    local.write_text(caught.value.hint.partition(":\n")[2])
    (managed.repo.path / ".chainverify").mkdir()
    (managed.repo.path / ".chainverify" / "policy.toml").write_text(POLICY)
    assert managed.commit("fix it").returncode == 1
    assert managed.commit("JIRA-1: fix it").returncode == 0


@pytest.mark.tool("husky")
def test_husky_without_chainverify_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    managed = Managed.create(tmp_path / "repo", "husky")
    before = managed.snapshot()
    with pytest.raises(UsageError, match="not on PATH"):
        install.install(opened(managed))
    assert managed.snapshot() == before
    old = os.environ["PATH"]
    on_path(monkeypatch)
    install.install(opened(managed), ONE)
    monkeypatch.setenv("PATH", old)
    done = managed.commit("JIRA-1: fix it")
    assert done.returncode == 1
    assert "chainverify: the program is not on PATH, so this commit is refused" in done.stderr


def test_snapshots_see_modes_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    before = snapshot(tmp_path)
    (tmp_path / "a").chmod(0o755)
    assert snapshot(tmp_path) != before


@pytest.mark.skipif(find_spec("chainverify.hook.pre_push") is None, reason="only the commit-msg hook is there yet")
@beside
def test_all_of_them_beside_a_manager(managed: Managed, tmp_path: Path) -> None:
    before = managed.snapshot()
    install.install(opened(managed))
    assert managed.commit("bad").returncode == 1
    assert managed.commit("JIRA-1: good").returncode == 0
    managed.git("checkout", "-q", "-b", "JIRA-7-side", check=True)
    assert managed.commit("side").returncode == 0
    assert managed.repo.git("log", "-1", "--format=%s") == "JIRA-7: side", "prepare-commit-msg put the ticket in"
    managed.git("checkout", "-q", "main", check=True)
    assert managed.commit("JIRA-2: more").returncode == 0
    assert managed.git("merge", "-q", "--no-ff", "-m", "JIRA-3: merge", "JIRA-7-side").returncode == 0
    server = Repository.create(tmp_path / "server.git", bare=True)
    assert managed.git("push", "-q", str(server.path), "main", "JIRA-7-side").returncode == 0
    good = managed.repo.tip("main")
    managed.git("commit", "-q", "-n", "--allow-empty", "-m", "evil", check=True)
    # every ref of a push is judged, wherever the bad one stands
    for names in ("a", "b"), ("b", "a"):
        refs = {"a": "main:refs/heads/a", "b": f"{good}:refs/heads/b"}
        done = managed.git("push", "-q", str(server.path), *(refs[name] for name in names))
        assert done.returncode == 1
        assert "message-ticket" in done.stderr + done.stdout
    assert server.tip("refs/heads/a") is None
    install.uninstall(opened(managed))
    assert managed.snapshot() == before
