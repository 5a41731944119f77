"""The applypatch-msg hook in real `git am`: the message is judged as it is stored, and can be corrected as the hook says."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hook.clone import Clone
from tests.world.repository import Person

pytestmark = pytest.mark.tool("git")

HOOKS = ("applypatch-msg", "commit-msg", "prepare-commit-msg")


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    made = Clone(tmp_path / "repo with spaces", names=HOOKS)
    made.repo.commit("JIRA-1: start", {"a": "1"})
    return made


def patches(clone: Clone, *messages: str) -> list[str]:
    """Patch files with these messages, and the branch as it was before them."""
    before = clone.repo.tip() or ""
    for number, message in enumerate(messages):
        clone.repo.commit(message, {f"file{number}": "x"})
    done = clone.git("format-patch", "-k", "-o", str(clone.repo.path.parent / "patches"), before)
    clone.good("reset", "-q", "--hard", before)
    return done.stdout.split("\n")[:-1]


def at_a_terminal(clone: Clone, command: str, cwd: Path) -> int:
    """Run a shell command whose standard input is a terminal."""
    leader, terminal = pty.openpty()
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    env |= {"GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_CONFIG_GLOBAL": os.devnull, "EDITOR": "true"}
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=cwd, env=env, stdin=terminal, capture_output=True, check=False, timeout=60
        )
        return done.returncode
    finally:
        os.close(leader)
        os.close(terminal)


def test_good_patches(clone: Clone) -> None:
    assert clone.good("am", "-q", "-k", *patches(clone, "JIRA-2: one", "JIRA-3: two\n\nbody # not a comment")) == ""
    assert clone.git("log", "--format=%s").stdout.split("\n")[:2] == ["JIRA-3: two", "JIRA-2: one"]


@pytest.mark.parametrize("message", ["no ticket", "# JIRA-2: x", "fixup! JIRA-2: x", "Merge branch 'x'"])
def test_bad_patches(clone: Clone, message: str) -> None:
    said = clone.bad("am", "-q", "-k", *patches(clone, message))
    assert said.startswith("message-")
    assert "  --> .git/rebase-apply/final-commit:1:1\n" in said
    assert "chainverify: the patch was not applied" in said
    assert clone.subject() == "JIRA-1: start"


def test_a_sign_off_is_the_author_s_of_the_patch(clone: Clone) -> None:
    clone.policy("version = 1\n[messages]\nsign-off = 'exact'\n")
    author = Person("B O'Neil", "b@example.org")
    for name, good in (("B O'Neil", True), ("A", False)):
        before = clone.repo.tip() or ""
        clone.repo.commit(f"x\n\nSigned-off-by: {name} <b@example.org>\n", {"x": name}, author=author)
        (file,) = clone.git("format-patch", "-k", "-o", str(clone.repo.path.parent / name), before).stdout.split("\n")[:-1]
        clone.good("reset", "-q", "--hard", before)
        if good:
            assert clone.good("am", "-q", "-k", file) == ""
        else:
            assert "message-sign-off" in clone.bad("am", "-q", "-k", file)


@pytest.mark.parametrize("where", ["top", "subdirectory", "worktree"])
def test_what_it_says_works(clone: Clone, tmp_path: Path, where: str) -> None:
    directory = clone.repo.path
    files = patches(clone, "no ticket", "JIRA-3: two")
    if where == "worktree":
        directory = tmp_path / "linked worktree"
        clone.good("worktree", "add", "-q", "-b", "linked", str(directory))
        (directory / ".chainverify").mkdir()
        (directory / ".chainverify" / "policy.toml").write_text("version = 1\n[messages]\ntickets = ['JIRA']\n")
    said = clone.bad("am", "-q", "-k", *files, cwd=directory)
    (command,) = [line.strip() for line in said.split("\n") if line.startswith("    ")]
    if where == "subdirectory":
        directory /= "below"
        directory.mkdir()
    command = command.replace('"${EDITOR:-vi}"', "sed -i '1s/^/JIRA-2: had /'")
    assert at_a_terminal(clone, command, directory) == 0
    assert clone.git("log", "--format=%s", cwd=directory).stdout.split("\n")[:2] == ["JIRA-3: two", "JIRA-2: had no ticket"]


def test_rebase_with_the_apply_backend(clone: Clone) -> None:
    clone.good("checkout", "-q", "-b", "topic")
    clone.repo.commit("JIRA-2: mine", {"b": "1"})
    clone.good("checkout", "-q", "main")
    clone.repo.commit("JIRA-3: theirs", {"c": "1"})
    clone.good("rebase", "-q", "--apply", "main", "topic")
    assert clone.git("log", "--format=%s", "main..topic").stdout == "JIRA-2: mine\n"


def test_no_verify_skips_it(clone: Clone) -> None:
    if clone.git("am", "--no-verify", "-h").stdout.find("verify") < 0:
        pytest.skip("this git am has no --no-verify")
    clone.good("am", "-q", "-k", "--no-verify", *patches(clone, "no ticket"))
    assert clone.subject() == "no ticket"


@pytest.mark.parametrize("count", [0, 2])
def test_wrong_calls(count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", "hook", "applypatch-msg", *["x"] * count],
        capture_output=True, text=True, check=False,
    )
    assert done.returncode == 2
    assert f"applypatch-msg: expected one argument, the file with the message, got {count}" in done.stderr
