"""Facts about the signatures of a repository, kept between runs in the user's own cache directory: a file for each repository.

A record says of an object id, which was computed from the object when the record was made: what judging needs of the commit, and
the cryptographic fact about its signature (`signatures.facts`). It says nothing about policy or time. Everything else is done
again on each run.

The file is believed as a whole or not at all. It carries a MAC (HMAC-SHA256) under a random key that lies in the user's state
directory, and is used only where files and directories are the user's and nobody else may write them. It never lies in the
repository that is judged: whoever gives one away would bring facts along. Nothing in it is evaluated.

    MAC (32 bytes) | magic | length of the header | header (JSON) | rows | tails
    row:  object id | number of what it shares | committer and author time, time in the signature | number of parents |
          where its tail starts | where it ends
    tail: parents | title (UTF-8)
"""

from __future__ import annotations

import hmac
import json
import os
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from chainverify._version import __version__
from chainverify.git.repository import Repository
from chainverify.model.gitobject import Commit, Ident
from chainverify.signatures.facts import Fact, Kind

MAX_BYTES: Final = 256 << 20
"""The largest file that is read or written: about two million commits."""
KEY_BYTES: Final = 32
_MAC_BYTES: Final = 32
_MAGIC: Final = b"chainverify facts 1\n"
_LENGTH: Final = struct.Struct(">I")
_WIDTHS: Final = {"sha1": 20, "sha256": 32}


class Shared(NamedTuple):
    """What many records have in common: the people (times are the records' own), the commit's notes, and the kind of fact."""

    committer: Ident
    author: Ident
    notes: tuple[str, ...]
    kind: Kind


class Known(NamedTuple):
    """A commit whose signature is known to be good, with what judging needs of it."""

    parents: tuple[str, ...]
    committer: Ident
    author: Ident
    notes: tuple[str, ...]
    title: str
    fact: Fact


class Learned(NamedTuple):
    """A record that is new: object id, what it shares with others, its times, its number of parents, and its tail."""

    oid: bytes
    shared: Shared
    committed: int
    authored: int
    created: int
    parents: int
    tail: bytes


def learned(commit: Commit, title: str, fact: Fact) -> Learned:
    """The record of a commit that was read, whose id was computed from its content, and that quotes no tag."""
    who = [each._replace(time=0) for each in (commit.committer, commit.author)]
    tail = bytes.fromhex("".join(commit.parents)) + title.encode("utf-8", "replace")
    return Learned(
        bytes.fromhex(commit.oid), Shared(who[0], who[1], commit.notes, fact.kind),
        commit.committer.time, commit.author.time, fact.created, len(commit.parents), tail,
    )  # fmt: skip


