"""Hook files: put in place beside what is there, recognised by what they say and a digest of it, removed only if unchanged.

A hook calls this very interpreter by its absolute path: a shim or `env python3` costs more than the check, and would find another
Python under another user. `-I` keeps the environment's `PYTHONPATH` and the user's site out; `-S`, for the local hook, saves the
reading of `.pth` files, which it does not need. Whatever goes wrong before chainverify can speak blocks the commit or push.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import chainverify
from chainverify.errors import PolicyError, PolicyMissing, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import policies, validate
from chainverify.jobs.policies import LoadedPolicy

HOOKS: Final = ("commit-msg",)
"""Local hooks that can be installed."""
SERVER_HOOK: Final = "pre-receive"
POLICY_VARIABLE: Final = "CHAINVERIFY_POLICY"
"""Names the server's own policy file in the hook's environment."""
MARKER: Final = "# chainverify hook, sha256:"
_POLICY: Final = re.compile(rf'^os\.environ\["{POLICY_VARIABLE}"\] = "([^"\n]*)"$', re.MULTILINE)
SHEBANG_MAX: Final = 127
"""Bytes of a first line that every kernel in use reads whole (Linux before 5.1: 127)."""
HOOK_BYTES_MAX: Final = 1 << 20


class Installed(NamedTuple):
    """A hook file: `path`, and whether it was `changed` (written or removed) or already so."""

    path: Path
    changed: bool


def install(repo: Repository, hooks: Sequence[str] = HOOKS, *, python: str = sys.executable) -> tuple[Installed, ...]:
    """Put the local `hooks` where git looks for them; `python` is the interpreter they call.

    Raises `UsageError` for an unknown hook, where another program's hook is in the place (with the line to add to it), or
    where `core.hooksPath` leads out of the repository or nowhere.
    """
    unknown = [name for name in hooks if name not in HOOKS]
    if unknown:
        raise UsageError(f"no such hook: {unknown[0]!r}, expected {', '.join(HOOKS)}")
    directory = hooks_directory(repo)
    planned = [(directory / name, script(name, python=python)) for name in hooks]
    for path, _ in planned:
        _check_free(path, f"add this line to it, or to its manager: {_line(path.name, python)}")
    return tuple(_write(path, text) for path, text in planned)


def uninstall(repo: Repository, hooks: Sequence[str] = HOOKS) -> tuple[Installed, ...]:
    """Remove the local `hooks` that are ours and unchanged; what is not there, or not ours, is left and not an error.

    Raises `UsageError` for a hook of ours that somebody changed.
    """
    directory = hooks_directory(repo)
    return tuple(_remove(directory / name) for name in hooks)


def install_server(
    bare_dir: Path, policy: Path | None = None, *, allow_unconfigured: bool = False, python: str = sys.executable
) -> Installed:
    """Put the pre-receive hook into a bare repository; in `pre-receive.d` where a forge keeps one.

    `policy` is the server's policy file, which then wins over any in the repository; it is read with all its keys before
    anything is written. Raises `UsageError` where `bare_dir` is not bare, the policy is not there, or another program's hook is
    in the place, and `PolicyError` for a policy under which the hook would refuse every push.
    """
    repo = _bare(bare_dir)
    environment: dict[str, str] = {}
    if policy is not None:
        policy = _absolute(policy)
        if not policy.is_file():
            raise UsageError(f"no such policy file: {policy}", hint="write it first, or leave --policy out")
        _usable(policies.from_file(policy, worktree=None, server=True))
        environment[POLICY_VARIABLE] = str(policy)
    directory = hooks_directory(repo)
    chained = directory / f"{SERVER_HOOK}.d"
    path = chained / "chainverify" if chained.is_dir() else directory / SERVER_HOOK
    arguments = ("--allow-unconfigured",) if allow_unconfigured else ()
    text = script(SERVER_HOOK, python=python, arguments=arguments, environment=environment)
    line = _line(SERVER_HOOK, python, arguments, environment)
    _check_free(path, f"add this line to it, before anything there reads standard input: {line}")
    if policy is None:
        _keeps_policy(path)
    return _write(path, text)


class Unready(NamedTuple):
    """Why a server has no policy that its hook could take, and what to do; `broken`: there is one, and it cannot be used."""

    what: str
    hint: str
    broken: bool = False


def unready(bare_dir: Path) -> Unready | None:
    """Why a bare repository has no policy of its own that the hook could take, and what to do; None where it has one.

    Without a server's own file the hook takes the policy at the tip of the branch that HEAD names.
    """
    repo = _bare(bare_dir)
    git = f"git -C {shlex.quote(str(bare_dir))}"
    branch = repo.head_ref()
    branches = dict(repo.refs("refs/heads"))
    if branch is None or (branch not in branches and branches):
        likely = next((name for name in ("refs/heads/main", "refs/heads/master") if name in branches), min(branches, default=""))
        what = f"HEAD names {branch}, which does not exist" if branch else "HEAD names no branch"
        return Unready(
            f"{what}, so no policy can be found at the tip of the default branch",
            f"name the default branch: {git} symbolic-ref HEAD {shlex.quote(likely or 'refs/heads/main')}",
        )
    remedy = (
        f"take the hook out (chainverify uninstall --server {shlex.quote(str(bare_dir))}), push a commit with "
        f"{policies.POLICY_NAME} to {branch}, and install again; or name the server's own file: --policy FILE"
    )
    if branch not in branches:
        return Unready(f"the repository has no commits yet, so it has no policy at the tip of {branch}", remedy)
    try:
        _usable(policies.from_revision(repo, branch))
    except PolicyMissing:
        return Unready(f"no {policies.POLICY_NAME} at the tip of {branch}", remedy)
    except PolicyError as error:
        hint = f"{error.hint or 'mend it'}; {remedy}"
        return Unready(f"the policy at the tip of {branch} cannot be used: {error}", hint, broken=True)
    return None


def uninstall_server(bare_dir: Path) -> tuple[Installed, ...]:
    """Remove our pre-receive hook from a bare repository, wherever `install_server` put it. Raises as `uninstall` does."""
    directory = hooks_directory(Repository.discover(bare_dir))
    plain, chained = directory / SERVER_HOOK, directory / f"{SERVER_HOOK}.d" / "chainverify"
    done = (_remove(plain), _remove(chained))
    # what is not there is told once, and only of the place where it would be
    return tuple(each for each in done if each.changed) or (done[chained.parent.is_dir()],)


def _bare(directory: Path) -> Repository:
    repo = Repository.discover(directory)
    if not repo.bare:
        raise UsageError(f"not a bare repository: {directory}", hint="name the repository that people push to")
    return repo


def _absolute(path: Path) -> Path:
    """A path that means the same from everywhere. `..` goes out of what a link names, so a path with it is resolved."""
    if ".." in path.parts:
        return Path(os.path.realpath(path.parent)) / path.name if path.name != ".." else Path(os.path.realpath(path))
    return path.absolute()


def _usable(loaded: LoadedPolicy) -> None:
    """Raise `PolicyError` where the hook would refuse every push under this policy."""
    validate.refuse_observed(loaded)
    validate.validate(loaded)


def _keeps_policy(path: Path) -> None:
    """Raise `UsageError` where the hook of ours that is there names the server's own policy, which it would silently lose."""
    found = _POLICY.search(_read(path) or "")
    if found is not None:
        named = re.sub(r"\\U([0-9a-f]{8})", lambda escape: chr(int(escape[1], 16)), found[1])
        raise UsageError(
            f"the hook there takes its policy from {named}, and would lose it",
            hint="name it again with --policy; or, to take the policy of the default branch instead, uninstall the hook first",
        )


