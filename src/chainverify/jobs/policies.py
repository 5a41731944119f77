"""Where policies come from, how far each source is trusted, and which files a policy may name there.

| source | trust | files that it may name |
|---|---|---|
| a file outside the worktree | external | any, relative to the policy or absolute |
| a revision (the old tip, the base) | base | of the same tree, below the policy's directory |
| a revision that is judged itself | self | of the same tree, below the policy's directory |
| the worktree | self | of the worktree, below the policy's directory |

Inside a repository no name is absolute or holds `..`, and no symbolic link is followed, neither to the policy nor to its
files: whoever writes the tree must not point out of it, nor at what a later push changes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from chainverify.errors import PolicyError, PolicyMissing, UsageError
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.git.trees import read_path
from chainverify.model.report import PolicyRef, Trust
from chainverify.policy import load
from chainverify.policy.material import FileReader, check_inside
from chainverify.policy.model import Policy

DIRECTORY: Final = ".chainverify"
"""The directory of a repository that holds its policy and the files that the policy names."""
POLICY_NAME: Final = f"{DIRECTORY}/policy.toml"
"""Where a repository's own policy lies."""
VARIABLE: Final = "CHAINVERIFY_POLICY"
"""Names a policy file in the environment, on a server its own."""
KEY_FILE_BYTES_MAX: Final = 1 << 20
"""The largest key file that is read."""
_HINT_INIT: Final = "run chainverify init to write one, or name one with --policy"


class LoadedPolicy(NamedTuple):
    """A policy, how far its source is trusted, and the reader of the files that it names."""

    policy: Policy
    trust: Trust
    read: FileReader

    @property
    def ref(self) -> PolicyRef:
        """What a report says of the policy."""
        return PolicyRef(self.policy.source, self.policy.digest, self.trust)


class Judged(NamedTuple):
    """What is judged: commits reachable from `include` and not from `exclude`, full ids; see `jobs.history.tips`."""

    include: Sequence[str] = ()
    exclude: Sequence[str] = ()


def from_file(path: Path, *, worktree: Path | None, server: bool = False) -> LoadedPolicy:
    """The policy in a file; trust `self` where it lies in `worktree`, by its name or by where links lead, else `external`.

    `server` says that it is the server's own file. Raises `PolicyMissing` where there is none, and `PolicyError`.
    """
    inside = _inside(path, worktree)
    if inside is not None and worktree is not None:
        return _from_directory(worktree, inside, str(path), server=server)
    data = _read_outside(path, load.POLICY_BYTES_MAX, "policy")
    policy = load.parse(data, str(path), server=server)
    return LoadedPolicy(policy, "external", lambda name: _read_outside(path.parent / name, KEY_FILE_BYTES_MAX, "key file"))


def from_worktree(repo: Repository) -> LoadedPolicy:
    """The repository's own policy as it stands in the worktree, trust `self`. Raises `PolicyMissing` and `PolicyError`."""
    if repo.worktree is None:
        raise PolicyMissing(
            f"{repo.git_dir} has no worktree to read {POLICY_NAME} from",
            hint="name a policy with --policy FILE or --policy-ref HEAD",
        )
    return _from_directory(repo.worktree, tuple(POLICY_NAME.split("/")), POLICY_NAME)


def from_revision(
    repo: Repository, revision: str, *, name: str = POLICY_NAME, judged: Judged | None = None, shown: str = ""
) -> LoadedPolicy:
    """The policy `name` in the tree of a revision, trust `base`; `self` where the revision is one of those that are judged.

    Of `judged` these are the tips and, where something is excluded, all that is reachable from them and from nothing excluded.
    Where nothing is (a whole history is looked at), what lies below a tip is a base of it. A tree that is named without its
    commit is `self` too, for nothing says whose it is. `judged` None: the caller knows that the revision came before.

    The revision is resolved once: what its name means later changes nothing. `shown` is what people call it (default: by its
    name). Raises `PolicyMissing`, `PolicyError`,
    `UsageError` for an unknown revision, and `Unavailable` where an object cannot be read.
    """
    oid = repo.resolve(revision)
    shown = shown or revision
    source = f"{shown}:{name}"
    with ObjectReader(repo) as reader:
        data = read_path(reader, oid, name)
    if data is None:
        raise PolicyMissing(f"no regular file {name} in {shown}", hint=_HINT_INIT)
    policy = load.parse(data, source)
    check_inside(policy)
    directory = tuple(name.split("/")[:-1])

    def read(file: str) -> bytes:
        path = "/".join((*directory, *_parts(file)))
        with ObjectReader(repo) as reader:
            found = read_path(reader, oid, path)
        if found is None:
            raise PolicyError(
                f"no regular file {path} in {shown}",
                hint="commit the file, not a symbolic link to it; names are relative to the policy's directory",
            )
        _check_size(len(found), KEY_FILE_BYTES_MAX, path)
        return found

    return LoadedPolicy(policy, "base" if judged is None else _trust(repo, oid, judged), read)