class FactCache:
    """The facts about one repository; `why` says why a file that is there was not used, empty where it was or there is none."""

    def __init__(self, repo: Repository) -> None:
        """Read the repository's file. Raises nothing: what cannot be used is not used."""
        self._about = {
            "tool": __version__, "objects": repo.algorithm, "repository": os.path.realpath(repo.common_dir),
        }  # fmt: skip
        self._width = _WIDTHS[repo.algorithm]
        self._row = struct.Struct(f">{self._width}sIqqIHII")
        self._shared: list[Shared] = []
        self._rows = b""
        self._tails = b""
        self._places: dict[bytes, int] = {}
        self._new: dict[bytes, Learned] = {}
        self.why = ""
        self._repository = [Path(os.path.realpath(each)) for each in (repo.worktree, repo.git_dir, repo.common_dir) if each]
        try:
            self._check_places()
            self._take(_read(_file(self._about), MAX_BYTES))
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, struct.error, RecursionError) as error:
            self.why = str(error) or type(error).__name__

    def __len__(self) -> int:
        return len(self._places)

    def get(self, oid: str) -> Known | None:
        """What is known of a commit, None where its signature must be verified."""
        row = self._places.get(bytes.fromhex(oid))
        if row is None:
            return None
        _, number, committed, authored, created, count, start, end = self._row.unpack_from(self._rows, row)
        middle = start + count * self._width
        names = self._tails[start:middle].hex()
        width = 2 * self._width
        committer, author, notes, kind = self._shared[number]
        made = Ident(committer.name, committer.email, committed, committer.zone)
        return Known(
            (names,) if count == 1 else tuple(names[at : at + width] for at in range(0, len(names), width)),
            made,
            made if author is committer and authored == committed
            else Ident(author.name, author.email, authored, author.zone),
            notes,
            self._tails[middle:end].decode("utf-8"),
            Fact(kind, created),
        )  # fmt: skip

    def add(self, records: Sequence[Learned]) -> None:
        """Take in new records, for `save`."""
        self._new.update((each.oid, each) for each in records if each.oid not in self._places)

    def save(self) -> str:
        """Write the file again where there are new records; why that could not be done, empty where it was."""
        if not self._new:
            return ""
        try:
            data = self._encoded(keep=True)
            if len(data) > MAX_BYTES:
                data = self._encoded(keep=False)
            if len(data) > MAX_BYTES:
                return f"the file would have {len(data)} bytes, at most {MAX_BYTES} are kept"
            self._check_places()
            path = _file(self._about)
            _directory(path.parent)
            _write(path, hmac.digest(_key(), data, "sha256") + data)
        except (OSError, ValueError) as error:
            return str(error)
        return ""

    def _check_places(self) -> None:
        """That neither file lies in the repository, as where a build has its home in the checkout: whoever wrote that wrote key
        and facts alike. Raises `ValueError`, and `OSError` for a user without a home."""
        for path in (_file(self._about), _key_file()):
            real = Path(os.path.realpath(path))
            if any(real.is_relative_to(place) for place in self._repository):
                raise ValueError(f"{path} lies in the repository that is judged; set XDG_CACHE_HOME and XDG_STATE_HOME")

    def _encoded(self, *, keep: bool) -> bytes:
        """The file without its MAC: the records that were read and the new ones, or only those."""
        shared = list(self._shared) if keep else []
        rows, tails = (self._rows, self._tails) if keep else (b"", b"")
        numbers = {each: number for number, each in enumerate(shared)}
        new_rows: list[bytes] = []
        at = len(tails)
        for oid, one, *times_and_parents, tail in self._new.values():
            number = numbers.setdefault(one, len(numbers))
            new_rows.append(self._row.pack(oid, number, *times_and_parents, at, at + len(tail)))
            at += len(tail)
        rows += b"".join(new_rows)
        header = {**self._about, "rows": len(rows) // self._row.size, "shared": [_plain(each) for each in numbers]}
        text = json.dumps(header, separators=(",", ":")).encode("ascii")
        return b"".join((_MAGIC, _LENGTH.pack(len(text)), text, rows, tails, *(each.tail for each in self._new.values())))

    def _take(self, data: bytes) -> None:
        """Believe a file. Raises `ValueError`, and what its parts raise, where it is not to be believed."""
        body = memoryview(data)[_MAC_BYTES:]
        if not hmac.compare_digest(hmac.digest(_key(), body, "sha256"), data[:_MAC_BYTES]):
            raise ValueError("it was changed, or was not written by this user")
        if bytes(body[: len(_MAGIC)]) != _MAGIC:
            raise ValueError("it has another format")
        start = len(_MAGIC) + _LENGTH.size
        end = start + _LENGTH.unpack_from(body, len(_MAGIC))[0]
        header = json.loads(bytes(body[start:end]))
        about = {name: header[name] for name in self._about}
        if about != self._about:
            raise ValueError("it is about another repository, or by another version")
        size = self._row.size
        stop = end + header["rows"] * size
        shared, rows = [_shared(each) for each in header["shared"]], bytes(body[end:stop])
        oids = struct.Struct(f">{self._width}s{size - self._width}x").iter_unpack(rows)
        self._places = {oid: number * size for number, (oid,) in enumerate(oids)}
        self._shared, self._rows, self._tails = shared, rows, bytes(body[stop:])

    def walk(self, tip: str, stop: str | None) -> tuple[str, ...] | None:
        """The commits reachable from `tip` and not from `stop`, parents first, in the order of `git rev-list --topo-order`.

        By the parents that were recorded, which are those of the raw commits. None where that cannot be told: where a commit is
        not known, or where a line of parents ends in a root although there is a `stop`.
        """
        parents: dict[bytes, tuple[bytes, ...]] = {}
        end = bytes.fromhex(stop) if stop is not None else None
        top = bytes.fromhex(tip)
        if top == end:
            return ()
        waiting = [top]
        children: dict[bytes, int] = {top: 1}
        width, unpack, rows, tails, places = self._width, self._row.unpack_from, self._rows, self._tails, self._places
        while waiting:
            oid = waiting.pop()
            place = places.get(oid)
            if place is None:
                return None
            _, _, _, _, _, count, start, _ = unpack(rows, place)
            if not count and end is not None:
                return None
            found = []
            for at in range(start, start + count * width, width):
                parent = tails[at : at + width]
                if parent == end:
                    continue
                found.append(parent)
                if parent in children:
                    children[parent] += 1
                else:
                    children[parent] = 1
                    waiting.append(parent)
            parents[oid] = tuple(found)
        # git's sort_in_topological_order: a stack, onto which a commit comes when all of its children are out
        out: list[str] = []
        waiting = [top]
        while waiting:
            oid = waiting.pop()
            out.append(oid.hex())
            for parent in parents[oid]:
                children[parent] -= 1
                if not children[parent]:
                    waiting.append(parent)
        out.reverse()
        return tuple(out)


def _plain(shared: Shared) -> list[object]:
    """As JSON; bytes as Latin-1, which any bytes are."""
    kind = shared.kind
    optional = [None if each is None else each.decode("latin-1") for each in (kind.fingerprint, kind.key_id, kind.signer_user_id)]
    people = [
        [each.decode("latin-1") for each in (who.name, who.email, who.zone)] for who in (shared.committer, shared.author)
    ]
    return [
        *people, list(shared.notes), kind.format, kind.key.hex(), kind.algorithm, kind.hash_algorithm, kind.expires,
        *optional, list(kind.notes), kind.left_fits,
    ]  # fmt: skip


def _shared(plain: list[object]) -> Shared:
    """The reverse of `_plain`, of a file whose MAC is right."""
    first, second, notes, form, key, algorithm, hashing, expires, *rest = plain
    fingerprint, key_id, user_id = (None if each is None else _bytes(each) for each in rest[:3])
    kind = Kind(
        form, bytes.fromhex(str(key)), str(algorithm), hashing, expires,  # type: ignore[arg-type]  # as it was written
        fingerprint, key_id, user_id, tuple(rest[3]), bool(rest[4]),  # type: ignore[arg-type]
    )  # fmt: skip
    committer = _ident(first)
    return Shared(committer, committer if first == second else _ident(second), tuple(notes), kind)  # type: ignore[arg-type]


def _ident(plain: object) -> Ident:
    name, email, zone = map(_bytes, plain)  # type: ignore[call-overload]
    return Ident(name, email, 0, zone)


def _bytes(text: object) -> bytes:
    return str(text).encode("latin-1")


# --- files


def _file(about: dict[str, str]) -> Path:
    """Where the facts about a repository lie. Raises `OSError` for a user without a home."""
    name = sha256(f"{about['objects']}\0{about['repository']}".encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return _base("XDG_CACHE_HOME", ".cache") / "chainverify" / f"facts-{name}"


def _base(variable: str, default: str) -> Path:
    """A base directory (XDG Base Directory Specification: a relative path is no setting). Raises `OSError`."""
    given = os.environ.get(variable, "")
    if given.startswith("/"):
        return Path(given)
    try:
        return Path.home() / default
    except RuntimeError as error:
        raise OSError("the user has no home directory") from error


def _key_file() -> Path:
    """Where the user's key lies. Raises `OSError` for a user without a home."""
    return _base("XDG_STATE_HOME", ".local/state") / "chainverify" / "facts.key"


def _key() -> bytes:
    """The user's key for the MACs, made on first use. Raises `OSError`, and `ValueError` for one that may not be used."""
    path = _key_file()
    _directory(path.parent)
    try:
        key = _read(path, KEY_BYTES, secret=True)
    except FileNotFoundError:
        with suppress(FileExistsError):
            _write(path, os.urandom(KEY_BYTES), new=True)
        key = _read(path, KEY_BYTES, secret=True)
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} is no key of {KEY_BYTES} bytes; remove it")
    return key


def _directory(path: Path) -> None:
    """Make a directory of ours. Raises `OSError`."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def _check_directories(path: Path) -> None:
    """That nobody else can put another file in the place of one: the last directory is the user's, no link, and not writable by
    others; those above are, or are root's, or let nobody remove what is not theirs (sticky). Raises `ValueError`, `OSError`."""
    found = os.lstat(path)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ValueError(f"{path} must be a directory of this user, and not writable by others")
    base = Path(os.path.realpath(path.parent))
    for above in (base, *base.parents):
        found = os.lstat(above)
        if found.st_uid not in (0, os.geteuid()) or (found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX):
            raise ValueError(f"{above} may be written by others")


def _read(path: Path, limit: int, *, secret: bool = False) -> bytes:
    """A file of ours. Raises `OSError`, and `ValueError` for one that is large or that others may write (or read a secret)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        mine = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if not mine or found.st_mode & (0o077 if secret else 0o022):
            raise ValueError(f"{path} must be a file of this user, and not open to others")
        _check_directories(path.parent)
        if found.st_size > limit:
            raise ValueError(f"{path} has {found.st_size} bytes, at most {limit} are read")
        return file.read(limit)


def _write(path: Path, data: bytes, *, new: bool = False) -> None:
    """Write a file whole: others see the old one or the new one. `new` is for one that is not there yet. Raises `OSError` and
    `ValueError`."""
    _check_directories(path.parent)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if new:
            os.link(temporary, path)
        else:
            temporary.replace(path)
            return
    finally:
        with suppress(OSError):
            temporary.unlink()
