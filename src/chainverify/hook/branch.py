"""The branch that a commit goes to, as the git directory shows it without a run of git."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BYTES_MAX: Final = 8192
_REBASED: Final = ("rebase-merge/head-name", "rebase-apply/head-name")


def current(git_dir: str) -> str:
    """The full name of the branch that HEAD is on, or that a rebase will set; empty for a detached HEAD and where it is not seen.

    A worktree has its own HEAD in its own git directory.
    """
    ref = _line(f"{git_dir}/HEAD").removeprefix("ref:").strip() if git_dir else ""
    if ref.startswith("refs/"):
        return ref
    for name in _REBASED:
        ref = _line(f"{git_dir}/{name}") if git_dir else ""
        if ref.startswith("refs/heads/"):
            return ref
    return ""


def _line(path: str) -> str:
    """The first line of a small file of git's own, empty where it cannot be read."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - no pathlib on the hot path
            return file.read(_BYTES_MAX).decode("utf-8", "surrogateescape").partition("\n")[0]
    except OSError:
        return ""
