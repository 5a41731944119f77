"""Reading the files that may hold image references: a working tree, a tree of git, or a stream.

Every file whose name and path ask for it ends as an extraction. What cannot be read is not left out: a link that leads out of
the tree, a submodule, a file too large are extractions with a `manifest-unreadable` problem.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from chainverify.errors import Unavailable, UsageError
from chainverify.formats import glob
from chainverify.formats.objects import object_id
from chainverify.git import trees
from chainverify.git.objects import ObjectReader
from chainverify.git.trees import TreeFile
from chainverify.manifests import extract, filenames, kustomize
from chainverify.model.images import Extraction, ImageUse

MAX_READ_BYTES: Final = 64 << 20
"""The most that is read of one file; whether a file above `yamlnodes.MAX_BYTES` matters is seen from its bytes."""
MAX_LINK_HOPS: Final = 40
"""The most symbolic links followed for one path, as Linux does."""

Progress: TypeAlias = Callable[[int], None]
"""Called with how many files were read."""


class Scan(NamedTuple):
    """What was found: an extraction for each file that counts, by path, in order of path.

    `counts` hold `files`, the manifests read or found unreadable, and `references`, the image references in them.
    """

    extractions: Mapping[str, Extraction]
    counts: Mapping[str, int]

    @property
    def uses(self) -> tuple[ImageUse, ...]:
        """All image uses in order."""
        return tuple(use for extraction in self.extractions.values() for use in extraction.uses)


def scan_paths(
    root: Path,
    paths: Sequence[Path] = (),
    include: Sequence[str] = ("**",),
    exclude: Sequence[str] = (),
    *,
    progress: Progress | None = None,
) -> Scan:
    """The manifests of a working tree below `root`, or only those in `paths`: files and directories, relative to `root`.

    Paths in the result and in the globs are relative to `root`, with `/`; a path outside it is named in full. A link is
    read as the file it leads to where that is inside the tree (and not read by its own name already). `.git` is skipped.

    Raises `UsageError` for a path that is not there, or a named file that can be no manifest.
    """
    top = Path(os.path.realpath(root))
    selected = _Selection(include, exclude)
    found: dict[str, Extraction] = {}
    places: dict[str, str] = {}
    links: list[tuple[str, str, Path]] = []
    read: set[tuple[int, int]] = set()
    for argument in paths or (Path(),):
        start = Path(os.path.abspath(top / argument))  # noqa: PTH100 - resolve() would follow links
        base = top if start.is_relative_to(top) else start if start.is_dir() else start.parent
        for path, is_link in _walk(start):
            name = _name(path, top)
            if not filenames.is_candidate(name) or not selected(name):
                continue
            if name in places:
                if places[name] != path:
                    found[name] = extract.unreadable(name, _ALIKE, _ALIKE_HINT)
                continue
            places[name] = path
            if is_link:
                links.append((name, path, base))
                continue
            found[name] = _read_file(name, path, read)
            if progress:
                progress(len(found))
    for name, path, base in links:
        if name in found:
            continue
        target = Path(os.path.realpath(path))
        if target.is_dir() and target.is_relative_to(base):
            continue
        if not target.is_relative_to(base) or ".git" in target.relative_to(base).parts:
            found[name] = extract.unreadable(name, "symbolic link leaves the tree", _LINK_HINT)
        elif not _is_read(target, read):
            found[name] = _read_file(name, str(target), read)

    def covered(name: str) -> bool:
        target = Path(os.path.realpath(top / name))
        inside = target.is_relative_to(top) and target.exists() and ".git" not in target.relative_to(top).parts
        real = _name(str(target), top) if target != top else ""
        return inside and selected.covers(posixpath.normpath(name), real, target.is_dir(), lambda path: (top / path).exists())

    return _scan({name: _settled(name, extraction, covered) for name, extraction in found.items()})


def scan_tree(
    reader: ObjectReader,
    treeish: str,
    include: Sequence[str] = ("**",),
    exclude: Sequence[str] = (),
    only: frozenset[str] | None = None,
    *,
    progress: Progress | None = None,
) -> Scan:
    """The manifests of a commit or tree, without a checkout; with `only`, those of these paths and links that lead to them.

    Raises `ObjectMissing`, `Malformed` and `BudgetExceeded` where the tree itself cannot be read; a file that cannot be is a
    problem of that file.
    """
    entries: dict[str, TreeFile] = {}
    alike: list[str] = []
    for entry in trees.files(reader, treeish):
        if entry.path in entries:
            alike.append(entry.path)
        entries[entry.path] = entry
    selected = _Selection(include, exclude)
    if only is not None:
        only = _led(only, entries)
    found: dict[str, Extraction] = {}
    wanted: dict[str, TreeFile] = {}
    links: list[str] = []
    for path, entry in entries.items():
        listed = only is None or path in only
        if entry.mode == trees.GITLINK:
            if listed and selected.below(path):
                found[path] = extract.unreadable(
                    path, "submodule is not read", "check its own repository, and exclude the path or excuse it here"
                )
        elif filenames.is_candidate(path) and selected(path):
            if entry.mode in trees.REGULAR:
                if listed:
                    wanted[path] = entry
            elif entry.mode == trees.SYMLINK:
                links.append(path)
    resolver = _Links(reader, entries)
    for path in links:
        _link(path, resolver, only, found, wanted)
    answers = reader.stream([entry.oid for entry in wanted.values()])
    for (path, entry), answer in zip(wanted.items(), answers, strict=True):
        if isinstance(answer, Unavailable):
            found[path] = extract.unreadable(path, answer.message, answer.hint)
        elif answer.kind != "blob" or object_id("blob", answer.data, reader.repo.algorithm) != entry.oid:
            found[path] = extract.unreadable(path, "content does not have the id that the tree names", "run git fsck")
        else:
            found[path] = extract.extract(path, answer.data)
        if progress:
            progress(len(found))
    for path in alike:
        if filenames.is_candidate(path) and selected(path):
            found[path] = extract.unreadable(path, _ALIKE, _ALIKE_HINT)

    def covered(name: str) -> bool:
        try:
            real = resolver.real(name)
            directory = resolver.end(real) is None
        except Unavailable:
            return False
        return selected.covers(posixpath.normpath(name), real, directory, entries.__contains__)

    return _scan({name: _settled(name, extraction, covered) for name, extraction in found.items()})


def scan_stream(data: bytes, name: str = "-") -> Scan:
    """The manifests of a rendered stream (`helm template ... | chainverify images -`)."""
    return _scan({name: extract.extract_stream(name, data)})


_LINK_HINT: Final = "replace the link by the file, or exclude it"
_ALIKE: Final = "two files have this name as it is shown, and one of them is not UTF-8"
_ALIKE_HINT: Final = "rename one of them"


class _Selection:
    """The include and exclude globs of a policy."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._everything = tuple(include) == ("**",)
        self._include = tuple(include)
        self._exclude = tuple(exclude)

    def __call__(self, path: str) -> bool:
        return self._included(path) and not glob.matches_any(self._exclude, path)

    def below(self, path: str) -> bool:
        """Whether a manifest somewhere below a directory could be selected."""
        probes = (path, f"{path}/", f"{path}/x.yaml", f"{path}/x/x.yaml")
        return any(map(self._included, probes)) and not any(glob.matches_any(self._exclude, probe) for probe in probes[:2])

    def covers(self, name: str, real: str, directory: bool, is_there: Callable[[str], bool]) -> bool:
        """Whether a file or directory that a kustomization names is read: by the name written there, or its real one."""
        if not directory:
            return any(filenames.is_candidate(path) and self(path) for path in (name, real))
        own = [posixpath.join(real, each) for each in filenames.KUSTOMIZATIONS]
        return (not real or self.below(real)) and all(self(path) for path in own if is_there(path))

    def _included(self, path: str) -> bool:
        return self._everything or glob.matches_any(self._include, path)