def _line(name: str, python: str, arguments: Sequence[str] = (), environment: dict[str, str] | None = None) -> str:
    """The line that calls a hook of ours from another program's shell script."""
    variables = [f"{key}={shlex.quote(value)}" for key, value in (environment or {}).items()]
    given = ['"$@"'] if name in HOOKS else [shlex.quote(argument) for argument in arguments]
    return " ".join((*variables, shlex.quote(python), "-I", "-m", "chainverify", "hook", name, *given, "|| exit $?"))


def hooks_directory(repo: Repository) -> Path:
    """Where git looks for this repository's hooks (githooks(5)): `core.hooksPath`, else the common directory's `hooks`.

    Raises `UsageError` where `core.hooksPath` is empty, which git reads as the working directory, or lies outside the repository,
    where a hook would act on every repository that shares it.
    """
    configured = repo.config("core.hooksPath")
    if configured == "":
        raise UsageError(
            "core.hooksPath is set to nothing, so git looks for hooks in whatever directory it is in",
            hint="remove it: git config --unset core.hooksPath",
        )
    answer = repo.run("rev-parse", "--git-path", "hooks").removesuffix(b"\n")
    directory = Path(os.path.normpath(repo.directory / os.fsdecode(answer)))
    roots = [repo.git_dir, repo.common_dir, *([repo.worktree] if repo.worktree else [])]
    if configured is not None and not any(directory.is_relative_to(os.path.normpath(root)) for root in roots):
        raise UsageError(
            f"core.hooksPath is {configured}, which other repositories may share",
            hint='call it from the hook there: chainverify hook commit-msg "$1"',
        )
    return directory


