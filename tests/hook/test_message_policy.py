"""Trailers, sign-offs and rules per branch in real commits; each message is also judged as a file and on the stored object."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from chainverify.git.repository import Repository as Opened
from chainverify.hook import branch
from chainverify.jobs import messages as job
from chainverify.model.report import PASS
from chainverify.policy.load import parse
from tests.hook.test_commit_msg import IDENTITY, Hooked, direct
from tests.world.repository import Repository

pytestmark = pytest.mark.tool("git")

BOB = {"GIT_AUTHOR_NAME": "Bob", "GIT_AUTHOR_EMAIL": "bob@example.org"}
SIGNED = "Signed-off-by: A <a@example.org>"


def verdicts(hooked: Hooked, message: str, env: dict[str, str] | None = None) -> tuple[bool, bool, bool]:
    """Whether the hook, the file and the stored object let a message pass."""
    text = (hooked.repo.path / ".chainverify" / "policy.toml").read_text()
    policy = parse(text.encode(), "policy.toml")
    assert policy.messages is not None
    opened = Opened.discover(hooked.repo.path)
    mapped = job.mailmap(policy, lambda name: (hooked.repo.path / ".chainverify" / name).read_bytes())
    done = hooked.commit(message, env=env)
    assert done.returncode in (0, 1), done.stderr
    if done.returncode:
        assert hooked.commit(message, "--no-verify", env=env).returncode == 0
    found, _ = job.check_messages(opened, [hooked.repo.git("rev-parse", "HEAD")], policy.messages, mapped=mapped)
    stored = [each.status for each in found] == [PASS]
    author = (env or {}).get("GIT_AUTHOR_NAME", "A"), (env or {}).get("GIT_AUTHOR_EMAIL", "a@example.org")
    from chainverify.rules.sign_off import People

    people = People(author, ("A", "a@example.org"), mapped.mapped if mapped else None)
    file = job.judge_file(hooked.stored().encode(), policy.messages, people=people)
    return done.returncode == 0, [each.status for each in file] == [PASS], stored


TRAILERS = 'version = 1\n[messages]\ntrailers = { Reviewed-by = { min = 1, value = "[^<]+ <[^>]+>" } }\n'
EXACT = 'version = 1\n[messages]\nsign-off = "exact"\n'
MAILMAP = """\
version = 1
[messages]
sign-off = "mailmap"
mailmap = "mailmap"
[[signers]]
name = "A"
emails = ["a@example.org", "a@work.example"]
"""
TICKET = 'version = 1\n[messages]\ntickets = "JIRA"\nticket-where = "trailer:Ticket"\nconventional = true\n'
CASES = {
    "trailer": (TRAILERS, "x\n\nReviewed-by: B <b@example.org>", {}, True),
    "no trailer": (TRAILERS, "x", {}, False),
    "trailer in the body": (TRAILERS, "x\n\nReviewed-by: B <b@example.org>\n\nprose", {}, False),
    "trailer in a comment that stays": (TRAILERS, "x\n\n# Reviewed-by: B <b@example.org>", {}, False),
    "trailer before a comment that stays": (TRAILERS, "x\n\nReviewed-by: B <b@example.org>\n# note", {}, True),
    "trailer after a divider": (TRAILERS, "x\n\n---\n\nReviewed-by: B <b@example.org>", {}, True),
    "sign-off": (EXACT, f"x\n\n{SIGNED}", {}, True),
    "no sign-off": (EXACT, "x", {}, False),
    "sign-off of the committer alone": (EXACT, f"x\n\n{SIGNED}", BOB, False),
    "sign-off of another author": (EXACT, "x\n\nSigned-off-by: Bob <bob@example.org>", BOB, True),
    "sign-off of the committer will do": (EXACT.replace("exact", "committer"), f"x\n\n{SIGNED}", BOB, True),
    "another address of the person": (MAILMAP, "x\n\nSigned-off-by: A <a@work.example>", {}, True),
    "an address by the mailmap": (MAILMAP, "x\n\nSigned-off-by: A <a@old.example>", {}, True),
    "an address of nobody": (MAILMAP, "x\n\nSigned-off-by: A <a@evil.example>", {}, False),
    "ticket in a trailer": (TICKET, "feat: x\n\nTicket: JIRA-1", {}, True),
    "ticket in the subject": (TICKET, "feat: JIRA-1 x", {}, False),
    "not conventional": (TICKET, "Feat: x\n\nTicket: JIRA-1", {}, False),
}


@pytest.mark.parametrize(("policy", "message", "env", "good"), CASES.values(), ids=CASES)
def test_the_same_verdict_everywhere(tmp_path: Path, policy: str, message: str, env: dict[str, str], good: bool) -> None:
    hooked = Hooked(tmp_path / "repo", policy)
    (hooked.repo.path / ".chainverify" / "mailmap").write_text("A <a@example.org> <a@old.example>\n")
    # what is judged says nothing of who is one person
    (hooked.repo.path / ".mailmap").write_text("A <a@example.org> <a@evil.example>\n")
    assert verdicts(hooked, message, env) == (good, good, good)
    # with a warm cache too
    assert verdicts(hooked, message, env) == (good, good, good)


def test_git_signs_off(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", EXACT)
    assert hooked.commit("x").returncode == 1
    assert hooked.commit("x", "-s").returncode == 0
    # --author is whom git tells the hook of
    done = hooked.commit("x", "-s", "--author=Bob <bob@example.org>")
    assert done.returncode == 1
    assert "expected a sign-off by the author, Bob <bob@example.org>, got" in done.stderr
    assert hooked.commit("x\n\nSigned-off-by: Bob <bob@example.org>", "--author=Bob <bob@example.org>").returncode == 0


def test_what_the_hook_prints(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", TRAILERS)
    done = hooked.commit("x\n\nReviewed-by: nobody")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == 'message-trailer: expected Reviewed-by to match "[^<]+ <[^>]+>", got "nobody"'
    assert lines[3] == "3 | Reviewed-by: nobody"
    assert lines[4] == "  |              ^^^^^^"
    done = hooked.commit("x\n\nReviewed-by: \x1b[2J")
    assert "\x1b" not in done.stderr


def test_a_mailmap_that_cannot_be_read_stops_the_commit(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", MAILMAP)
    done = hooked.commit(f"x\n\n{SIGNED}")
    assert done.returncode != 0
    assert "cannot read the mailmap" in done.stderr


def test_a_hook_that_does_not_know_the_author_does_not_decide(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", EXACT)
    hooked.git("config", "user.useConfigOnly", "true")
    for message, status in ((f"x\n\n{SIGNED}\n", 3), ("x\n", 1)):
        (hooked.repo.path / "message").write_text(message)
        done = direct(hooked, "message", env={"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"})
        assert done.returncode == status, done.stderr


REFS = """\
version = 1
[messages]
tickets = ["JIRA"]
[[refs]]
match = "refs/heads/wip/**"
messages = { allow-fixup = true, tickets = [] }
[[refs]]
match = "refs/heads/wip/strict/**"
messages = { subject-max = 20 }
"""


def test_the_branch_has_its_own_rules(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", REFS)
    for _ in range(2):  # without and with a cache
        assert hooked.commit("fixup! x").returncode == 1
        assert hooked.commit("JIRA-1: x").returncode == 0
        assert hooked.git("checkout", "-q", "-B", "wip/a").returncode == 0
        assert hooked.commit("fixup! x").returncode == 0
        assert hooked.git("checkout", "-q", "-B", "wip/strict/a").returncode == 0
        # both stanzas match: what one lets pass the other still refuses
        assert hooked.commit("fixup! JIRA-1: x").returncode == 1
        assert hooked.commit("JIRA-1: x").returncode == 0
        done = hooked.commit("JIRA-1: a subject that is too long")
        assert done.returncode == 1
        assert done.stderr.count("message-subject") == 1
        assert hooked.git("checkout", "-q", "main").returncode == 0


def test_a_linked_worktree_has_its_own_branch(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", REFS)
    assert hooked.commit("JIRA-1: x").returncode == 0
    other = tmp_path / "other"
    assert hooked.git("worktree", "add", "-q", "-b", "wip/b", str(other)).returncode == 0
    (other / ".chainverify").mkdir(exist_ok=True)
    (other / ".chainverify" / "policy.toml").write_text(REFS)
    done = hooked.git("commit", "-q", "--allow-empty", "-m", "fixup! x", cwd=other)
    assert done.returncode == 0, done.stderr
    assert hooked.commit("fixup! x").returncode == 1


def test_a_reword_in_a_rebase_is_on_the_branch_that_is_rebased(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", REFS)
    assert hooked.commit("JIRA-1: x").returncode == 0
    assert hooked.git("checkout", "-q", "-b", "wip/a").returncode == 0
    assert hooked.commit("one").returncode == 0
    editor = {"GIT_SEQUENCE_EDITOR": "sed -i s/^pick/reword/", "GIT_EDITOR": "sed -i s/one/fixup!/"}
    done = hooked.git("rebase", "-q", "--force-rebase", "-i", "HEAD~1", env=editor)
    assert done.returncode == 0, done.stderr


def file_verdict(hooked: Hooked, message: str, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    import os
    import sys

    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", "messages", "--policy-ref", "HEAD", "-"], input=message.encode(),
        cwd=hooked.repo.path, capture_output=True, check=False, env={**clean, **env},
    )


def test_the_command_takes_git_s_identity_for_a_file(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path / "repo", EXACT)
    hooked.git("add", "-A")
    assert hooked.git("commit", "-q", "-m", f"x\n\n{SIGNED}").returncode == 0
    nobody = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(tmp_path)}
    hooked.git("config", "user.useConfigOnly", "true")
    done = file_verdict(hooked, f"x\n\n{SIGNED}\n", nobody)
    assert done.returncode == 3, done.stdout
    assert b"who the author is, is not known here" in done.stdout
    hooked.git("config", "user.name", IDENTITY["GIT_AUTHOR_NAME"])
    hooked.git("config", "user.email", IDENTITY["GIT_AUTHOR_EMAIL"])
    assert file_verdict(hooked, f"x\n\n{SIGNED}\n", nobody).returncode == 0
    assert file_verdict(hooked, "x\n", nobody).returncode == 1


def test_git_is_asked_for_the_branch_where_its_directory_does_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a repository of the reftable format, whose HEAD file names no branch that can be."""
    repo = Repository.create(tmp_path / "repo", branch="wip/a")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "HEAD").write_text("ref: refs/heads/.invalid\n")
    monkeypatch.chdir(repo.path)
    assert branch.current(str(elsewhere)) == "refs/heads/wip/a"
    (elsewhere / "HEAD").write_text("ref: refs/heads/main\n")
    assert branch.current(str(elsewhere)) == "refs/heads/main"
    (elsewhere / "HEAD").write_text("1" * 40 + "\n")
    assert branch.current(str(elsewhere)) == ""
