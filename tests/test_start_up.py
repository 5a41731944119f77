"""The fast path of the commit-msg hook: what it may import. Every module here costs every commit of every user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hook.test_commit_msg import POLICY, Hooked

OURS = {
    "chainverify", "chainverify._entry", "chainverify._version", "chainverify.errors", "chainverify.formats",
    "chainverify.formats.characters", "chainverify.formats.message", "chainverify.formats.pattern", "chainverify.hook",
    "chainverify.hook.cleanup", "chainverify.hook.commit_msg", "chainverify.hook.local", "chainverify.policy",
    "chainverify.policy.cache",
    "chainverify.rules", "chainverify.rules.messages",
}  # fmt: skip
"""All modules of the package on the path of a good message with a warm cache. Think before you add one."""

STANDARD = {"__future__", "_collections_abc", "_stat", "abc", "_abc", "genericpath", "os", "os.path", "posixpath", "stat"}
"""What the standard library may add: `os` and what it is made of (an interpreter without -S has all of it)."""

SLOW = {
    "typing", "re", "enum", "dataclasses", "json", "hashlib", "subprocess", "pathlib", "tomllib", "click", "collections",
    "functools",
}  # fmt: skip

PROBE = """
import sys
before = set(sys.modules)
sys.path.append({site!r})
from chainverify._entry import main
status = main(["hook", "commit-msg", {message!r}])
print(status, *sorted(set(sys.modules) - before))
"""

pytestmark = pytest.mark.tool("git")


def imported(hooked: Hooked) -> set[str]:
    """What a good commit-msg run imports beyond what the interpreter did."""
    site = str(Path(__file__).parent.parent / "src")
    code = PROBE.format(site=site, message=str(hooked.repo.git_dir / "COMMIT_EDITMSG"))
    done = subprocess.run(
        [sys.executable, "-IS", "-c", code], cwd=hooked.repo.path, capture_output=True, text=True, check=True,
        env={**os.environ, "GIT_EDITOR": ":"},
    )
    assert done.stderr == ""
    status, *names = done.stdout.split()
    assert status == "0"
    return set(names)


def test_the_fast_path_imports_what_is_on_the_list(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", POLICY + "pattern = '^JIRA'\nsubject-max = 72\nbody-line-max = 100\n")
    assert hooked.commit("JIRA-1: caf\u00e9\n\nbody").returncode == 0  # fills the cache, leaves the message
    names = imported(hooked)
    assert {name for name in names if name.startswith("chainverify")} == OURS
    assert not names & SLOW
    assert names - OURS <= STANDARD


TRAILERS = {
    "chainverify.formats.trailers", "chainverify.hook.people", "chainverify.rules.sign_off", "chainverify.rules.trailers",
}  # fmt: skip
"""What a policy that asks for trailers and sign-offs adds, and one that does not is spared."""


def test_what_only_some_policies_ask_for_is_as_cheap(tmp_path: Path) -> None:
    asked = 'trailers = { Reviewed-by = { min = 1, value = ".+" } }\nsign-off = "exact"\nconventional = true\n'
    hooked = Hooked(tmp_path / "repo", POLICY + asked)
    assert hooked.commit("JIRA-1: feat: x\n\nReviewed-by: B\nSigned-off-by: A <a@example.org>").returncode == 0
    hooked.git("config", "user.name", "A")
    hooked.git("config", "user.email", "a@example.org")
    names = imported(hooked)
    assert {name for name in names if name.startswith("chainverify")} == OURS | TRAILERS | {"chainverify.rules.conventional"}
    assert names - OURS <= STANDARD | TRAILERS | {"chainverify.rules.conventional"}


def test_the_list_would_notice(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo")
    (hooked.repo.git_dir / "COMMIT_EDITMSG").write_text("JIRA-1: x\n")
    names = imported(hooked)  # no cache yet: the whole loader
    assert "tomllib" in names
    assert "chainverify.policy.load" in names
    assert "click" not in names
