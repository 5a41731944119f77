"""git's configuration as the developer's own git reads it, and single files of it changed as a whole or not at all.

Reading keeps the caller's environment, `GIT_CONFIG_*` included: what counts is what the next `git commit` will see. Values are
changed by git itself, in a copy; the copy takes the file's place under git's own lock, so two writers never mix.
"""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from chainverify.errors import Unavailable, UsageError

Scope: TypeAlias = Literal["repository", "worktree", "global"]
"""Which file is changed: that of the repository, of one worktree (`extensions.worktreeConfig`), or of the user."""

SECONDS: Final = 30
"""How long one `git config` may take."""
FILE_BYTES_MAX: Final = 4 << 20
"""The largest configuration file that is changed."""


class Setting(NamedTuple):
    """One value that git sees: `scope` and `origin` (`file:/path`) as `git config --show-scope --show-origin` prints them."""

    name: str
    value: str
    scope: str
    origin: str


def effective(directory: Path) -> tuple[Setting, ...]:
    """All that git sees in `directory`, in order: of several values for one name the last one counts.

    Names are as git folds them (`user.signingkey`). A name without a value is `true`, as git reads it. Raises `UsageError` where
    git cannot read its configuration, and `Unavailable` without git.
    """
    fields = _text(_git(directory, "config", "--list", "-z", "--show-scope", "--show-origin")).split("\0")
    found = []
    for scope, origin, pair in zip(fields[0::3], fields[1::3], fields[2::3], strict=False):
        name, line_end, value = pair.partition("\n")
        found.append(Setting(name, value if line_end else "true", scope, origin))
    return tuple(found)


def last(settings: Iterable[Setting], name: str) -> Setting | None:
    """The value of `name` that counts, None where it is not set."""
    found = None
    for each in settings:
        if each.name == name:
            found = each
    return found


def value(settings: Iterable[Setting], name: str) -> str:
    """The value of `name` that counts, empty where it is not set."""
    found = last(settings, name)
    return found.value if found is not None else ""


def is_true(text: str) -> bool:
    """Whether git takes a value for true (git-config(1), Values)."""
    folded = text.casefold()
    return folded in {"true", "yes", "on"} or (folded.lstrip("+-").isdigit() and int(folded) != 0)


def version(directory: Path) -> tuple[int, ...]:
    """git's version, as far as it is numbers; empty where it says none."""
    words = _text(_git(directory, "version")).split()
    numbers = words[2].split(".") if len(words) > 2 else []
    return tuple(int(each) for each in numbers[:3] if each.isdigit())


def path_of(scope: Scope, directory: Path) -> Path:
    """The file that a scope is written to, as git itself chooses it. Raises `UsageError` where there is none."""
    if scope == "global":
        return _global(os.environ)
    if scope == "worktree":
        if not is_true(_text(_git(directory, "config", "--default", "false", "--get", "extensions.worktreeConfig")).strip()):
            raise UsageError(
                "this repository has no configuration of single worktrees",
                hint="leave --worktree out, or turn it on: git config extensions.worktreeConfig true",
            )
        return _git_path(directory, "--git-path", "config.worktree")
    return _git_path(directory, "--git-common-dir") / "config"


