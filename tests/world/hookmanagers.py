"""Repositories in which a hook manager is really installed, and what of them an installer might touch.

    managed = Managed.create(tmp_path / "repo", "husky")
    before = managed.snapshot()

Each manager is set up with a commit-msg script of its own that writes a line to `managed.log`, and where it
can, with a pre-push one.
"""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import Final

from tests.conftest import find_tool
from tests.world.repository import ALICE, Repository

MANAGERS: Final = ("husky", "pre-commit", "prek", "lefthook")
GIT_S_OWN: Final = (
    ".git/objects", ".git/refs", ".git/logs", ".git/index", ".git/HEAD", ".git/COMMIT_EDITMSG", ".git/ORIG_HEAD",
    ".git/AUTO_MERGE",
)  # fmt: skip
"""What commits, merges and pushes write."""
NEWER_GIT: Final = "newer-git"
"""The tool's name of a git with configured hooks."""


class Managed:
    """A repository at `repo.path` whose hooks `manager` looks after; `log` is what the manager's own hook wrote."""

    def __init__(self, repo: Repository, manager: str, log: Path) -> None:
        self.repo = repo
        self.manager = manager
        self.log = log

    @classmethod
    def create(cls, path: Path, manager: str) -> Managed:
        """A new repository with the manager set up as its manual says; its program must be there (`find_tool`)."""
        repo = Repository.create(path)
        repo.configure(user__name=ALICE.name, user__email=ALICE.email)
        log = path.parent / f"{path.name}.log"
        managed = cls(repo, manager, log)
        said = f"echo '{manager}' >> '{log}'"
        if manager == "husky":
            managed.tool("husky")
            (path / ".husky" / "commit-msg").write_text(f"{said}\n")
            (path / ".husky" / "pre-push").write_text(f"cat >> '{log}'\n")
        elif manager == "lefthook":
            (path / "lefthook.yml").write_text(
                f'commit-msg:\n  jobs:\n    - name: own\n      run: "{said}"\n'
                f"pre-push:\n  commands:\n    own:\n      use_stdin: true\n      run: \"cat >> '{log}'\"\n"
            )
            managed.tool("lefthook", "install")
        else:
            (path / "own").write_text(f"#!/bin/sh\n{said}\n")
            (path / "own").chmod(0o755)
            (path / ".pre-commit-config.yaml").write_text(
                "repos:\n- repo: local\n  hooks:\n  - {id: own, name: own, language: system, entry: ./own, stages: [commit-msg],"
                " always_run: true}\n"
            )
            managed.tool(manager, "install", "-t", "commit-msg", "-t", "pre-push")
        repo.git("add", "-A")
        return managed

    def tool(self, name: str, *arguments: str) -> None:
        """Run the manager's program in the repository. Raises RuntimeError where it fails."""
        done = subprocess.run(
            [find_tool(name) or name, *arguments], cwd=self.repo.path, env=self.environment(), capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{name}: {done.stdout}{done.stderr}")

    def environment(self) -> dict[str, str]:
        """The environment of a developer who has the managers on PATH."""
        tools = str(Path(find_tool(self.manager) or "/").parent)
        # the manager needs a plain git to be found first only where the tests put one there
        return {**os.environ, "PATH": f"{os.environ['PATH']}{os.pathsep}{tools}", "LEFTHOOK_VERBOSE": "0"}

    def git(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run git as the developer would, hooks included."""
        return subprocess.run(
            ["git", *arguments], cwd=self.repo.path, env=self.environment(), capture_output=True, text=True, check=check,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip

    def commit(self, message: str) -> subprocess.CompletedProcess[str]:
        """An empty commit with this message."""
        return self.git("commit", "-q", "--allow-empty", "-m", message)

    def ran(self) -> int:
        """How often the manager's own commit-msg hook ran."""
        return self.log.read_text().count(f"{self.manager}\n") if self.log.exists() else 0

    def snapshot(self) -> dict[str, tuple[int, bytes]]:
        """Mode and bytes of every file that is not git's own record of commits."""
        return snapshot(self.repo.path)


def snapshot(top: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file and link below `top` but `GIT_S_OWN`."""
    found = {}
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top).as_posix()
        if path.is_dir() or name.startswith(GIT_S_OWN):
            continue
        # its own note of when it last wrote its hooks
        if name == ".git/info/lefthook.checksum" or name.startswith(".git/chainverify"):
            continue
        found[name] = (stat.S_IMODE(path.lstat().st_mode), path.read_bytes())
    return found
