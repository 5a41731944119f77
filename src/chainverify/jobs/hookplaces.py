"""Where git looks for a repository's hooks (githooks(5), `core.hooksPath`), and whose decision that is."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from chainverify.errors import UsageError
from chainverify.git import config
from chainverify.git.config import Setting
from chainverify.git.repository import Repository


class HooksPath(NamedTuple):
    """The directory of hook files, absolute; `setting` is the `core.hooksPath` that names it, None where nothing does.

    `inside`: it lies in this repository, by its name and by where links lead, so no other repository runs what is there.
    """

    directory: Path
    setting: Setting | None
    inside: bool


def hooks_path(repo: Repository, settings: Sequence[Setting]) -> HooksPath:
    """Where git runs hook files from, under the configuration `settings`. Linked worktrees share one directory.

    Raises `UsageError` for an empty `core.hooksPath`, which git reads as whatever directory it is in.
    """
    setting = config.last(settings, "core.hookspath")
    if setting is None:
        return HooksPath(repo.common_dir / "hooks", None, inside=True)
    if setting.value == "":
        raise UsageError(
            f"core.hooksPath is set to nothing ({setting.origin}), so git looks for hooks in whatever directory it is in",
            hint=f"remove it: git config --{setting.scope} --unset core.hooksPath",
        )
    # git itself expands the value
    answer = repo.run("-c", f"core.hooksPath={setting.value}", "rev-parse", "--git-path", "hooks").removesuffix(b"\n")
    directory = Path(os.path.normpath(repo.directory / os.fsdecode(answer)))
    return HooksPath(directory, setting, _inside(repo, directory))


def hooks_directory(repo: Repository) -> Path:
    """The directory of this repository's own hook files.

    Raises `UsageError` where `core.hooksPath` is empty, or lies outside the repository, where a hook would act on every
    repository that shares it.
    """
    found = hooks_path(repo, config.effective(repo.directory))
    if found.setting is not None and not found.inside:
        raise UsageError(
            f"core.hooksPath is {found.setting.value}, which other repositories may share",
            hint="take the setting out, or set core.hooksPath in the repository itself to a directory of its own",
        )
    return found.directory


def _inside(repo: Repository, directory: Path) -> bool:
    roots = [repo.git_dir, repo.common_dir, *([repo.worktree] if repo.worktree else [])]
    # a tracked symbolic link must not lead out, and one that leads in is no name of this repository's
    forms = directory, Path(os.path.realpath(directory))
    return all(any(form.is_relative_to(os.path.realpath(root)) or form.is_relative_to(root) for root in roots) for form in forms)