class _Links:
    """Symbolic links of a tree, resolved inside it and nowhere else."""

    def __init__(self, reader: ObjectReader, entries: Mapping[str, TreeFile]) -> None:
        self._reader = reader
        self._entries = entries
        self._directories: set[str] | None = None

    def resolve(self, path: str) -> TreeFile | None:
        """The entry a link leads to, None for a directory of the tree.

        Raises `Unavailable` where it leads out of the tree, to nothing, or in circles.
        """
        return self.end(self.real(path))

    def real(self, path: str, way: list[str] | None = None) -> str:
        """The path without links, `.` and `..`, of something that may not be there; the links met are added to `way`.

        Raises as `resolve` does.
        """
        pending = path.split("/")
        done: list[str] = []
        for _ in range(MAX_LINK_HOPS):
            while pending:
                part = pending.pop(0)
                if part in ("", "."):
                    continue
                if part == "..":
                    if not done:
                        raise Unavailable("symbolic link leaves the tree", hint=_LINK_HINT)
                    done.pop()
                    continue
                done.append(part)
                entry = self._entries.get("/".join(done))
                if entry is not None and entry.mode == trees.SYMLINK:
                    break
            else:
                return "/".join(done)
            if way is not None:
                way.append(entry.path)
            target = self._reader.read(entry.oid).data.decode("utf-8", "backslashreplace")
            if target.startswith("/"):
                raise Unavailable("symbolic link leaves the tree", hint=_LINK_HINT)
            done.pop()
            pending = [*target.split("/"), *pending]
        raise Unavailable(f"symbolic link leads over more than {MAX_LINK_HOPS} links", hint=_LINK_HINT)

    def end(self, path: str) -> TreeFile | None:
        """The entry at a path without links, None for a directory."""
        entry = self._entries.get(path)
        if entry is not None:
            return entry
        if self._directories is None:
            self._directories = {""}
            for name in self._entries:
                while (name := posixpath.dirname(name)) and name not in self._directories:
                    self._directories.add(name)
        if path in self._directories:
            return None
        raise Unavailable("symbolic link leads to nothing in the tree", hint=_LINK_HINT)


