"""What `chainverify doctor` says, against repositories in which that very thing is wrong."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chainverify.cli.main import main
from chainverify.errors import Unavailable
from chainverify.git.repository import Repository as Opened
from chainverify.jobs import doctor, hookfiles, install, install_server, policies
from chainverify.jobs.hookchain import programs
from chainverify.jobs.hookconfig import command
from chainverify.model.checkup import Checkup
from chainverify.model.hooks import LOCAL
from tests.hook.test_beside_managers import ONE, beside, managed, use_newer_git
from tests.hook.test_commit_msg import POLICY, Hooked
from tests.world.hookmanagers import NEWER_GIT, Managed
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")
__all__ = ["managed"]  # a fixture


@pytest.fixture
def hooked(tmp_path: Path) -> Hooked:
    found = Hooked(tmp_path / "my repo")
    install.install(Opened.discover(found.repo.path))
    return found


def examine(repo: Repository) -> Checkup:
    opened = Opened.discover(repo.path)
    return doctor.examine(opened, lambda: policies.from_worktree(opened))


def said(found: Checkup, name: str) -> list[tuple[str, str]]:
    return [(each.state, each.message) for each in found.checks if each.name == name]


def test_all_is_well(hooked: Hooked) -> None:
    found = examine(hooked.repo)
    assert found.exit_status == 0
    assert {each.state for each in found.checks} <= {"ok", "warn"}
    assert [each.name for each in found.checks if each.state == "warn"] in ([], ["start-up"])  # a busy machine
    assert [(link.event, link.ours, link.runs) for link in found.hooks] == [(event, True, True) for event in LOCAL]
    assert [each.name for each in found.checks if each.name.startswith("hook ")] == [f"hook {event}" for event in LOCAL]
    (time,) = [each.message for each in found.checks if each.name == "start-up"]
    assert 5 < float(time.split()[-2]) < 2000


def not_executable(hooked: Hooked) -> None:
    hooked.hook.chmod(0o644)


def changed(hooked: Hooked) -> None:
    hooked.hook.write_text(hooked.hook.read_text().replace("sys.exit(3)", "sys.exit(0)"))


def interpreter_gone(hooked: Hooked) -> None:
    hooked.hook.write_text(hookfiles.script("commit-msg", python="/gone/python"))


def interpreter_gone_in_a_shell(hooked: Hooked) -> None:
    hooked.hook.write_text(hookfiles.script("commit-msg", python="/gone it's/python"))


def no_policy(hooked: Hooked) -> None:
    (hooked.repo.path / ".chainverify" / "policy.toml").unlink()


def wrong_policy(hooked: Hooked) -> None:
    hooked.policy("version = 1\n[messges]\n")


def hooks_path_empty(hooked: Hooked) -> None:
    hooked.repo.configure(core__hooksPath="")


def hooks_path_elsewhere(hooked: Hooked) -> None:
    hooked.repo.configure(core__hooksPath="/nowhere/at all")


def nothing_installed(hooked: Hooked) -> None:
    install.uninstall(Opened.discover(hooked.repo.path))


def no_key(hooked: Hooked) -> None:
    hooked.repo.configure(commit__gpgsign="true", gpg__format="ssh")


PROBLEMS: list[tuple[Callable[[Hooked], None], str, str]] = [
    (not_executable, "hook commit-msg", "it is not executable, so git passes over it"),
    (changed, "hook commit-msg", "somebody changed it"),
    (interpreter_gone, "hook commit-msg", "/gone/python, which it starts, is not there: git refuses every time"),
    (interpreter_gone_in_a_shell, "hook commit-msg", "/gone it's/python, which it starts, is not there"),
    (no_policy, "policy", "no policy at .chainverify/policy.toml"),
    (wrong_policy, "policy", "it is wrong: .chainverify/policy.toml:2: messges: unknown key"),
    (hooks_path_empty, "hooks-path", "core.hooksPath is set to nothing"),
    (hooks_path_elsewhere, "hooks", "git runs no hook of chainverify here"),
    (nothing_installed, "hooks", "git runs no hook of chainverify here"),
    (no_key, "signing", "git signs with SSH and knows no key"),
]


@pytest.mark.parametrize(("spoil", "name", "words"), PROBLEMS, ids=[each[0].__name__ for each in PROBLEMS])
def test_problems(hooked: Hooked, spoil: Callable[[Hooked], None], name: str, words: str) -> None:
    spoil(hooked)
    found = examine(hooked.repo)
    assert any(state == "problem" and words in message for state, message in said(found, name)), found.checks
    assert found.exit_status == 1
    hints = [each.hint for each in found.checks if each.state == "problem"]
    assert all(hints)


def test_warnings(hooked: Hooked, tmp_path: Path) -> None:
    hooked.policy(POLICY + "[commits]\n")
    install.uninstall(Opened.discover(hooked.repo.path), ("pre-push",))
    hooked.hook.write_text(hookfiles.script("commit-msg", python="/bin/sh"))
    hooked.repo.git("remote", "add", "far", "https://user:secret@git.example.org/x.git")
    found = examine(hooked.repo)
    assert ("warn", "not installed: pre-push") in said(found, "hooks")
    assert ("warn", "it was written by another chainverify, or for another Python") in said(found, "hook commit-msg")
    assert ("warn", "whether far enforces the policy cannot be seen from here") in said(found, "remote")
    assert "secret" not in repr(found)
    assert said(found, "signing") == [("warn", "the policy asks for signed commits, and git does not sign them by itself")]


def test_a_remote_on_this_machine(hooked: Hooked, tmp_path: Path) -> None:
    bare = Repository.create(tmp_path / "the server", bare=True)
    hooked.repo.git("remote", "add", "origin", str(bare.path))
    assert ("warn", "origin has no pre-receive hook of chainverify: it takes every push") in said(examine(hooked.repo), "remote")
    install_server.install_server(bare.path, allow_unconfigured=True)
    assert said(examine(hooked.repo), "remote") == [("ok", "origin has chainverify's pre-receive hook")]


def test_what_could_not_be_told_is_3(hooked: Hooked) -> None:
    def load() -> policies.LoadedPolicy:
        raise Unavailable("the disk is gone")

    found = doctor.examine(Opened.discover(hooked.repo.path), load)
    assert said(found, "policy") == [("unknown", "the policy could not be judged: the disk is gone")]
    assert found.exit_status == 3
    not_executable(hooked)
    assert doctor.examine(Opened.discover(hooked.repo.path), load).exit_status == 1


def test_a_directory_that_is_mounted_noexec(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(hooked.hook.parent)
    fields = list(real)
    fields[8] |= os.ST_NOEXEC  # f_flag
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result(fields))
    assert any("mounted noexec" in message for _state, message in said(examine(hooked.repo), "hooks-path"))


def test_hooks_of_others_are_listed_and_not_run(hooked: Hooked, tmp_path: Path) -> None:
    hooked.hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    (hooked.hook.parent / "pre-push").write_text(f"#!/bin/sh\n{hookfiles.line('pre-push', sys.executable)}\n")
    found = examine(hooked.repo)
    assert not (tmp_path / "ran").exists()
    assert [(link.event, link.ours) for link in found.hooks if link.event in {"commit-msg", "pre-push"}] == [
        ("commit-msg", False), ("pre-push", True),
    ]  # fmt: skip


@beside
def test_beside_managers(managed: Managed) -> None:
    opened = Opened.discover(managed.repo.path)
    before = examine(managed.repo)
    assert ("problem", "git runs no hook of chainverify here") in said(before, "hooks")
    install.install(opened)
    found = examine(managed.repo)
    assert not any(state in {"problem", "unknown"} for each in found.checks for state in [each.state]), found.checks
    ours = [link for link in found.hooks if link.event == "commit-msg" and link.ours]
    assert len(ours) == 1
    assert ours[0].runs
    theirs = [link for link in found.hooks if link.event == "commit-msg" and not link.ours]
    assert theirs
    install.uninstall(opened, ONE)
    assert ("warn", "not installed: commit-msg") in said(examine(managed.repo), "hooks")


@pytest.mark.tool(NEWER_GIT)
def test_configured_hooks(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    old = os.environ["PATH"]
    use_newer_git(monkeypatch)
    opened = Opened.discover(hooked.repo.path)
    file = hooked.hook.read_text()
    install.install(opened, way="config")
    assert examine(hooked.repo).exit_status == 0
    hooked.hook.write_text(file)
    hooked.hook.chmod(0o755)
    twice = examine(hooked.repo)
    assert any(state == "warn" and "it runs 2 times" in message for state, message in said(twice, "hook commit-msg"))
    hooked.hook.unlink()
    hooked.repo.git("config", "hook.chainverify-commit-msg.enabled", "false")
    assert any("switched off" in message for _state, message in said(examine(hooked.repo), "hook commit-msg"))
    hooked.repo.git("config", "hook.other.event", "pre-commit")
    without = said(examine(hooked.repo), "hook pre-commit")
    assert any(state == "problem" and "has an event and no command" in message for state, message in without)
    hooked.repo.git("config", "--remove-section", "hook.other")
    if hooked.git("version", env={"PATH": old}).stdout.split()[2] < "2.54":
        monkeypatch.setenv("PATH", old)
        assert any("ignores configured hooks" in message for _state, message in said(examine(hooked.repo), "hook pre-push"))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Exit status and output of the command line."""
    status = main(arguments)
    return status, capsys.readouterr().out


