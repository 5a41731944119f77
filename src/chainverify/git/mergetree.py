"""The tree that git itself would make of two commits, for telling a plain merge from one that brings changes of its own.

git writes what it merges. Here it writes into a repository of its own that only borrows the objects, so nothing is added to the
one that is looked at (nor to the quarantine of a push), and no configuration of it (merge drivers, rename limits) has a say.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from chainverify.errors import BudgetExceeded, Unavailable
from chainverify.git.repository import RUN_SECONDS, Repository, has_error

# the user's attributes are read where no configuration names them, too
_OPTIONS: Final = ("-c", "core.commitGraph=false", "-c", f"core.attributesFile={os.devnull}")
_MERGE: Final = ("merge-tree", "--write-tree", "--stdin", "--no-messages", "--name-only")
AT_ONCE: Final = 1000
"""How many merges one git process is asked for: each has its own time limit."""
MAX_FAILURES: Final = 64
"""How many pairs may be found that git cannot merge, each of which costs some processes to single out."""
USAGE: Final = 129
"""git's exit status for options that it does not know."""
_HINT: Final = "merges are computed by git 2.39 or newer: update git"


def merged(repo: Repository, pairs: Sequence[tuple[str, str]]) -> list[str | Unavailable | None]:
    """For each pair of full commit ids the id of the tree that merging them gives, None where they conflict.

    A pair that git cannot merge (an object is missing) is answered with the error. Raises `Unavailable` without git, or with one
    that is too old, and `BudgetExceeded` after `MAX_FAILURES` of such pairs.
    """
    with tempfile.TemporaryDirectory(prefix="chainverify-") as scratch:
        borrower = _Borrower(Path(scratch) / "merge.git", repo)
        return [answer for at in range(0, len(pairs), AT_ONCE) for answer in borrower.merge(pairs[at : at + AT_ONCE])]


class _Borrower:
    """A repository of our own that borrows all objects of another one."""

    def __init__(self, path: Path, repo: Repository) -> None:
        self.path = path
        self.environ = _environment(repo)
        self.failures = 0
        _init(path, repo, self.environ)

    def merge(self, pairs: Sequence[tuple[str, str]]) -> list[str | Unavailable | None]:
        """The answers for one pair or more.

        Where an object cannot be read git goes on as if it were empty, and only says so (2.39), or stops: then no answer of the
        run counts, and the pairs are asked in halves until the ones at fault are alone.
        """
        lines = "".join(f"{first} {second}\n" for first, second in pairs).encode("ascii")
        done = _run(("git", *_OPTIONS, f"--git-dir={self.path}", *_MERGE), self.environ, lines)
        answers = list(_answers(done.stdout))
        if done.returncode == 0 and not has_error(done.stderr) and len(answers) == len(pairs):
            return [*answers]
        words = done.stderr.decode("utf-8", "backslashreplace").strip()[:200] or "no reason given"
        if done.returncode == USAGE:
            raise Unavailable(f"git cannot compute merges: {words}", hint=_HINT)
        if len(pairs) > 1:
            half = len(pairs) // 2
            return [*self.merge(pairs[:half]), *self.merge(pairs[half:])]
        self.failures += 1
        if self.failures > MAX_FAILURES:
            raise BudgetExceeded(f"more than {MAX_FAILURES} merges cannot be computed, the last one: {words}")
        return [Unavailable(f"git cannot merge {pairs[0][0]} and {pairs[0][1]}: {words}", hint="run git fsck")]


def _answers(output: bytes) -> Iterator[str | None]:
    """The complete records of `merge-tree --stdin`: status and tree, the names of files in conflict, and an empty name."""
    fields = output.split(b"\0")[:-1]
    at = 0
    while at + 2 < len(fields):
        try:
            end = fields.index(b"", at + 2)
        except ValueError:
            return
        yield fields[at + 1].decode("ascii", "replace") if fields[at] == b"1" else None
        at = end + 1


def _environment(repo: Repository) -> dict[str, str]:
    """git's environment there, without configuration and attributes of user and system; its own quarantine is not ours to
    write to."""
    kept = {name: value for name, value in repo.environment().items() if not name.startswith("GIT_") or name in _KEPT}
    return {**kept, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_ATTR_NOSYSTEM": "1"}


_KEPT: Final = frozenset(("GIT_NO_REPLACE_OBJECTS", "GIT_NO_LAZY_FETCH", "GIT_ALLOW_PROTOCOL"))


def _init(path: Path, repo: Repository, environ: dict[str, str]) -> None:
    command = ("git", "init", "-q", "--bare", "--template=", f"--object-format={repo.algorithm}", str(path))
    done = _run(command, environ)
    if done.returncode:
        raise Unavailable(f"git init failed: {done.stderr.decode('utf-8', 'backslashreplace').strip()[:200]}", hint=_HINT)
    info = path / "objects" / "info"
    info.mkdir(parents=True, exist_ok=True)
    lines = b"".join(_quoted(os.fsencode(directory)) + b"\n" for directory in repo.object_directories())
    (info / "alternates").write_bytes(lines)


def _quoted(path: bytes) -> bytes:
    """A path for `objects/info/alternates`, where a leading quote or hash has a meaning (git's `alternate.c`)."""
    if b"\n" in path or path[:1] in b'#"':
        raise Unavailable(f"the object directory {path!r} cannot be borrowed from")
    return path


def _run(command: Sequence[str], environ: dict[str, str], stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(  # noqa: S603 - an argument list made here; commits go over standard input
            command, env=environ, input=stdin, capture_output=True, check=False, timeout=RUN_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise BudgetExceeded(f"git took longer than {RUN_SECONDS:.0f} seconds to merge") from error
    except OSError as error:
        raise Unavailable(f"git cannot be run: {error.strerror}", hint=_HINT) from error
