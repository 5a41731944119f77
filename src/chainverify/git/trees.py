"""Files of a commit's tree, from raw tree objects: what a checkout would hold, without index, attributes or a checkout.

Trees are read as strictly as `git fsck` does where readers would disagree: an entry that stands twice or out of order, or a
name that no checkout can hold, makes the tree `Malformed`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from chainverify.errors import BudgetExceeded, Malformed
from chainverify.formats.objects import object_id
from chainverify.git.objects import ObjectReader

MAX_DEPTH: Final = 256
"""The deepest nesting of directories that is read."""
MAX_FILES: Final = 2_000_000
"""The most files of one tree; the largest public monorepositories have fewer."""

TREE: Final = 0o040000
SYMLINK: Final = 0o120000
GITLINK: Final = 0o160000
REGULAR: Final = frozenset((0o100644, 0o100755, 0o100664))
"""Modes of regular files; 100664 was written by git before 1.0."""
_MODES: Final = REGULAR | {TREE, SYMLINK, GITLINK}


class TreeFile(NamedTuple):
    """A file, symbolic link or gitlink of a tree: its path from the top, git's mode and the blob's (or commit's) id.

    Bytes of a path that are not UTF-8 are shown as `\\xNN`.
    """

    path: str
    mode: int
    oid: str


class _Entry(NamedTuple):
    name: bytes
    mode: int
    oid: str


def files(reader: ObjectReader, treeish: str) -> Iterator[TreeFile]:
    """Everything but directories below `treeish` (a commit, tag or tree), in git's order.

    Raises `ObjectMissing`, `Malformed` (rule `commit-malformed`) and `BudgetExceeded`.
    """
    left = MAX_FILES
    stack: list[tuple[bytes, Iterator[_Entry]]] = [(b"", iter(_tree(reader, treeish)))]
    while stack:
        start, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        path = start + entry.name
        if entry.mode == TREE:
            if len(stack) >= MAX_DEPTH:
                raise BudgetExceeded(f"{_show(path)} is nested deeper than {MAX_DEPTH} directories")
            stack.append((path + b"/", iter(_entries(reader, entry.oid))))
            continue
        left -= 1
        if left < 0:
            raise BudgetExceeded(f"tree {treeish} has more than {MAX_FILES} files")
        yield TreeFile(_show(path), entry.mode, entry.oid)


def read_path(reader: ObjectReader, treeish: str, path: str) -> bytes | None:
    """The content of the regular file `path` (no leading slash, no `..`) of `treeish`, None where there is none.

    A symbolic link, a directory or a gitlink on the way or at the end is no such file: nothing is followed.
    Raises as `files` does.
    """
    wanted = path.encode("utf-8", "surrogateescape").split(b"/")
    entries = _tree(reader, treeish)
    for depth, name in enumerate(wanted, 1):
        entry = next((entry for entry in entries if entry.name == name), None)
        if entry is None:
            return None
        if depth == len(wanted):
            return _content(reader, entry.oid, "blob") if entry.mode in REGULAR else None
        if entry.mode != TREE:
            return None
        if depth >= MAX_DEPTH:
            raise BudgetExceeded(f"{path} is nested deeper than {MAX_DEPTH} directories")
        entries = _entries(reader, entry.oid)
    return None


def entry(reader: ObjectReader, treeish: str, name: str) -> tuple[int, str] | None:
    """Mode and object id of the entry `name` at the top of `treeish`, None where there is none. Raises as `files` does."""
    wanted = name.encode("utf-8", "surrogateescape")
    return next(((found.mode, found.oid) for found in _tree(reader, treeish) if found.name == wanted), None)


def _tree(reader: ObjectReader, treeish: str) -> list[_Entry]:
    """The entries of the tree that a commit, tag or tree leads to."""
    raw = reader.read(treeish + "^{tree}")
    _check_id(reader, raw.oid, "tree", raw.data)
    return _split(raw.oid, raw.data, reader.repo.algorithm)


def _entries(reader: ObjectReader, oid: str) -> list[_Entry]:
    return _split(oid, _content(reader, oid, "tree"), reader.repo.algorithm)


def _content(reader: ObjectReader, oid: str, kind: str) -> bytes:
    """The content of an object that a tree names, of the kind its mode says."""
    raw = reader.read(oid)
    if raw.kind != kind:
        raise Malformed(f"object {oid} is a {raw.kind}, its tree says {kind}", hint="run git fsck")
    _check_id(reader, oid, kind, raw.data)
    return raw.data


def _check_id(reader: ObjectReader, oid: str, kind: str, data: bytes) -> None:
    found = object_id(kind, data, reader.repo.algorithm)
    if found != oid:
        raise Malformed(f"{kind} content has another id: expected {oid}, got {found}", hint="run git fsck")


def _split(oid: str, data: bytes, algorithm: str) -> list[_Entry]:
    """The entries of a raw tree object: `MODE SP NAME NUL ID`, sorted as git sorts (a directory as if it ended in /)."""
    width = 32 if algorithm == "sha256" else 20
    found: list[_Entry] = []
    names: set[bytes] = set()
    last = b""
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 8)
        end = data.find(b"\0", space)
        if space < 0 or end < 0 or end + 1 + width > len(data):
            raise _damaged(oid, "ends inside an entry")
        digits, name = data[at:space], data[space + 1 : end]
        at = end + 1 + width
        # int() alone would take signs, spaces and underscores
        mode = int(digits, 8) if digits and not digits.strip(b"01234567") else -1
        if mode not in _MODES:
            raise _damaged(oid, f"holds an entry of mode {_show(digits)}")
        if name in (b"", b".", b"..") or b"/" in name or name.lower() == b".git":
            raise _damaged(oid, f"holds the name {_show(name)!r}, which no checkout can have")
        key = name + b"/" if mode == TREE else name
        if name in names or key <= last:
            raise _damaged(oid, f"holds {_show(name)!r} twice or out of order")
        names.add(name)
        last = key
        found.append(_Entry(name, mode, data[end + 1 : at].hex()))
    return found


def _damaged(oid: str, what: str) -> Malformed:
    return Malformed(f"tree {oid} {what}", hint="run git fsck on the repository it came from")


def _show(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
