"""A repository and the one way in which git is run on it: plumbing only, never a shell, with a scrubbed environment.

What a caller's environment or a repository's caches could change about the history is switched off: replacements, grafts,
the commit-graph, injected configuration, lazy fetching. What a receiving git tells its hooks about where new objects lie
(the quarantine) is kept. System and user configuration are still read, for `safe.directory` stands there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from chainverify.errors import BudgetExceeded, ObjectMissing, Unavailable, UsageError

Algorithm: TypeAlias = Literal["sha1", "sha256"]

RUN_SECONDS: Final = 600.0
"""The longest that one git command may take; walking the history of a large kernel tree takes about ten seconds."""
MAX_ALTERNATES: Final = 64
"""The most object directories that are followed from `objects/info/alternates`; git itself goes five levels deep."""

_KEPT: Final = frozenset(("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"))
_FINDING: Final = frozenset(("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_CEILING_DIRECTORIES"))
_FIXED: Final = {
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_GRAFT_FILE": os.devnull,
    # two names for one wish: git before 2.44 knows only that no transport is allowed
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "LC_ALL": "C",
}
_OPTIONS: Final = (
    "--no-replace-objects", "-c", "core.commitGraph=false", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false",
)
_WARNING: Final = ("-c", "core.warnAmbiguousRefs=true")
_several_refs: Final = re.compile(rb"^warning: refname '(.*)' is ambiguous\.$", re.MULTILINE).findall
_RANKS: Final = ("", "refs/", "refs/tags/", "refs/heads/", "refs/remotes/")
"""Where git looks for a ref, in this order (gitrevisions(7)); last of all is the HEAD of a remote."""
_WIDTH: Final = {"sha1": 40, "sha256": 64}
_is_hex: Final = re.compile("[0-9a-f]+").fullmatch
_HINT_GIT: Final = "install git 2.31 or newer and put it on PATH"


class Repository:
    """A repository on disk: `git_dir` and `worktree` are absolute, `worktree` is None in a bare one.

    `common_dir` is where a linked worktree shares objects and refs with the others (else equal to `git_dir`).
    """

    def __init__(
        self,
        git_dir: Path,
        worktree: Path | None,
        algorithm: Algorithm,
        environ: Mapping[str, str],
        *,
        bare: bool,
        common_dir: Path | None = None,
    ) -> None:
        self.git_dir = git_dir
        self.worktree = worktree
        self.algorithm: Algorithm = algorithm
        self.bare = bare
        self.common_dir = common_dir or git_dir
        self._environ = dict(environ)

    @classmethod
    def discover(cls, directory: Path, environ: Mapping[str, str] | None = None) -> Repository:
        """The repository that git finds from `directory`; `environ` is the caller's environment (default: the process's).

        Raises `UsageError` where there is none, or git refuses it because another user owns it, and `Unavailable`
        without git.
        """
        given = os.environ if environ is None else environ
        scrubbed = _scrub(given, directory)
        finding = {**scrubbed, **{name: given[name] for name in _FINDING if name in given}}
        if not directory.is_dir():
            raise UsageError(f"no such directory: {directory}", hint="give a repository's directory with -C")
        asked = ("--is-bare-repository", "--show-object-format", "--is-inside-work-tree", "--absolute-git-dir")
        lines = _rev_parse(directory, finding, *asked).split("\n", 3)
        if len(lines) != 4 or lines[1] not in _WIDTH:
            raise UsageError(f"git says {lines[1:2]} is the object format of {directory}, expected sha1 or sha256")
        git_dir = Path(lines[3])
        worktree = Path(_rev_parse(directory, finding, "--show-toplevel")) if lines[2] == "true" else None
        algorithm: Algorithm = "sha256" if lines[1] == "sha256" else "sha1"
        return cls(
            git_dir, worktree, algorithm, scrubbed, bare=lines[0] == "true", common_dir=_common_dir(git_dir, given, directory)
        )

    def environment(self) -> dict[str, str]:
        """The environment that git is run with here: the caller's without its `GIT_*`, but with its quarantine."""
        return dict(self._environ)

    def before_push(self) -> Repository:
        """This repository without the quarantine of the push that is being judged: only what it held before."""
        environ = {name: value for name, value in self._environ.items() if name not in _KEPT}
        return Repository(
            self.git_dir, self.worktree, self.algorithm, environ, bare=self.bare, common_dir=self.common_dir
        )

    def with_index(self, path: Path) -> Repository:
        """This repository with the index file at `path`, for commands that read or write one."""
        environ = {**self._environ, "GIT_INDEX_FILE": str(path)}
        return Repository(self.git_dir, self.worktree, self.algorithm, environ, bare=self.bare, common_dir=self.common_dir)

    @property
    def command(self) -> tuple[str, ...]:
        """The start of every git command on this repository."""
        return ("git", *_OPTIONS, f"--git-dir={self.git_dir}")

    @property
    def directory(self) -> Path:
        """Where git is run: with an explicit git directory it takes its working directory as the top of the worktree."""
        return self.worktree or self.git_dir

    def run(self, *args: str, stdin: bytes = b"") -> bytes:
        """What `git ARGS` prints. Raises `UsageError` where git fails, with its last words, and `Unavailable` without git."""
        done = self._run(*args, stdin=stdin)
        if done.returncode:
            raise _failed(args[0], done.stderr, self.git_dir)
        return done.stdout

    def resolve(self, revision: str) -> str:
        """The id of the object that `revision` names, not peeled; a leading dash is part of the name.

        Raises `UsageError` where there is no such name, or it stands for several objects or refs, and `ObjectMissing` where it
        stands for one that is not here: what cannot be looked at is not a mistake of the command.
        """
        # asked on standard input, where nothing is read as an option
        if not revision or any(character in revision for character in "\n\r\0"):
            raise UsageError(f"not a revision: {revision!r}")
        line = revision.encode("utf-8", "surrogateescape") + b"\n"
        done = self._run(*_WARNING, "cat-file", "--batch-check=%(objectname)", stdin=line)
        if done.returncode:
            raise _failed("cat-file", done.stderr, self.git_dir)
        self._refuse_several(done.stderr)
        answer = done.stdout.decode("utf-8", "replace").strip()
        if self.is_oid(answer):
            return answer
        if answer.endswith(" ambiguous"):
            raise UsageError(f"revision {revision!r} is the start of several object ids", hint="give more of its digits")
        name = revision.removesuffix("^{commit}")
        named = self._run("rev-parse", "--verify", "-q", "--end-of-options", name).stdout.decode("utf-8", "replace").strip()
        # a full id that is not here may be a mistake; a ref that holds one is not
        if self.is_oid(named) and named != name and not self.present((named,)):
            raise ObjectMissing(f"{revision} is {named}, which is not in the repository", hint="fetch it, or run git fsck")
        raise UsageError(
            f"no revision {revision!r} in {self.git_dir}", hint="look at `git log --all`; a shallow clone may need git fetch"
        )

    def _refuse_several(self, stderr: bytes) -> None:
        """Raises `UsageError` where git took one of several refs by rank, or a ref that is called like the start of an object id.

        git takes the tag where a branch has the same name: whoever may write tags would choose what is judged, and by which
        policy. A full name is one ref, whatever others are called (gitrevisions(7), rule 1).
        """
        for found in _several_refs(stderr):
            name = found.decode("utf-8", "backslashreplace")
            full = frozenset(rule + name for rule in _RANKS) | {f"refs/remotes/{name}/HEAD"}
            refs = [ref for ref, _ in self.refs(*full) if ref in full]
            if name != "HEAD" and name not in refs:
                also = " or the start of an object id" if len(refs) == 1 else ""
                raise UsageError(f"{name!r} may be {' or '.join(refs)}{also}", hint="give the full name, or the whole id")

    def present(self, oids: Iterable[str]) -> frozenset[str]:
        """Which of these objects, by their full ids, are here."""
        asked = frozenset(oids)
        answer = self.run("cat-file", "--batch-check=%(objectname)", stdin="".join(f"{oid}\n" for oid in asked).encode())
        return asked & frozenset(answer.decode("ascii", "replace").split("\n"))

    def is_ancestor(self, ancestor: str, *descendants: str) -> bool:
        """Whether a commit is in the history of one of the others, or is one; all are full ids of commits (or of their tags).

        Right whatever the commits' dates are, unlike `rev-list A ^B`, whose walk ends by dates: merge-base goes on until
        nothing is left that could still tell. Raises `UsageError` where one is no id of a commit here or where history
        cannot be read on the way, and `Unavailable` without git.
        """
        for oid in (ancestor, *descendants):
            if not self.is_oid(oid):
                raise UsageError(f"not a full object id: {oid!r}")
        alone = len(descendants) == 1
        done = self._run("merge-base", *(("--is-ancestor",) if alone else ()), ancestor, *descendants)
        if (done.returncode == 0) if alone else (done.stdout.decode("ascii", "replace").strip() == ancestor):
            return True
        # git before 2.45 answers "no" where it could not read a commit, and only says so
        if done.returncode not in {0, 1} or has_error(done.stderr):
            raise _failed("merge-base", done.stderr, self.git_dir)
        return False

    def is_oid(self, text: str) -> bool:
        """Whether `text` has the form of a full object id of this repository."""
        return len(text) == _WIDTH[self.algorithm] and _is_hex(text) is not None

    @property
    def zero(self) -> str:
        """The id that stands for "no object" in ref updates."""
        return "0" * _WIDTH[self.algorithm]

    def refs(self, *prefixes: str) -> tuple[tuple[str, str], ...]:
        """Full names and object ids of all refs, or of those under `prefixes` (`refs/tags`, or a full name), sorted.

        Bytes of a name that are not UTF-8 are shown as `\\xNN`, which no other name is: none holds a backslash.
        Raises `Unavailable` where a ref cannot be read: leaving it out would leave its history unjudged.
        """
        args = ("for-each-ref", "--format=%(objectname) %(refname)", "--", *prefixes)
        done = self._run(*args)
        if done.returncode:
            raise _failed("for-each-ref", done.stderr, self.git_dir)
        if b"broken ref" in done.stderr:
            raise Unavailable(f"a ref of {self.git_dir} cannot be read: {_last_line(done.stderr)}", hint="run git fsck")
        found = []
        for line in done.stdout.decode("utf-8", "backslashreplace").split("\n"):
            oid, space, name = line.partition(" ")
            if space:
                found.append((name, oid))
        return tuple(found)

    def head_ref(self) -> str | None:
        """The full name of the branch that HEAD is (which may not exist yet), None where HEAD is detached."""
        done = self._run("symbolic-ref", "-q", "HEAD")
        return done.stdout.decode("utf-8", "backslashreplace").strip() or None

    def config(self, name: str) -> str | None:
        """The value of a configuration variable as git sees it, None where it is not set."""
        done = self._run("config", "--get", name)
        if done.returncode > 1:
            raise _failed("config", done.stderr, self.git_dir)
        return done.stdout.decode("utf-8", "backslashreplace").removesuffix("\n") if done.returncode == 0 else None

    def incomplete(self) -> str | None:
        """Why history here may be cut, for people; None where nothing says that it is.

        A shallow clone, grafts, a partial clone, or an alternate object directory that is gone.
        """
        if _holds_text(self.common_dir / "shallow"):
            return "this is a shallow clone"
        if _holds_text(self.common_dir / "info" / "grafts"):
            return "info/grafts changes the parents of commits"
        promised = self._run("config", "--get-regexp", r"^(extensions\.partialclone|remote\..*\.promisor)$").stdout
        if any(line.split(" ", 1)[-1] != "false" for line in promised.decode("utf-8", "replace").split("\n") if line):
            return "this is a partial clone, whose missing objects are not fetched"
        return self._lost_alternate()

    def object_directories(self) -> tuple[Path, ...]:
        """Where this repository's objects lie: its own, the quarantine and what a caller's environment adds; what these borrow
        from in turn stands in their `info/alternates`."""
        given = self._environ.get("GIT_ALTERNATE_OBJECT_DIRECTORIES", "")
        own = (Path(self._environ.get("GIT_OBJECT_DIRECTORY") or self.common_dir / "objects"), self.common_dir / "objects")
        added = (Path(part) for part in given.split(os.pathsep) if part and not part.startswith('"'))
        return tuple(dict.fromkeys((*own, *added)))

    def _lost_alternate(self) -> str | None:
        """The first object directory that this repository borrows from and that is not there."""
        waiting = list(self.object_directories())
        seen: set[Path] = set()
        while waiting and len(seen) < MAX_ALTERNATES:
            objects = waiting.pop()
            if objects in seen:
                continue
            seen.add(objects)
            if not objects.is_dir():
                return f"the object directory {objects} that it borrows from is not there"
            try:
                listed = (objects / "info" / "alternates").read_bytes()
            except FileNotFoundError:
                continue
            except OSError:
                return f"the alternates of {objects} cannot be read"
            lines = (os.fsdecode(line) for line in listed.split(b"\n") if line and line[:1] not in b'#"')
            waiting += [objects / line for line in lines]
        return None

    def _run(self, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return _execute([*self.command, *args], self.directory, self._environ, stdin)


def _execute(
    command: list[str], directory: Path, environ: Mapping[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """Run git. Raises `Unavailable` where there is none, `BudgetExceeded` after `RUN_SECONDS`."""
    try:
        return subprocess.run(  # noqa: S603 - an argument list made here; revisions go over standard input
            command, cwd=directory, env=dict(environ), input=stdin, capture_output=True, check=False, timeout=RUN_SECONDS
        )
    except FileNotFoundError as error:
        raise Unavailable("the program git was not found", hint=_HINT_GIT) from error
    except subprocess.TimeoutExpired as error:
        raise BudgetExceeded(f"git took longer than {RUN_SECONDS:.0f} seconds") from error
    except OSError as error:
        raise Unavailable(f"git cannot be run in {directory}: {error.strerror}", hint=_HINT_GIT) from error


def _rev_parse(directory: Path, environ: Mapping[str, str], *args: str) -> str:
    done = _execute(["git", *_OPTIONS, "rev-parse", *args], directory, environ)
    if done.returncode:
        raise _failed("rev-parse", done.stderr, directory)
    return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def _scrub(given: Mapping[str, str], directory: Path) -> dict[str, str]:
    """The environment for git: see the module's text. Paths that are relative to the caller's directory become absolute."""
    kept = {name: value for name, value in given.items() if not name.startswith("GIT_") or name in _KEPT}
    base = directory.absolute()
    for name in _KEPT & kept.keys():
        parts = kept[name].split(os.pathsep)
        # a part that starts with a quote is escaped by git and absolute already
        kept[name] = os.pathsep.join(part if not part or part[0] == '"' else str(base / part) for part in parts)
    return {**kept, **_FIXED}


def _common_dir(git_dir: Path, given: Mapping[str, str], directory: Path) -> Path:
    """Where the worktrees of a repository share their objects: gitrepository-layout(5), `commondir`."""
    if given.get("GIT_COMMON_DIR"):
        return directory.absolute() / given["GIT_COMMON_DIR"]
    try:
        return Path(os.path.normpath(git_dir / (git_dir / "commondir").read_text().strip()))
    except OSError:
        return git_dir


def _holds_text(path: Path) -> bool:
    """Whether a file has content, or is there and cannot be read (which must not pass for absent)."""
    try:
        return bool(path.read_bytes().strip())
    except FileNotFoundError:
        return False
    except OSError:
        return True


def _failed(verb: str, stderr: bytes, where: Path) -> UsageError:
    """The error for a git command that failed, with a remedy for what people meet."""
    words = _last_line(stderr)
    if b"dubious ownership" in stderr:
        return UsageError(
            f"git does not trust {where}, which another user owns",
            hint=f"run as its owner, or allow it: git config --global --add safe.directory {where}",
        )
    if b"not a git repository" in stderr:
        return UsageError(f"not a git repository: {where}", hint="run inside a repository, or give one with -C")
    return UsageError(f"git {verb} failed in {where}: {words or 'no reason given'}")


def has_error(stderr: bytes) -> bool:
    """Whether git reported an error, and not only a warning."""
    return any(line.startswith((b"error:", b"fatal:")) for line in stderr.split(b"\n"))


def _last_line(stderr: bytes) -> str:
    """The last line that git printed, for a message."""
    lines = [line for line in stderr.decode("utf-8", "backslashreplace").split("\n") if line.strip()]
    return lines[-1].removeprefix("fatal: ")[:200] if lines else ""
