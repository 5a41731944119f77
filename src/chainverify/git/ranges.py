"""Which commits a range holds, by git's own walk, and by ours where git refuses to walk over a damaged commit.

git's walk is guided by the commits' dates: where a clock was wrong it may end before it has seen that what it listed is
excluded. That is found out by asking for ancestry without dates, and put right.

The caller checks the answer against the raw parents of what was listed (`jobs.history`): a cache that lies about parents
can leave commits out of git's walk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from chainverify.errors import BudgetExceeded, ObjectMissing, Unavailable, UsageError
from chainverify.formats.objects import object_id
from chainverify.git.objects import Answer, ObjectReader
from chainverify.git.repository import Repository

MAX_COMMITS: Final = 20_000_000
"""The most commits of one range."""
MAX_ASKED: Final = 16
"""For how many commits ancestry is asked one by one; for more, one walk over all of the excluded history costs less."""
MAX_TIPS: Final = 1000
"""The most excluded tips that are given to git as arguments at once; above them all of their history is walked."""
_match_parents: Final = re.compile(rb"tree [0-9a-f]+\n((?:parent [0-9a-f]+\n)*)").match


def commits(repo: Repository, include: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    """Ids of the commits reachable from `include` and not from `exclude`, parents before children.

    Both hold revisions; full ids are taken as they are. A commit that is missing, or so damaged that its parents cannot
    be read, is listed and not walked past: judging it says what is wrong.

    Raises `UsageError` for an unknown revision, `ObjectMissing` where a tip is not in the repository.
    """
    if not include:
        return ()
    wanted = [_full(repo, revision) for revision in include]
    unwanted = [_full(repo, revision) for revision in exclude]
    # on standard input only full ids are written, so no line can be an option
    lines = "".join([f"{oid}\n" for oid in wanted] + [f"^{oid}\n" for oid in unwanted])
    try:
        if not unwanted:
            found = repo.run("rev-list", "--topo-order", "--reverse", "--stdin", stdin=lines.encode())
            return tuple(found.decode("ascii").split())
        found = repo.run("rev-list", "--topo-order", "--reverse", "--parents", "--stdin", stdin=lines.encode())
        listed = {oid: named for oid, *named in map(str.split, found.decode("ascii").splitlines())}
        if _holds_excluded(repo, listed, unwanted):
            hidden = repo.run("rev-list", "--stdin", stdin="".join(f"{oid}\n" for oid in unwanted).encode())
            for oid in hidden.decode("ascii").split():
                listed.pop(oid, None)
    except UsageError:
        return walk(repo, wanted, unwanted)
    return tuple(listed)


def _holds_excluded(repo: Repository, listed: Mapping[str, Sequence[str]], unwanted: Sequence[str]) -> bool:
    """Whether git listed a commit that an excluded one descends from; `listed` has the parents of each. May say yes too often.

    It is enough to ask for the lowest ones, whose parents are not listed: below a commit that should not be there lies one of
    them, and it is an ancestor of what excludes the other.
    """
    lowest = [oid for oid, named in listed.items() if listed.keys().isdisjoint(named)]
    if len(lowest) > MAX_ASKED or len(unwanted) > MAX_TIPS:
        return True
    return any(repo.is_ancestor(oid, *unwanted) for oid in lowest)


def walk(repo: Repository, include: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
    """As `commits`, by raw parents, slower and with all of the excluded history read too; takes full ids only."""
    with ObjectReader(repo) as reader:
        hidden = _reachable(reader, [_peeled(reader, oid) for oid in exclude], {})
        shown = _reachable(reader, [_peeled(reader, oid) for oid in include], hidden)
    return tuple(_parents_first(shown))


def not_in_history(repo: Repository, wanted: Iterable[str], tips: Sequence[str]) -> frozenset[str]:
    """Those of `wanted` that the history of `tips` was not seen to hold, by raw parents of commits whose ids are right.

    git takes an object for what its name says: where another one lies under that name, its walk follows parents that nobody ever
    committed, and calls history excluded that is not. All are full ids of commits; reading ends as soon as all are found.
    """
    left = frozenset(wanted).difference(tips)
    if not left:
        return left
    with ObjectReader(repo) as reader:
        return left.difference(_reachable(reader, [_peeled(reader, oid) for oid in tips], {}, until=left))


def reaches(repo: Repository, tip: str, ancestor: str) -> bool:
    """Whether `ancestor` is in the history of `tip`, or is it; both are full ids of commits.

    Where git refuses to tell over damage on the way, raw parents do, past what is malformed. Raises `Unavailable` where it was
    not found and an object cannot be read, behind which it may be.
    """
    try:
        return repo.is_ancestor(ancestor, tip)
    except UsageError:
        lost: list[Unavailable] = []
        with ObjectReader(repo) as reader:
            found = _reachable(reader, [_peeled(reader, tip)], {}, until=frozenset((ancestor,)), lost=lost)
    if ancestor not in found and lost:
        raise lost[0] from None
    return ancestor in found


def parents(reader: ObjectReader, oid: str) -> tuple[str, ...]:
    """The parents that a commit's raw bytes name, whatever else is wrong with it. Raises `ObjectMissing`."""
    return _parents(reader.read(oid).data, reader.repo)