def read(path: Path) -> bytes | None:
    """The bytes of a configuration file, None where there is none. Raises `UsageError` for what is no readable file."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UsageError(f"{path} is no regular file, so nothing can be written to it")
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > FILE_BYTES_MAX:
        raise UsageError(f"{path} has more than {FILE_BYTES_MAX} bytes")
    return data


def everything(data: bytes) -> dict[str, tuple[str | None, ...]]:
    """All that the content of one file sets: the values of each name in order, None for a name without a value (which is true).

    What the file includes is not looked at. Raises `UsageError` where git cannot read it.
    """
    with _copy(data) as copy:
        return _values(copy)


def values(data: bytes, names: Iterable[str]) -> dict[str, tuple[str | None, ...]]:
    """The values of these names in the content of one file, () for what it does not set. Raises as `everything`."""
    found = everything(data)
    return {name: found.get(name, ()) for name in names}


def changed(data: bytes, wanted: Mapping[str, Sequence[str | None]], drop: str = "") -> bytes:
    """The content of a file with exactly these values for each name (none: not set), written by git.

    `drop` is a section that is removed. Raises `UsageError` where git cannot read the file.
    """
    with _copy(data) as copy:
        found = _values(copy)
        for name, new in wanted.items():
            if found.get(name, ()) == tuple(new):
                continue
            if not new:
                _git(copy.parent, "config", "--file", str(copy), "--unset-all", name)
                continue
            # in the place of the last old one, as git does it
            first, *more = ("true" if each is None else each for each in new)
            _git(copy.parent, "config", "--file", str(copy), "--replace-all", name, first)
            for each in more:
                _git(copy.parent, "config", "--file", str(copy), "--add", name, each)
        if drop and any(name.startswith(f"{drop}.") for name in found):
            _git(copy.parent, "config", "--file", str(copy), "--remove-section", drop)
        return copy.read_bytes()


def replace(path: Path, before: bytes | None, after: bytes | None) -> None:
    """Put new content in the place of what was read (`before`; None: no file), all of it or nothing; `after` None removes it.

    A symbolic link stays one: the file that it leads to is changed. Raises `UsageError` where the file has changed meanwhile,
    another git holds its lock, or it cannot be written.
    """
    # git follows the link too (lockfile.c), and its lock stands beside the file
    real = Path(os.path.realpath(path))
    lock = real.with_name(f"{real.name}.lock")
    try:
        mode = stat.S_IMODE(real.stat().st_mode) if before is not None else 0o666 & ~_umask()
        if before is None:
            real.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError as error:
        raise UsageError(f"another program is changing {real}", hint=f"wait for it, or remove {lock} where none is") from error
    except OSError as error:
        raise UsageError(f"cannot write {real}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            if read(real) != before:
                raise UsageError(f"{real} was changed meanwhile", hint="run the command again")
            file.write(after or b"")
            file.flush()
            os.fsync(file.fileno())
        lock.chmod(mode)
        if after is not None:
            lock.replace(real)
        else:
            real.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write {real}: {error.strerror}") from error
    finally:
        lock.unlink(missing_ok=True)


def _global(environ: Mapping[str, str]) -> Path:
    """Where `git config --global` writes (git-config(1), FILES): `GIT_CONFIG_GLOBAL`, `~/.gitconfig`, or that of XDG if only it
    is there."""
    named = environ.get("GIT_CONFIG_GLOBAL")
    if named is not None:
        if not named:
            raise UsageError("GIT_CONFIG_GLOBAL is empty, so git reads no configuration of yours", hint="unset it")
        return Path(named).expanduser().absolute()
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
    own = Path(home, ".gitconfig")
    if home in {"", "~"}:
        raise UsageError("there is no home directory to hold your configuration", hint="set HOME, or leave --global out")
    xdg = Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config")) / "git" / "config"
    return xdg if xdg.is_file() and not own.exists() else own


def _git_path(directory: Path, *asked: str) -> Path:
    """A path that `git rev-parse` prints, made absolute."""
    printed = _text(_git(directory, "rev-parse", *asked)).removesuffix("\n")
    return Path(os.path.normpath(directory.absolute() / printed))


@contextlib.contextmanager
def _copy(data: bytes) -> Iterator[Path]:
    """A private copy of a file's content that git may change."""
    with tempfile.TemporaryDirectory(prefix="chainverify-config-") as scratch:
        path = Path(scratch, "config")
        path.write_bytes(data)
        yield path


def _values(path: Path) -> dict[str, tuple[str | None, ...]]:
    """Everything that a file sets, by name."""
    found: dict[str, tuple[str | None, ...]] = {}
    for pair in _text(_git(path.parent, "config", "--file", str(path), "-z", "--list")).split("\0")[:-1]:
        name, line_end, value = pair.partition("\n")
        found[name] = (*found.get(name, ()), value if line_end else None)
    return found


def _git(directory: Path, *args: str) -> bytes:
    done = _run(directory, *args)
    if done.returncode:
        raise _failed(done.stderr)
    return done.stdout


def _run(directory: Path, *args: str) -> subprocess.CompletedProcess[bytes]:
    """Run git with the caller's own environment. Raises `Unavailable`."""
    command = ["git", *args]
    try:
        return subprocess.run(  # noqa: S603 - an argument list; names and values are arguments, never options
            command, cwd=directory, env={**os.environ, "LC_ALL": "C"}, stdin=subprocess.DEVNULL, capture_output=True,
            check=False, timeout=SECONDS,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise Unavailable("the program git was not found", hint="install git 2.31 or newer and put it on PATH") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"git did not run to its end: {error}") from error


def _failed(stderr: bytes) -> UsageError:
    lines = [line for line in stderr.decode("utf-8", "backslashreplace").split("\n") if line.strip()]
    return UsageError(f"git cannot use its configuration: {(lines[-1] if lines else 'no reason given')[:300]}")


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
