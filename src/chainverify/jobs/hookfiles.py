"""Hook files: their text, recognised by what they say and a digest of it, written whole, removed only if unchanged.

A hook calls this very interpreter by its absolute path: a shim or `env python3` costs more than the check, and would find
another Python under another user. `-I` keeps the environment's `PYTHONPATH` and the user's site out; `-S`, for hooks that judge a
message, saves the reading of `.pth` files, which they do not need. Whatever goes wrong before chainverify can speak blocks the
commit or push.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import chainverify
from chainverify.errors import UsageError
from chainverify.model.hooks import LOCAL

MARKER: Final = "# chainverify hook, sha256:"
FAST: Final = ("commit-msg", "prepare-commit-msg", "applypatch-msg")
"""Hooks that need nothing but the standard library, and are met on every commit."""
SHEBANG_MAX: Final = 127
"""Bytes of a first line that every kernel in use reads whole (Linux before 5.1: 127)."""
HOOK_BYTES_MAX: Final = 1 << 20


class Installed(NamedTuple):
    """A hook file: `path`, and whether it was `changed` (written or removed) or already so."""

    path: Path
    changed: bool


class Change(NamedTuple):
    """One file before and after (None: not there). `executable`: it must be one; `mode`: what it has now.

    `settings`: a configuration file of git's, which is written under git's lock.
    """

    path: Path
    before: str | None
    after: str | None
    executable: bool = False
    mode: int | None = None
    settings: bool = False

    @property
    def changed(self) -> bool:
        """Whether there is anything to do."""
        return self.before != self.after or (self.executable and self.mode is not None and not self.mode & 0o100)


def script(name: str, *, python: str, arguments: Sequence[str] = (), environment: dict[str, str] | None = None) -> str:
    """The text of a hook file: Python under an absolute interpreter, or a POSIX shell that starts it.

    The shell is there for interpreters whose path a first line cannot hold: with blanks, or too long. The second line is
    the marker with the digest of all other lines.
    """
    flags = _flags(name)
    # str(), for Python's -c gets it inside single quotes: no quote may be in the text, repr() of a path may choose one
    site = _literal(str(Path(chainverify.__file__).parent.parent))
    variables = "".join(f"os.environ[{_literal(key)}] = {_literal(value)}\n" for key, value in (environment or {}).items())
    extra = "".join(f"{_literal(argument)}, " for argument in arguments)
    what = refused(name)
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
        return marked(shebang, body)
    quoted = "'" + python.replace("'", "'\\''") + "'"
    return marked(
        "#!/bin/sh",
        f"python={quoted}\n"
        'if [ ! -x "$python" ]; then\n'
        f'    echo "chainverify: $python is not there, so this {what} is refused; run: chainverify install" >&2\n'
        "    exit 3\n"
        "fi\n"
        f"exec \"$python\" {flags} -c '\n{body}' \"$@\"\n",
    )


def call(name: str, python: str) -> str:
    """A line of POSIX shell that becomes the hook; arguments may follow it. For places that are this user's own.

    It names the interpreter and the package by their full paths, and refuses where one of them is gone.
    """
    main = str(Path(chainverify.__file__).with_name("__main__.py"))
    quoted = shlex.quote(python)
    gone = f"chainverify: {python} or its chainverify is gone, so this {refused(name)} is refused; run: chainverify install"
    return (
        f"[ -x {quoted} ] && [ -f {shlex.quote(main)} ] || {{ echo {shlex.quote(gone)} >&2; exit 3; }}; "
        f"exec {quoted} {_flags(name)} {shlex.quote(main)} hook {name}"
    )


def line(name: str, python: str, arguments: Sequence[str] = (), environment: dict[str, str] | None = None) -> str:
    """The line that calls a hook of ours from another program's shell script."""
    variables = [f"{key}={shlex.quote(value)}" for key, value in (environment or {}).items()]
    given = ['"$@"'] if name in LOCAL else [shlex.quote(argument) for argument in arguments]
    return " ".join((*variables, shlex.quote(python), "-I", "-m", "chainverify", "hook", name, *given, "|| exit $?"))


