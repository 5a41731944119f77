"""A push that is about to leave, judged as the receiving server will: with its refs as this clone knows them, by its policy.

What is known of the other side: the refs that git was told when it connected (those of this push), and the remote-tracking refs
for all others. The policy is the one at the tip that the remote's default branch had, as a server takes it; where that is not
known, the worktree's. Not known, and said by whoever reports: who pushes, when it arrives, and a file of the server's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import ObjectMissing, PolicyMissing, Unavailable, UsageError
from chainverify.formats.push import RefUpdate
from chainverify.git.repository import Repository
from chainverify.jobs import policies
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.pushed import Receiver
from chainverify.jobs.validate import refuse_observed

TRACKING: Final = "refs/remotes/"


class Remote(NamedTuple):
    """What this clone knows of a remote: its `name` ("" for one that has none here), its refs, and its default branch."""

    name: str
    refs: Mapping[str, str]
    default: str | None


class Chosen(NamedTuple):
    """The policy of a push, None where there is none, and why it is not the one of the remote's default branch (empty: it is)."""

    loaded: LoadedPolicy | None
    why: str = ""


def known(repo: Repository, name: str, url: str) -> Remote:
    """The remote that git calls `name` in a pre-push hook; git says its URL where it has no name, and another may have it."""
    config = _config(repo)
    names = {key.split(".", 1)[1].rpartition(".")[0] for key, _ in config}
    if name not in names:
        urls = {value: key[7:].rpartition(".")[0] for key, value in config if key.endswith((".url", ".pushurl"))}
        name = urls.get(url, "")
    refs: dict[str, str] = {}
    specs = [value for key, value in config if name and key == f"remote.{name}.fetch"]
    tracking = dict(repo.refs(TRACKING[:-1]))
    head = f"{TRACKING}{name}/HEAD"
    for ref, oid in tracking.items():
        there = _there(ref, specs)
        if there is not None and ref != head:
            refs[there] = oid
    default = None
    if name and head in tracking:
        try:
            default = _there(repo.run("symbolic-ref", "-q", head).decode("utf-8", "backslashreplace").strip(), specs)
        except UsageError:
            default = None  # a remote whose HEAD is detached has none
    return Remote(name, refs, default)


def _config(repo: Repository) -> list[tuple[str, str]]:
    try:
        listed = repo.run("config", "-z", "--get-regexp", r"^remote\..*\.(url|pushurl|fetch)$")
    except UsageError:
        return []  # git fails where there is no such value
    pairs = (each.partition("\n") for each in listed.decode("utf-8", "backslashreplace").split("\0"))
    return [(key, value) for key, _, value in pairs if key]


def _there(ref: str, specs: Iterable[str]) -> str | None:
    """The remote's name for a remote-tracking ref, by the refspecs that fetch it (`+refs/heads/*:refs/remotes/origin/*`)."""
    for spec in specs:
        source, colon, target = spec.removeprefix("+").partition(":")
        if not colon or not target.startswith(TRACKING) or source.startswith("^"):
            continue
        if "*" not in target:
            if ref == target:
                return source
            continue
        start, _, end = target.partition("*")
        if len(ref) > len(start) + len(end) and ref.startswith(start) and ref.endswith(end):
            return source.replace("*", ref[len(start) : len(ref) - len(end)], 1)
    return None


def receiver(repo: Repository, remote: Remote, updates: Sequence[RefUpdate]) -> Receiver:
    """The other side before the push.

    Raises `Unavailable` where it has a commit at a pushed ref that is not here: what the push adds to it cannot be told then.
    """
    refs = dict(remote.refs)
    olds = {update.old: update for update in updates if update.old is not None}
    here = repo.present(olds) if olds else frozenset()
    for oid, update in olds.items():
        if oid not in here and update.new is not None:
            raise Unavailable(
                f"{update.ref} is at {oid} on the remote, and that commit is not here: what the push adds cannot be told",
                hint=f"fetch first: git fetch {remote.name or 'URL'}",
            )
    for update in updates:
        if update.old is None:
            refs.pop(update.ref, None)
        else:
            refs[update.ref] = update.old  # where it is not here it is deleted, and nobody looks into it
    hidden = [oid for oid in dict.fromkeys(refs.values()) if oid in here or oid not in olds]

    def arrived(oids: Sequence[str]) -> frozenset[str]:
        if not oids:
            return frozenset()
        lines = "".join([f"{oid}\n" for oid in oids] + [f"^{oid}\n" for oid in hidden])
        new = repo.run("rev-list", "--stdin", stdin=lines.encode()).decode("ascii", "replace").split("\n")
        return frozenset(oids) & frozenset(new)

    return Receiver(refs, remote.default, arrived)


def policy(repo: Repository, remote: Remote, other: Receiver, environ: Mapping[str, str]) -> Chosen:
    """The policy that the server will take, as far as that is known here. Raises `PolicyError` for one that cannot be used."""
    named = environ.get(policies.VARIABLE)
    if named:
        return Chosen(policies.from_file(Path(named), worktree=repo.worktree), f"{policies.VARIABLE} names another")
    tip = other.refs.get(other.default or "")
    if tip is None:
        why = f"the default branch of {remote.name or 'the remote'} is not known here"
        if remote.name:
            why += f" (git remote set-head {remote.name} --auto)"
    else:
        shown = f"{remote.name}/{(other.default or '').removeprefix('refs/heads/')} ({tip[:12]})"
        try:
            loaded = policies.from_revision(repo, tip, shown=shown)
        except (PolicyMissing, ObjectMissing):
            why = f"there is none at {shown}, where a server looks for it"
        else:
            refuse_observed(loaded)
            return Chosen(loaded)
    try:
        return Chosen(policies.from_worktree(repo), why)
    except PolicyMissing:
        return Chosen(None, why)
