"""The branch that a commit goes to, as the git directory shows it; git is run only where that does not tell."""

from __future__ import annotations

from chainverify.hook import local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BYTES_MAX: Final = 8192
_ELSEWHERE: Final = "refs/heads/.invalid"
_REBASED: Final = ("rebase-merge/head-name", "rebase-apply/head-name")


def current(git_dir: str) -> str:
    """The full name of the branch that HEAD is on, or that a rebase will set; empty for a detached HEAD and where it is not seen.

    A worktree has its own HEAD in its own git directory.
    """
    if not git_dir:
        return ""
    ref = head(git_dir)
    if ref:
        return ref
    for name in _REBASED:
        ref = line(f"{git_dir}/{name}")
        if ref.startswith("refs/heads/"):
            return ref
    return ""


def head(git_dir: str) -> str:
    """The full name of the ref that HEAD is on, empty for a detached HEAD.

    git itself is asked only where the file does not tell: the reftable format keeps HEAD elsewhere and leaves a name there that
    is none.
    """
    text = line(f"{git_dir}/HEAD")
    ref = text.removeprefix("ref:").strip()
    if ref.startswith("refs/") and ref != _ELSEWHERE:
        return ref
    if len(text) in (40, 64) and not text.strip("0123456789abcdef"):
        return ""
    status, answer = local.run("symbolic-ref", "-q", "HEAD")
    return "" if status else answer.decode("utf-8", "surrogateescape").strip()


def line(path: str) -> str:
    """The first line of a small file of git's own, empty where it cannot be read."""
    try:
        return local.read(path, _BYTES_MAX).decode("utf-8", "surrogateescape").partition("\n")[0]
    except OSError:
        return ""