def _parents(data: bytes, repo: Repository) -> tuple[str, ...]:
    start = _match_parents(data)
    lines = start[1].split(b"\n") if start else []
    found = (line[7:].decode("ascii") for line in lines)
    return tuple(parent for parent in found if repo.is_oid(parent))


def _full(repo: Repository, revision: str) -> str:
    return revision if repo.is_oid(revision) else repo.resolve(revision)


def _peeled(reader: ObjectReader, oid: str) -> str:
    """The commit that a tip is or, as a tag, leads to."""
    try:
        return reader.read(oid + "^{commit}").oid
    except ObjectMissing:
        # a commit git itself cannot peel, because it is damaged, is still one to be judged
        if reader.read(oid).kind == "commit":
            return oid
        raise


def _reachable(
    reader: ObjectReader,
    tips: Iterable[str],
    without: dict[str, tuple[str, ...]],
    *,
    until: frozenset[str] = frozenset(),
    lost: list[Unavailable] | None = None,
) -> dict[str, tuple[str, ...]]:
    """Raw parents of every commit reachable from `tips`, not going into `without`; level by level, so reading is pipelined.

    A commit whose content has another id is not walked past. It may end early where all of `until` are found. `lost` gets the
    errors for what could not be read.
    """
    found: dict[str, tuple[str, ...]] = {}
    missing = set(until)
    level = [oid for oid in dict.fromkeys(tips) if oid not in without]
    while level:
        found.update(dict.fromkeys(level, ()))
        missing.difference_update(level)
        if until and not missing:
            break
        if len(found) > MAX_COMMITS:
            raise BudgetExceeded(f"the range has more than {MAX_COMMITS} commits")
        coming: dict[str, None] = {}
        for oid, given in zip(level, reader.stream(level), strict=True):
            answer = _whole(oid, given, reader.repo)
            if isinstance(answer, Unavailable):
                if lost is not None:
                    lost.append(answer)
                continue
            if answer.kind != "commit":
                continue
            named = _parents(answer.data, reader.repo)
            found[oid] = named
            coming.update(dict.fromkeys(parent for parent in named if parent not in found and parent not in without))
        level = list(coming)
    return found


def _whole(oid: str, answer: Answer, repo: Repository) -> Answer:
    """The answer for an object, the error where its content has another id."""
    if isinstance(answer, Unavailable) or object_id(answer.kind, answer.data, repo.algorithm) == oid:
        return answer
    return Unavailable(f"object {oid} has the content of another one", hint="run git fsck")


def _parents_first(graph: dict[str, tuple[str, ...]]) -> Iterator[str]:
    """The commits of a graph, each after its parents (those of them that are in the graph)."""
    done: set[str] = set()
    for tip, first in graph.items():
        stack: list[tuple[str, Iterator[str]]] = [(tip, iter(first))] if tip not in done else []
        done.add(tip)
        while stack:
            oid, parents = stack[-1]
            parent = next((parent for parent in parents if parent in graph and parent not in done), None)
            if parent is None:
                stack.pop()
                yield oid
            else:
                done.add(parent)
                stack.append((parent, iter(graph[parent])))
