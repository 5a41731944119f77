"""Git repositories for tests and demos: made by the real git, with every identity, date and key explicit.

    repo = Repository.create(tmp_path / "repo")
    key = SshKey.create(tmp_path / "keys", "alice")
    oid = repo.commit("JIRA-1: add it", {"a.txt": b"text"}, key=key)
    tag = repo.tag("v1", key=key)
    raw = repo.read(oid)                                     # the raw content of the object
    bad = repo.write("commit", raw.replace(b"it", b"IT"))    # any bytes, however malformed

Nothing of the user's configuration is read. Dates start at `START` and go on by `STEP` with each commit or tag, so two
runs with the same calls and keys make the same ids wherever signatures are deterministic.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from tests.world.ssh import SshKey

Algorithm: TypeAlias = Literal["sha1", "sha256"]

START = 1_750_000_000
"""The date of the first commit of a repository, in seconds since the epoch (June 2025)."""
STEP = 60


class Person(NamedTuple):
    """An author, committer or tagger."""

    name: str
    email: str


ALICE = Person("Alice Example", "alice@example.org")
BOB = Person("Bob Example", "bob@example.org")


class GpgKey(NamedTuple):
    """An OpenPGP key for signing: `home` is a GNUPGHOME that holds the secret key, `key_id` its fingerprint."""

    home: Path
    key_id: str


SigningKey: TypeAlias = SshKey | GpgKey


class Repository:
    """A repository on disk at `path`; `git_dir` is its git directory, `algorithm` its object format."""

    def __init__(self, path: Path) -> None:
        """The repository that is already at `path` (bare, or with a worktree)."""
        self.path = path
        self.clock = START
        self.person = ALICE
        self.git_dir = Path(self.git("rev-parse", "--absolute-git-dir"))
        self.bare = self.git("rev-parse", "--is-bare-repository") == "true"
        self.algorithm: Algorithm = "sha256" if self.git("rev-parse", "--show-object-format") == "sha256" else "sha1"

    @classmethod
    def create(
        cls, path: Path, *, bare: bool = False, algorithm: Algorithm = "sha1", branch: str = "main"
    ) -> Repository:
        """A new, empty repository whose HEAD is `branch`, without any hooks or templates."""
        path.mkdir(parents=True, exist_ok=True)
        kind = ["--bare"] if bare else []
        options = [*kind, f"--object-format={algorithm}", f"--initial-branch={branch}", "--template="]
        _run(["git", "init", "-q", *options, "."], path)
        return cls(path)

    @classmethod
    def clone(cls, source: Path | str, path: Path, *options: str) -> Repository:
        """A clone of `source` at `path`; `options` go to git clone (`--bare`, `--depth=1`, ...)."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _run(["git", "clone", "-q", "--template=", *options, str(source), str(path)], path.parent)
        return cls(path)

    # --- git itself

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `git ARGUMENTS` here; `env` is added to a clean environment. RuntimeError on failure if `check`."""
        return _run(["git", *arguments], self.path, stdin=stdin, env=env, check=check)

    def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> str:
        """What `git ARGUMENTS` prints, as text without the final line end. Raises RuntimeError where it fails."""
        return self.run(*arguments, stdin=stdin, env=env).stdout.decode("utf-8", "surrogateescape").removesuffix("\n")

    # --- objects

    def write(self, kind: Literal["commit", "tag", "tree", "blob"], raw: bytes) -> str:
        """Store `raw` as an object of `kind` whatever it holds; the object id."""
        return self.git("hash-object", "-t", kind, "-w", "--literally", "--stdin", stdin=raw)

    def read(self, oid: str) -> bytes:
        """The raw content of an object, as stored (no replacements)."""
        kind = self.git("--no-replace-objects", "cat-file", "-t", oid)
        return self.run("--no-replace-objects", "cat-file", kind, oid).stdout

    def tree(
        self, files: Mapping[str, bytes | str], bases: Iterable[str] = (), remove: Iterable[str] = ()
    ) -> str:
        """A tree of `files` (path to content) over the files of `bases` (later ones win), without those in `remove`.

        Index and worktree are left alone. New files have mode 100644; for others there is `git mktree`.
        """
        index = self.git_dir / "index.world"
        env = {"GIT_INDEX_FILE": str(index)}
        index.unlink(missing_ok=True)
        entries = [self.run("ls-tree", "-r", base).stdout for base in bases]
        for path, data in files.items():
            blob = self.write("blob", data.encode() if isinstance(data, str) else data)
            entries.append(f"100644 {blob}\t{path}\n".encode())
        entries += [f"0 {'0' * (64 if self.algorithm == 'sha256' else 40)}\t{path}\n".encode() for path in remove]
        self.git("update-index", "--index-info", stdin=b"".join(entries), env=env)
        oid = self.git("write-tree", env=env)
        index.unlink(missing_ok=True)
        return oid

    def files(self, revision: str) -> dict[str, bytes]:
        """The files of a commit or tree: path to content."""
        names = self.git("ls-tree", "-r", "-z", "--name-only", revision).split("\0")
        return {name: self.run("cat-file", "blob", f"{revision}:{name}").stdout for name in names if name}

    # --- history

    def commit(
        self,
        message: str,
        files: Mapping[str, bytes | str] | None = None,
        *,
        key: SigningKey | None = None,
        author: Person | None = None,
        committer: Person | None = None,
        when: int | None = None,
        parents: Iterable[str] | None = None,
        ref: str | None = "HEAD",
        remove: Iterable[str] = (),
        tree: str | None = None,
    ) -> str:
        """A commit made by `git commit-tree` on top of `ref`, signed where `key` is given; the commit id.

        `files` are added to, or replaced in, the first parent's tree, `remove` taken from it; `tree` replaces all that.
        `parents` are what `ref` points at unless given (`()` for a root, two for a merge). `when` is author and
        committer date in seconds; default: `STEP` after the last one. `ref` is moved to the commit (None: no ref is);
        a worktree is updated if its branch moves. A `message` gets a final line end where it has none.
        """
        if parents is None:
            parents = [tip] if ref and (tip := self.tip(ref)) else []
        parents = list(parents)
        tree = tree or self.tree(files or {}, parents[:1], remove)
        arguments = [part for parent in parents for part in ("-p", parent)]
        oid = self.git(
            *_signing(key), "commit-tree", *(["-S"] if key else []), *arguments, tree,
            stdin=message.encode() if message.endswith("\n") else message.encode() + b"\n",
            env=self._identity(author, committer or author, when, key),
        )
        if ref:
            self.update(ref, oid)
            if not self.bare and ref in {"HEAD", self.git("rev-parse", "--symbolic-full-name", "HEAD")}:
                self.git("reset", "-q", "--hard")
        return oid

    def merge(self, message: str, *others: str, key: SigningKey | None = None, ref: str = "HEAD") -> str:
        """A merge commit of `ref` and `others` with the files of all (the first parent's where they differ); its id."""
        tip = self.tip(ref)
        parents = [*([tip] if tip else []), *others]
        return self.commit(message, tree=self.tree({}, reversed(parents)), key=key, parents=parents, ref=ref)

    def porcelain_commit(
        self,
        message: str,
        *options: str,
        key: SigningKey | None = None,
        author: Person | None = None,
        when: int | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run `git commit` in the worktree with what is staged, hooks included; `options` go to git commit."""
        return self.run(
            *_signing(key), "commit", *(["-S"] if key else ["--no-gpg-sign"]), "-q", "-m", message, *options,
            env={**self._identity(author, author, when, key), **(env or {})}, check=check,
        )

    def tag(
        self,
        name: str,
        target: str = "HEAD",
        message: str = "release",
        *,
        key: SigningKey | None = None,
        tagger: Person | None = None,
        when: int | None = None,
    ) -> str:
        """An annotated tag `name`, signed where `key` is given; the id of the tag object."""
        self.git(
            *_signing(key), "tag", "-s" if key else "-a", "-m", message, name, target,
            env=self._identity(tagger, tagger, when, key),
        )
        return self.git("rev-parse", f"refs/tags/{name}")

    def tip(self, ref: str = "HEAD") -> str | None:
        """The commit a ref points at, None where there is no such ref yet."""
        done = self.run("rev-parse", "--verify", "-q", f"{ref}^{{commit}}", check=False)
        return done.stdout.decode().strip() or None

    def update(self, ref: str, oid: str) -> None:
        """Point `ref` (a full name, or HEAD for the current branch) at `oid`, whatever it was."""
        self.git("update-ref", ref, oid)

    def configure(self, **values: str) -> None:
        """Set configuration of this repository; `__` stands for the dot: `configure(user__name="Alice")`."""
        for name, value in values.items():
            self.git("config", name.replace("__", "."), value)

    def verdict(self, oid: str, allowed: Path | None = None, key: SigningKey | None = None) -> str:
        """What `git log --format=%G?` says of a commit (G, B, U, N, E, ...), or `error` where git fails.

        `allowed` is an allowed_signers file for SSH signatures, `key` an OpenPGP key whose GNUPGHOME is used.
        """
        config = ["-c", f"gpg.ssh.allowedSignersFile={allowed}"] if allowed else []
        env = {"GNUPGHOME": str(key.home)} if isinstance(key, GpgKey) else None
        done = self.run(*config, "log", "-1", "--no-walk", "--format=%G?", oid, env=env, check=False)
        return "error" if done.returncode else done.stdout.decode().strip()

    def _identity(
        self, author: Person | None, committer: Person | None, when: int | None, key: SigningKey | None
    ) -> dict[str, str]:
        """Environment that fixes who and when, and where an OpenPGP key is."""
        if when is None:
            when = self.clock
            self.clock += STEP
        writer, keeper = author or self.person, committer or self.person
        found = {
            "GIT_AUTHOR_NAME": writer.name, "GIT_AUTHOR_EMAIL": writer.email, "GIT_AUTHOR_DATE": f"@{when} +0000",
            "GIT_COMMITTER_NAME": keeper.name, "GIT_COMMITTER_EMAIL": keeper.email,
            "GIT_COMMITTER_DATE": f"@{when} +0000",
        }
        return {**found, "GNUPGHOME": str(key.home)} if isinstance(key, GpgKey) else found


def signed_commit(payload: bytes, signature: bytes, algorithm: Algorithm = "sha1") -> bytes:
    """A commit's raw content from its unsigned content and an armor, the header written as git does (the last one)."""
    name = b"gpgsig " if algorithm == "sha1" else b"gpgsig-sha256 "
    head, _, message = payload.partition(b"\n\n")
    return head + b"\n" + name + signature.replace(b"\n", b"\n ") + b"\n\n" + message


def _signing(key: SigningKey | None) -> list[str]:
    """Options of git that make it sign with `key`."""
    if key is None:
        return []
    form, name = ("ssh", str(key.path)) if isinstance(key, SshKey) else ("openpgp", key.key_id)
    return ["-c", f"gpg.format={form}", "-c", f"user.signingkey={name}"]


def _run(
    command: list[str],
    cwd: Path,
    *,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "SSH_"))}
    clean |= {
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C",
        "TZ": "UTC", **(env or {}),
    }
    done = subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, check=False, timeout=300, env=clean)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}: {done.stderr.decode(errors='replace')}")
    return done