def _trust(repo: Repository, oid: str, judged: Judged) -> Trust:
    """How far a policy at `oid` is trusted for what is judged."""
    try:
        commit = repo.resolve(f"{oid}^{{commit}}")
    except UsageError:
        return "self"
    try:
        if judged.exclude and repo.is_ancestor(commit, *judged.exclude):
            return "base"
        if commit in judged.include:
            return "self"
        return "self" if judged.exclude and judged.include and repo.is_ancestor(commit, *judged.include) else "base"
    except UsageError:
        # history cannot be read so far: it may be one of them
        return "self"


def _from_directory(worktree: Path, place: Sequence[str], source: str, *, server: bool = False) -> LoadedPolicy:
    """The policy at `place` (the parts of its path) in a worktree, trust `self`."""
    data = _read_inside(worktree, place, load.POLICY_BYTES_MAX, "policy")
    policy = load.parse(data, source, server=server)
    check_inside(policy)

    def read(file: str) -> bytes:
        return _read_inside(worktree, (*place[:-1], *_parts(file)), KEY_FILE_BYTES_MAX, "key file")

    return LoadedPolicy(policy, "self", read)


def _inside(path: Path, worktree: Path | None) -> tuple[str, ...] | None:
    """The parts of `path` below `worktree`, None where it is elsewhere.

    Both readings count: a link in the worktree is the worktree's word, and so is a file there that a link leads to.
    """
    if worktree is None:
        return None
    # `..` goes out of what a link names, which normpath cannot know: such a path is judged by where it leads alone
    written = None if ".." in path.parts else Path(os.path.abspath(path))  # noqa: PTH100 - resolve() follows links
    for root in (worktree, Path(os.path.realpath(worktree))):
        for form in (written, Path(os.path.realpath(path))):
            if form is not None and form.is_relative_to(root) and form != root:
                return form.relative_to(root).parts
    return None


def _parts(name: str) -> tuple[str, ...]:
    """The parts of a relative name that `check_inside` let pass; refused once more, for a reader takes any text."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or ".." in parts or not parts or "\0" in name:
        raise PolicyError(f"names {name!r}, expected a file below the policy's directory")
    return parts


def _read_inside(root: Path, parts: Sequence[str], limit: int, what: str) -> bytes:
    """A regular file below `root`, opened part by part so that no symbolic link is followed, wherever one appears."""
    shown = "/".join(parts)
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    directory = -1
    try:
        directory = os.open(root, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        for part in parts[:-1]:
            below = os.open(part, flags | os.O_DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = below
        return _read_all(os.open(parts[-1], flags, dir_fd=directory), limit, shown)
    except (OSError, ValueError) as error:
        _unreadable(error, shown, what, inside=_link_on_the_way(root, parts))
    finally:
        if directory >= 0:
            os.close(directory)


def _link_on_the_way(root: Path, parts: Sequence[str]) -> str:
    """The first part of a path that is a symbolic link, for the message; empty where none is."""
    here = root
    for part in parts:
        here /= part
        try:
            if here.is_symlink():
                return here.relative_to(root).as_posix()
        except (OSError, ValueError):
            return ""
    return ""


def _read_outside(path: Path, limit: int, what: str) -> bytes:
    """A regular file outside the repository; links are followed, for its place is the administrator's."""
    try:
        return _read_all(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), limit, str(path))
    except (OSError, ValueError) as error:
        _unreadable(error, str(path), what)


def _read_all(descriptor: int, limit: int, shown: str) -> bytes:
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise PolicyError(f"{shown} is no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(limit + 1)
    finally:
        os.close(descriptor)
    _check_size(len(data), limit, shown)
    return data


def _check_size(size: int, limit: int, shown: str) -> None:
    if size > limit:
        raise PolicyError(f"{shown} has more than {limit} bytes", hint="a key file holds the keys of one person")


def _unreadable(error: OSError | ValueError, shown: str, what: str, *, inside: str = "") -> NoReturn:
    """Say what kept a file from being read."""
    if inside:
        raise PolicyError(
            f"{what} {shown} is reached through the symbolic link {inside}",
            hint="a policy inside a repository and its files are regular files, not links",
        ) from error
    missing = isinstance(error, FileNotFoundError | NotADirectoryError)
    if missing and what == "policy":
        raise PolicyMissing(f"no policy at {shown}", hint=_HINT_INIT) from error
    if missing:
        hint = "names are relative to the policy's directory; look for a misspelt one, or a file that was moved"
        if "AAAA" in shown:
            hint = "a key line that stands in the policy itself starts with its type, as in ssh-ed25519 AAAA..."
        raise PolicyError(f"no {what} {shown}", hint=hint) from error
    reason = error.strerror if isinstance(error, OSError) else str(error)
    raise PolicyError(f"{what} {shown} cannot be read: {(reason or 'unknown reason').lower()}") from error