def refused(name: str) -> str:
    """What a failing hook keeps from happening, in one word."""
    return "push" if name in ("pre-push", "pre-receive") else "commit"


def _flags(name: str) -> str:
    return "-IS" if name in FAST else "-I"


def ours(text: str) -> bool | None:
    """Whether a hook file is one that `script` wrote and nobody changed; None where it is not ours at all."""
    first, _, rest = text.partition("\n")
    marker, _, body = rest.partition("\n")
    if not marker.startswith(MARKER):
        return None
    return text == marked(first, body)


def marked(first: str, body: str) -> str:
    """A text of ours: its first line, the marker with the digest of all other lines, and those."""
    rest = digest(f"{first}\n{body}")
    return f"{first}\n{MARKER}{rest}\n{body}"


def digest(text: str) -> str:
    """What a marker of ours says of the text that it stands for."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _literal(text: str) -> str:
    """A Python string literal in double quotes, in ASCII and without single quotes, so that a shell can quote it too."""
    return '"' + "".join(c if c.isascii() and (c.isalnum() or c in " /._-+=:@,~") else _escaped(c) for c in text) + '"'


def _escaped(c: str) -> str:
    return f"\\U{ord(c):08x}"


def read(path: Path) -> str | None:
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


def read_shared(path: Path) -> str | None:
    """The text of a script that holds lines of others too, None where nothing is there.

    Raises `UsageError` for a symbolic link, for what is no file, and for more than a script is long: what is not read as a whole
    is not written again.
    """
    text = read(path)
    if text == "" and (path.is_symlink() or not path.is_file() or path.stat().st_size):
        raise UsageError(f"{path} is no regular file of at most {HOOK_BYTES_MAX} bytes", hint="look at it: nothing was changed")
    return text


def is_ours(path: Path) -> bool:
    """Whether a file is one of ours, unchanged. Raises `UsageError` where it was one and somebody changed it."""
    text = read(path)
    state = None if text is None else ours(text)
    if state is False:
        raise changed(path)
    return state is True


def changed(path: Path) -> UsageError:
    """The error for a file of ours that somebody changed."""
    return UsageError(f"{path} is chainverify's, but somebody changed it", hint="keep the change elsewhere and remove the file")


def check_free(path: Path, hint: str) -> None:
    """Raise `UsageError` with a hint where another program's file is there, or one of ours that somebody changed."""
    if not is_ours(path) and read(path) is not None:
        raise UsageError(f"there is already another hook: {path}", hint=hint)


def carry_out(change: Change) -> Installed:
    """Write or remove one file as a whole; a half-written hook would be run.

    A file that was there keeps its mode, and is executable where it must be. Raises `UsageError` where it changed meanwhile.
    """
    path, after = change.path, change.after
    if read(path) != change.before:
        raise UsageError(f"{path} was changed meanwhile", hint="run the command again")
    try:
        if after is None:
            path.unlink()
            return Installed(path, changed=True)
        mode = stat.S_IMODE(path.stat().st_mode) if change.before is not None else 0o644
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=".chainverify-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(after.encode("utf-8", "surrogateescape"))
            Path(temporary).chmod(0o755 if change.executable else mode)
            Path(temporary).replace(path)
        except OSError:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    return Installed(path, changed=True)


def write(path: Path, text: str) -> Installed:
    """Put a hook file in place."""
    before = read(path)
    if before == text and os.access(path, os.X_OK):
        return Installed(path, changed=False)
    return carry_out(Change(path, before, text, executable=True))


def remove(path: Path) -> Installed:
    """Remove a hook file of ours; one of others stays."""
    return carry_out(Change(path, read(path), None)) if is_ours(path) else Installed(path, changed=False)
