"""A clone with all local hooks in place, as a person would use it: real git, an editor that is a script, a remote."""

from __future__ import annotations

import sys
from pathlib import Path

from chainverify.model.hooks import LOCAL
from tests.hook.test_commit_msg import POLICY, Hooked
from tests.world.repository import Repository

SOURCE = Path(__file__).parent.parent.parent / "src"
HOOK = """#!{python} -IS
import sys
sys.path.append({site!r})
from chainverify._entry import hook
sys.exit(hook({name!r}, sys.argv[1:]))
"""


def write_hooks(directory: Path, names: tuple[str, ...] = LOCAL) -> None:
    """Put hooks into a hooks directory; without `site`, so that they must find other packages themselves."""
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        path = directory / name
        path.write_text(HOOK.format(python=sys.executable, site=str(SOURCE), name=name))
        path.chmod(0o755)


class Clone(Hooked):
    """A repository at `path` with the hooks `names`; `policy` is written, not committed (None: none)."""

    def __init__(self, path: Path, policy: str | None = POLICY, names: tuple[str, ...] = LOCAL) -> None:
        self.repo = Repository.create(path)
        self.hook = self.repo.git_dir / "hooks" / "commit-msg"
        write_hooks(self.hook.parent, names)
        if policy is not None:
            self.policy(policy)

    def write(self, **files: str) -> None:
        """Write files of the worktree; `__` stands for the dot: `write(deploy__yaml="...")`."""
        for name, text in files.items():
            (self.repo.path / name.replace("__", ".")).write_text(text)

    def subject(self, revision: str = "HEAD") -> str:
        """The subject of a commit as git prints it."""
        return self.git("log", "-1", "--format=%s", revision).stdout.removesuffix("\n")

    def good(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
        """What git, which must succeed, says on standard error."""
        done = self.git(*arguments, env=env, cwd=cwd)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stderr

    def bad(self, *arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
        """What git, which must fail, says on standard error."""
        done = self.git(*arguments, env=env, cwd=cwd)
        assert done.returncode != 0, (arguments, done.stdout, done.stderr)
        return done.stderr