def _led(only: frozenset[str], entries: Mapping[str, TreeFile]) -> frozenset[str]:
    """`only`, with all kustomizations where a link changed, or a file took a directory's name: they may lead elsewhere now."""
    turned = any(path in entries and entries[path].mode == trees.SYMLINK for path in only)
    if not turned and only.isdisjoint(parent for path in only for parent in _parents(path)):
        return only
    return only | {path for path in entries if path.rpartition("/")[2] in filenames.KUSTOMIZATIONS}


def _parents(path: str) -> Iterator[str]:
    while path := posixpath.dirname(path):
        yield path


def _settled(path: str, extraction: Extraction, covered: Callable[[str], bool]) -> Extraction:
    """An extraction without the local entries of a kustomization that are read."""
    if all(use.reason != kustomize.LOCAL for use in extraction.uses):
        return extraction
    directory = posixpath.dirname(path)
    left = (use for use in extraction.uses if use.reason != kustomize.LOCAL or not covered(posixpath.join(directory, use.raw)))
    return extraction._replace(uses=tuple(left))


def _link(
    path: str, links: _Links, only: frozenset[str] | None, found: dict[str, Extraction], wanted: dict[str, TreeFile]
) -> None:
    """Read a link of the tree as the file it leads to, under its own name."""
    way: list[str] = []
    try:
        real = links.real(path, way)
        way.append(real)
        target = links.end(real)
    except Unavailable as error:
        if only is None or not only.isdisjoint(way):
            found[path] = extract.unreadable(path, error.message, error.hint)
        return
    listed = only is None or not only.isdisjoint(way)
    if target is None:
        return
    if target.mode not in trees.REGULAR:
        if listed:
            found[path] = extract.unreadable(path, "symbolic link leads into a submodule", _LINK_HINT)
    elif listed and target.path not in wanted:
        wanted[path] = target


def _walk(start: Path) -> Iterator[tuple[str, bool]]:
    """Files below a path, or the path itself, and whether each is a link; directories sorted, links to them not entered."""
    try:
        state = start.lstat()
    except OSError as error:
        raise UsageError(f"cannot read '{start}': {error.strerror}", hint="name a file or directory that is there") from error
    if not stat.S_ISDIR(state.st_mode):
        if not filenames.is_candidate(start.name):
            hint = f"files ending in {', '.join(filenames.SUFFIXES)} are read; use - for a stream"
            raise UsageError(f"'{start}' is no file that holds manifests by its name", hint=hint)
        yield str(start), stat.S_ISLNK(state.st_mode)
        return
    pending = [str(start)]
    while pending:
        directory = pending.pop()
        try:
            with os.scandir(directory) as listed:
                entries = sorted(listed, key=lambda entry: entry.name)
        except OSError as error:
            raise UsageError(f"cannot read '{directory}': {error.strerror}", hint="check its permissions") from error
        below: list[str] = []
        for entry in entries:
            if entry.name == ".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
            else:
                yield entry.path, entry.is_symlink()
        pending += reversed(below)


def _is_read(path: Path, read: set[tuple[int, int]]) -> bool:
    """Whether the file was read by its own name."""
    try:
        state = path.lstat()
    except OSError:
        return False
    return (state.st_dev, state.st_ino) in read


def _read_file(name: str, path: str, read: set[tuple[int, int]]) -> Extraction:
    """One file of the working tree; through no link, and nothing but a regular file. `read` learns its device and number."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor that is already open
            state = os.fstat(descriptor)
            if not stat.S_ISREG(state.st_mode):
                return extract.unreadable(name, "is no regular file")
            read.add((state.st_dev, state.st_ino))
            data = file.read(MAX_READ_BYTES + 1)
    except OSError as error:
        return extract.unreadable(name, f"cannot be read: {error.strerror}", "check that it is there and its permissions")
    if len(data) > MAX_READ_BYTES:
        return extract.unreadable(name, f"has more than {MAX_READ_BYTES} bytes", "split the file, or exclude it")
    return extract.extract(name, data)


def _name(path: str, top: Path) -> str:
    """A path for people and globs: relative to the tree where it is inside."""
    shown = path.removeprefix(str(top).rstrip(os.sep) + os.sep).replace(os.sep, "/")
    return shown if shown.isascii() else os.fsencode(shown).decode("utf-8", "backslashreplace")


def _scan(found: Mapping[str, Extraction]) -> Scan:
    kept = {path: found[path] for path in sorted(found) if found[path].recognised}
    references = sum(len(extraction.uses) for extraction in kept.values())
    return Scan(kept, {"files": len(kept), "references": references})