def test_the_command_line(hooked: Hooked, capsys: pytest.CaptureFixture[str]) -> None:
    directory = str(hooked.repo.path)
    status, out = run(capsys, "doctor", "-C", directory, "--output-format", "json")
    record = json.loads(out)
    assert (status, record["version"], record["verdict"]) == (0, 1, "ok")
    assert {"name", "state", "message", "hint"} == set(record["checks"][0])
    assert {"event", "source", "name", "ours", "runs"} == set(record["hooks"][0])
    hooked.hook.chmod(0o644)
    status, out = run(capsys, "doctor", "-C", directory, "-q")
    assert status == 1
    assert f"problem  hook commit-msg: {hooked.hook}: it is not executable, so git passes over it\n" in out
    assert "\n         = help: run: chainverify install; or: chmod +x " in out
    assert "hooks, in the order" not in out
    _, out = run(capsys, "doctor", "-C", directory)
    assert f"  commit-msg          chainverify  file: {hooked.hook}  (does not run)\n" in out


def test_install_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repo = Repository.create(tmp_path / "repo")
    arguments = ["-C", str(repo.path), "-t", "commit-msg"]
    hook = repo.git_dir / "hooks" / "commit-msg"
    status, out = run(capsys, "install", *arguments, "--dry-run")
    assert status == 0
    assert out.startswith(f"would be installed: {hook}\n    @@ ")
    assert "\n    +    from chainverify._entry import hook\n" in out
    assert not hook.exists()
    assert run(capsys, "install", *arguments) == (0, f"installed: {hook}\n")
    assert run(capsys, "install", *arguments) == (0, f"already there: {hook}\n")
    assert run(capsys, "uninstall", *arguments, "-n")[1].startswith(f"would be removed: {hook}\n")
    assert stat.S_IMODE(hook.stat().st_mode) == 0o755
    assert run(capsys, "uninstall", *arguments) == (0, f"removed: {hook}\n")
    assert run(capsys, "uninstall", *arguments) == (0, "nothing of chainverify's is installed here\n")
    assert "id: chainverify-pre-merge-commit\n" in run(capsys, "install", "--print", "prek")[1]
    assert "use_stdin: true" in run(capsys, "install", "--print", "lefthook", "-t", "pre-push")[1]
    for wrong in (["--policy", "x"], ["--server", str(tmp_path), "-n"], ["-t", "post-merge"]):
        assert run(capsys, "install", *wrong)[0] == 2


@pytest.mark.parametrize("python", [sys.executable, "/a b/python", "/quo'te it's/python"])
def test_the_programs_that_a_hook_names(python: str) -> None:
    assert programs(hookfiles.script("commit-msg", python=python))[0] == python
    named = programs(command("commit-msg", python))
    assert named[0] == python
    assert named[1].endswith("__main__.py")
