"""Messages that are meant to break the judge: a verdict or a clear error in bounded time, in hook, file and object."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hook.test_commit_msg import IDENTITY, Hooked

pytestmark = pytest.mark.tool("git")

POLICY = """\
version = 1
[messages]
tickets = ["JIRA"]
pattern = '^((J|JI|I|R|A|-)+)+[0-9]+(: ?)*.*((x*)*y?)*$'
tickets-max = 20
conventional = true
sign-off = "committer"
trailers = { Reviewed-by = { min = 1, value = "((a|a)*|(a*)*)*b", duplicates = false } }
subject-max = 72
body-line-max = 100
"""
SECONDS = 10.0
"""Processor time that one of these may take at the most; an honest message takes a hundredth."""
END = b"\n\nReviewed-by: aab\nSigned-off-by: A <a@example.org>\n"
GOOD = b"JIRA-1: feat: x" + END

BAD: dict[str, tuple[bytes, set[int]]] = {
    # bytes of the message, exit statuses that are right
    "good": (GOOD, {0}),
    "invalid UTF-8": (b"JIRA-1: feat: caf\xe9" + END, {1}),
    "invalid UTF-8 in a trailer": (GOOD.replace(b"aab", b"a\xff"), {1}),
    "NUL": (b"JIRA-1: feat: x\0y" + END, {1}),
    "NUL before the trailers": (GOOD.replace(b"\n\n", b"\n\0\n\n"), {1}),
    "only NULs": (b"\0" * 100_000, {1}),
    "surrogates": ("JIRA-1: feat: \ud800".encode("utf-8", "surrogatepass") + END, {1}),
    "a megabyte that explodes": (b"JIRA-1" * 200_000 + b"!" + END, {1}),
    "a value that explodes": (b"JIRA-1: feat: x\n\nReviewed-by: " + b"a" * 4000 + b"\n", {1}),
    "many trailers": (b"JIRA-1: feat: x\n\n" + b"Reviewed-by: aaa\n" * 60_000, {1}),
    "20 MB in one line": (b"JIRA-1: feat: x\n\n" + b"x" * (20 << 20) + END, {1, 2}),
    "100 MB": (b"JIRA-1: feat: x\n\n" + b"text\n" * (20 << 20) + END, {1, 2, 3}),
    "100 MB of line ends": (b"\n" * (100 << 20), {1, 2, 3}),
}


def spent() -> float:
    """Processor time of all children so far, which other work on the machine does not lengthen."""
    used = os.times()
    return used.children_user + used.children_system


def judged(hooked: Hooked, *arguments: str) -> tuple[int, str]:
    """Exit status and words of chainverify, in time; never a traceback."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    start = spent()
    done = subprocess.run(
        [sys.executable, "-I", "-m", "chainverify", *arguments], cwd=hooked.repo.path, capture_output=True, check=False,
        timeout=120, env={**clean, **IDENTITY, "GIT_EDITOR": ":"},
    )
    assert spent() - start < SECONDS
    said = (done.stdout + done.stderr).decode()
    assert "Traceback" not in said
    assert len(said) < 100_000
    return done.returncode, said


@pytest.mark.parametrize(("data", "statuses"), BAD.values(), ids=BAD)
def test_a_verdict_in_time(tmp_path: Path, data: bytes, statuses: set[int]) -> None:
    hooked = Hooked(tmp_path / "repo", POLICY)
    hooked.git("config", "user.name", "A")
    hooked.git("config", "user.email", "a@example.org")
    (hooked.repo.path / "message").write_bytes(data)
    for arguments in (("hook", "commit-msg", "message"), ("messages", "--file", "message")):
        status, said = judged(hooked, *arguments)
        assert status in statuses, (arguments, status, said)
        assert status == 0 or "message" in said
    tree = hooked.repo.git("mktree")
    ident = "A <a@example.org> 1750000000 +0000"
    raw = f"tree {tree}\nauthor {ident}\ncommitter {ident}\n\n".encode() + data
    oid = hooked.repo.write("commit", raw)
    assert hooked.git("update-ref", "refs/heads/main", oid).returncode == 0
    status, said = judged(hooked, "messages", "HEAD")
    assert status in statuses | ({3} if len(data) > 1 << 26 else set()), (status, said)