def script(name: str, *, python: str, arguments: Sequence[str] = (), environment: dict[str, str] | None = None) -> str:
    """The text of a hook file: Python under an absolute interpreter, or a POSIX shell that starts it.

    The shell is there for interpreters whose path a first line cannot hold: with blanks, or too long. The second line is
    the marker with the digest of all other lines.
    """
    flags = "-IS" if name in HOOKS else "-I"
    # str(), for Python's -c gets it inside single quotes: no quote may be in the text, repr() of a path may choose one
    site = _literal(str(Path(chainverify.__file__).parent.parent))
    variables = "".join(f"os.environ[{_literal(key)}] = {_literal(value)}\n" for key, value in (environment or {}).items())
    extra = "".join(f"{_literal(argument)}, " for argument in arguments)
    what = "commit" if name in HOOKS else "push"
    body = (
        "import os\nimport sys\n"
        "try:\n"
        f"    sys.path.append({site})\n"
        "    from chainverify._entry import hook\n"
        "except BaseException as error:\n"
        f'    sys.stderr.write("chainverify: cannot be started, so this {what} is refused: " + repr(error)[:200] + "\\n"\n'
        f'                     "  install chainverify for " + sys.executable + " again, or run: chainverify install\\n")\n'
        "    sys.exit(3)\n"
        f"{variables}"
        f'sys.exit(hook("{name}", [{extra}*sys.argv[1:]]))\n'
    )
    shebang = f"#!{python} {flags}"
    if len(os.fsencode(shebang)) <= SHEBANG_MAX and not any(c.isspace() for c in python) and python.startswith("/"):
        return _marked(shebang, body)
    quoted = "'" + python.replace("'", "'\\''") + "'"
    return _marked(
        "#!/bin/sh",
        f"python={quoted}\n"
        'if [ ! -x "$python" ]; then\n'
        f'    echo "chainverify: $python is not there, so this {what} is refused; run: chainverify install" >&2\n'
        "    exit 3\n"
        "fi\n"
        f"exec \"$python\" {flags} -c '\n{body}' \"$@\"\n",
    )


def ours(text: str) -> bool | None:
    """Whether a hook file is one that `script` wrote and nobody changed; None where it is not ours at all."""
    first, _, rest = text.partition("\n")
    marker, _, body = rest.partition("\n")
    if not marker.startswith(MARKER):
        return None
    return text == _marked(first, body)


def _marked(first: str, body: str) -> str:
    digest = hashlib.sha256(f"{first}\n{body}".encode("utf-8", "surrogateescape")).hexdigest()
    return f"{first}\n{MARKER}{digest}\n{body}"


def _literal(text: str) -> str:
    """A Python string literal in double quotes, in ASCII and without single quotes, so that a shell can quote it too."""
    return '"' + "".join(c if c.isascii() and (c.isalnum() or c in " /._-+=:@,~") else _escaped(c) for c in text) + '"'


def _escaped(c: str) -> str:
    return f"\\U{ord(c):08x}"


def _read(path: Path) -> str | None:
    """The text of a hook file, None where nothing is there. Raises `UsageError` for what is no regular file of text."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot look at the hook {path}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode) or found.st_size > HOOK_BYTES_MAX:
        return ""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise UsageError(f"cannot read the hook {path}: {error.strerror}") from error


def _check_free(path: Path, hint: str) -> None:
    text = _read(path)
    if text is None or ours(text):
        return
    if ours(text) is False:
        raise UsageError(
            f"the hook {path} is chainverify's, but somebody changed it", hint="keep the change elsewhere and remove the file"
        )
    raise UsageError(f"there is already another hook: {path}", hint=hint)


def _write(path: Path, text: str) -> Installed:
    """Replace the file as a whole; a half-written hook would be run."""
    if _read(path) == text and os.access(path, os.X_OK):
        return Installed(path, changed=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".chainverify-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
            Path(temporary).chmod(0o755)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write the hook {path}: {error.strerror}") from error
    return Installed(path, changed=True)


def _remove(path: Path) -> Installed:
    text = _read(path)
    state = None if text is None else ours(text)
    if state is None:
        return Installed(path, changed=False)
    if state is False:
        raise UsageError(f"the hook {path} was changed after it was installed", hint="look at it and remove it yourself")
    try:
        path.unlink()
    except OSError as error:
        raise UsageError(f"cannot remove the hook {path}: {error.strerror}") from error
    return Installed(path, changed=True)
