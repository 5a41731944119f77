"""What the refs and objects of a push really are: names that stand for other names, tags that lead to commits."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import Malformed, UsageError
from chainverify.formats.objects import parse_tag
from chainverify.formats.push import RefUpdate
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.jobs.history import Selection
from chainverify.policy.model import Policy

MAX_TAG_DEPTH: Final = 5
"""The longest chain of tags that is followed to a commit."""
MAX_SYMBOLIC_DEPTH: Final = 5
"""The longest chain of symbolic refs; git itself follows five."""
FOR: Final = "refs/for/"
"""Where some forges take proposals: `refs/for/BRANCH/TOPIC` is one for BRANCH."""
HEADS: Final = "refs/heads/"


class Target(NamedTuple):
    """The objects behind a new value of a ref: the annotated tags on the way, and the commit at the end, None for none.

    `last` is the last object that could be followed to, of kind `kind`.
    """

    tags: tuple[str, ...]
    commit: str | None
    kind: str
    last: str


class Objects:
    """Objects peeled to commits, each looked at once."""

    def __init__(self, reader: ObjectReader) -> None:
        self._reader = reader
        self._known: dict[str, Target] = {}

    def peel(self, oid: str) -> Target:
        """The annotated tags from `oid` on, and what they lead to. Raises `ObjectMissing` and `BudgetExceeded`.

        A tag is parsed as strictly as it is judged: git itself reads more than we do, and what git could follow further must
        not end here as if it led nowhere.
        """
        found = self._known.get(oid)
        if found is None:
            found = self._known[oid] = self._peel(oid)
        return found

    def _peel(self, oid: str) -> Target:
        tags: list[str] = []
        for _ in range(MAX_TAG_DEPTH + 1):
            raw = self._reader.read(oid)
            if raw.kind != "tag":
                return Target(tuple(tags), oid if raw.kind == "commit" else None, raw.kind, oid)
            tags.append(oid)
            try:
                oid = parse_tag(oid, raw.data, self._reader.repo.algorithm).target
            except Malformed:
                break
        return Target(tuple(tags), None, "tag", oid)


class Receiver(NamedTuple):
    """What is known of the side that a push goes to, where that is another repository: its refs and its default branch as they
    were before, and which of some commits it gets with the push."""

    refs: dict[str, str]
    default: str | None
    arrived: Callable[[Sequence[str]], frozenset[str]]


class Scene(NamedTuple):
    """The receiving side as it was before the push: `before` its refs, `default` the name of its default branch.

    `receiver` is None where that is this repository.
    """

    repo: Repository
    reader: ObjectReader
    objects: Objects
    before: dict[str, str]
    default: str | None
    policy: Policy
    receiver: Receiver | None = None


class Added(NamedTuple):
    """A ref with the commits it is answerable for and the tip that its content is compared with (None: with nothing).

    `revisions` are the tip and, with `^`, what was left out, for walks under other rules; `told` the same for messages, of which
    a ref may ask otherwise. `proposed` is true for a target that
    the push asks to be updated later (`refs/for/*`).
    """

    update: RefUpdate
    target: Target
    revisions: tuple[str, ...]
    told: tuple[str, ...]
    selection: Selection
    base: str | None
    proposed: bool = False


def names(
    repo: Repository, updates: Sequence[RefUpdate], before: dict[str, str], *, elsewhere: bool = False
) -> tuple[tuple[RefUpdate, bool], ...]:
    """Every update of a push under every name that it goes by, and whether that name is only proposed to be updated.

    git moves the target of a symbolic ref, whatever name the push uses, and whoever reads another symbolic ref to the same
    target sees it moved too; a proposal will be merged into its branch.

    `elsewhere` says that the refs are another repository's, whose symbolic refs nobody here knows.

    Raises `UsageError` where the push is about another state than the repository's, or gives one ref two values: what git then
    does with its parts is not what was judged.
    """
    symbolic = {} if elsewhere else _symbolic_refs(repo)
    if not elsewhere and any(update.creates for update in updates):
        symbolic |= _waiting_refs(repo)
    found: dict[tuple[str, str | None, bool], tuple[RefUpdate, bool]] = {}
    values: dict[str, str | None] = {}
    for update in updates:
        if before.get(update.ref) != update.old:
            at = before.get(update.ref) or "nothing"
            raise UsageError(f"{update.ref} is at {at}, the push says {update.old or 'nothing'}", hint="fetch, and push again")
        for ref in (update.ref,) if elsewhere else _aliases(repo, update.ref, symbolic):
            if values.setdefault(ref, update.new) != update.new:
                raise UsageError(f"the push gives {ref} two values under different names", hint="push one of them")
            found.setdefault((ref, update.new, False), (update._replace(ref=ref), False))
        if update.ref.startswith(FOR) and update.new is not None:
            branch = _proposed(update.ref, before)
            for ref in ((branch,) if elsewhere else _aliases(repo, branch, symbolic)) if branch else ():
                proposal = RefUpdate(ref, before.get(ref, before.get(branch or "")), update.new)
                found.setdefault((ref, update.new, True), (proposal, True))
    return tuple(found.values())


def _symbolic_refs(repo: Repository) -> dict[str, str]:
    """The symbolic refs that lead somewhere, and what they stand for."""
    listed = repo.run("for-each-ref", "--format=%(refname) %(symref)").decode("utf-8", "backslashreplace")
    pairs = (line.split(" ", 1) for line in listed.split("\n") if " " in line)
    return {ref: target for ref, target in pairs if target}


def _waiting_refs(repo: Repository) -> dict[str, str]:
    """The symbolic refs that may lead nowhere yet, which git does not list: they will lead to what is created."""
    found: dict[str, str] = {}
    for directory, _, files in os.walk(repo.common_dir / "refs"):
        for name in files:
            ref = (Path(directory) / name).relative_to(repo.common_dir).as_posix()
            target = _dangling(repo, ref)
            if target is not None:
                found[os.fsencode(ref).decode("utf-8", "backslashreplace")] = target
    return found


def _aliases(repo: Repository, ref: str, symbolic: dict[str, str]) -> tuple[str, ...]:
    """A ref, what it stands for, and all symbolic refs that stand for one of these."""
    found = {ref: None}
    for _ in range(MAX_SYMBOLIC_DEPTH):
        target = symbolic.get(ref) or _dangling(repo, ref)
        if target is None:
            break
        ref = target
        found[ref] = None
    grown = True
    while grown:
        more = [alias for alias, target in symbolic.items() if target in found and alias not in found]
        found.update(dict.fromkeys(more))
        grown = bool(more)
    return tuple(found)


def _dangling(repo: Repository, ref: str) -> str | None:
    """What a symbolic ref stands for that does not exist yet (git lists no such ref); None for an ordinary one."""
    if not (repo.common_dir / "reftable").is_dir():
        # an ordinary ref is a file with an object id, or in packed-refs, where no symbolic ref can be
        try:
            text = (repo.common_dir / ref).read_bytes()[:4096]
        except OSError:
            return None
        return text[4:].decode("utf-8", "backslashreplace").strip() if text.startswith(b"ref:") else None
    try:
        return repo.run("symbolic-ref", "-q", ref).decode("utf-8", "backslashreplace").strip() or None
    except UsageError:
        return None


def _proposed(ref: str, before: dict[str, str]) -> str | None:
    """The branch that a proposal is for: the longest existing one that its name starts with."""
    parts = ref.removeprefix(FOR).split("/")
    for end in range(len(parts), 0, -1):
        branch = HEADS + "/".join(parts[:end])
        if branch in before:
            return branch
    return None


def arrived(repo: Repository, oids: Sequence[str]) -> frozenset[str]:
    """The commits that came with this push: those that no ref led to before it.

    That an object lay on the disk proves nothing: git keeps whatever an accepted pack held beside what its refs needed.
    """
    if not oids:
        return frozenset()
    earlier = repo.before_push()
    there = earlier.present(oids)
    if not there:
        return frozenset(oids)
    try:
        loose = earlier.run("rev-list", "--stdin", "--not", "--all", stdin="".join(f"{oid}\n" for oid in there).encode())
    except UsageError:
        return frozenset(oids)
    return frozenset(oids) - (there - frozenset(loose.decode("ascii", "replace").split("\n")))


def is_new(repo: Repository, oid: str) -> bool:
    """Whether a commit was nowhere in the repository before the push: only then does whoever signed it mean this push."""
    return not repo.before_push().present((oid,))
