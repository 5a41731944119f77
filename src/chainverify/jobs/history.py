"""Who made a history: which commits a request means, and the verdict on each of them and on tags.

A commit's parents are taken from its raw bytes, and what they name must have been judged or excluded: a walk that was led
astray (by a shallow clone, or a cache that lies) ends as `history-incomplete`, never as a pass.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from chainverify.errors import (
    BackendCrashed,
    ChainverifyError,
    HistoryIncomplete,
    Malformed,
    ObjectMissing,
    Unavailable,
    UsageError,
)
from chainverify.formats.objects import Algorithm, object_id, parse_commit, parse_tag
from chainverify.git import ranges
from chainverify.git.objects import Answer, ObjectReader
from chainverify.git.repository import Repository
from chainverify.jobs import limits, lineage, parallel
from chainverify.jobs.lineage import Graph
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.processors import processors
from chainverify.model.gitobject import Commit, Tag
from chainverify.model.report import FAIL, PASS, Finding, Subject
from chainverify.model.signing import Clock, Evidence, SignatureOptions, SigningMaterial
from chainverify.policy.material import signing_material
from chainverify.policy.model import Policy
from chainverify.rules import signatures as rules_of
from chainverify.rules.signatures import SignatureRules
from chainverify.signatures import backends
from chainverify.signatures.backends import Keyrings

if TYPE_CHECKING:
    from chainverify.jobs.factcache import FactCache, Learned
    from chainverify.signatures.facts import Fact
    from chainverify.signatures.gnupg import SecondOpinion

MIN_PARALLEL: Final = 400
"""Commits from which worker processes are worth their start."""
CHUNK: Final = 200
"""Commits that a worker judges at a time."""
MAX_JOBS: Final = 64
"""The most worker processes."""
MAX_TAG_DEPTH: Final = 5
"""The longest chain of tags that point at tags."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many are judged, and how many there are."""


class Selection(NamedTuple):
    """The commits that a request means, parents first, and what was found out while selecting them.

    `exclude` are full ids: what is reachable from them was left out on purpose. `findings` are `history-not-anchored` and
    `history-incomplete`. `tips` are the commits that were asked for themselves.
    """

    oids: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    tips: tuple[str, ...] = ()


class Verdicts(NamedTuple):
    """Findings in the order of what was judged, how many subjects of each kind that was, and the parents of judged commits."""

    findings: list[Finding]
    counts: dict[str, int]
    graph: Graph = MappingProxyType({})


class Context(NamedTuple):
    """All that one commit or tag is judged by."""

    algorithm: Algorithm
    rules: SignatureRules
    keyrings: Keyrings
    options: SignatureOptions
    now: int
    arrival: int | None
    arrived: frozenset[str] | None = None
    facts: FactCache | None = None
    second: SecondOpinion | None = None


class Judged(NamedTuple):
    """The findings on a chunk of commits, the parents of each that could be read, and the facts that were found out."""

    findings: list[Finding]
    parents: dict[str, tuple[str, ...]]
    learned: list[Learned]


def select(repo: Repository, revisions: Sequence[str], policy: Policy, facts: FactCache | None = None) -> Selection:
    """The commits that `revisions` mean, as git reads them: `A..B`, `A...B`, `^A`, `B^!`, and `B` for all of its history.

    Without revisions: the history of HEAD. The introduction of the policy and what came before it are left out; a tip that
    neither descends from it nor came before it is `history-not-anchored`.

    `facts` spare the walk where they know all of the commits: by their raw parents, which no cache or graft can change.

    Raises `UsageError` for revisions that are unknown or hold no tip.
    """
    return _select(repo, revisions, policy.commits.introduction if policy.commits else None, facts)


def select_messages(repo: Repository, revisions: Sequence[str], policy: Policy) -> Selection:
    """As `select`, for messages: what came before `[messages] introduction` is left out."""
    return _select(repo, revisions, policy.messages.introduction if policy.messages else None)


def _select(
    repo: Repository, revisions: Sequence[str], introduction: str | None, facts: FactCache | None = None
) -> Selection:
    include, exclude = tips(repo, revisions)
    cut = repo.incomplete()
    findings: list[Finding] = []
    if cut is not None and include:
        findings.append(_incomplete(include[0], f"history may be cut: {cut}"))
    if introduction is not None and include:
        if _known(repo, introduction):
            findings += _not_anchored(repo, include, introduction, cut)
            exclude = [*exclude, introduction]
        else:
            findings += [_anchor_missing(tip, introduction, cut) for tip in include]
    exclude = list(dict.fromkeys(exclude))
    oids = None
    if facts is not None and cut is None and len(include) == 1 and len(exclude) <= 1:
        oids = facts.walk(include[0], exclude[0] if exclude else None)
    if oids is None:
        oids = ranges.commits(repo, include, exclude)
    return Selection(oids, tuple(exclude), tuple(findings), tuple(include))


def check_commits(
    repo: Repository,
    selection: Selection,
    policy: Policy,
    material: SigningMaterial,
    now: int,
    *,
    arrival: int | None = None,
    arrived: frozenset[str] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    facts: FactCache | None = None,
    second: SecondOpinion | None = None,
) -> Verdicts:
    """The verdict on every commit of a selection, in its order; counts hold `commits`.

    `now` and `arrival` are seconds since the epoch; `arrival` is when a server received the objects, None elsewhere. `arrived`
    are the ones that it received then (None: all); those that it had before are judged by what they claim. `jobs` is the
    number of worker processes (default: one for each processor); small selections are judged in this process. `facts` spare what
    they know of, and get what is found out. A `second` opinion is asked for each OpenPGP signature that is good, one after the
    other; facts, which hold no signature to ask about, are not used then.

    Raises `PolicyError` for a key that cannot be used. What cannot be read is a finding.
    """
    facts = facts if second is None else None
    context = _context(repo, policy, material, now, arrival)._replace(arrived=arrived, facts=facts, second=second)
    oids = selection.oids
    judged: list[Finding] = []
    graph: dict[str, tuple[str, ...]] = {}
    done = 0
    with _uncollected():
        for chunk, result in _judge_all(repo, oids, context, 1 if second is not None else _jobs(jobs)):
            judged += result.findings
            graph.update(result.parents)
            if facts is not None:
                facts.add(result.learned)
            done += len(chunk)
            if progress is not None:
                progress(done, len(oids))
    judged = _related(repo, selection, limits.check(repo, judged, context.rules), graph, context, policy)
    findings = [*selection.findings, *judged]
    outside = {*selection.tips, *(parent for parents in graph.values() for parent in parents)}.difference(oids)
    unlisted = _unlisted(repo, outside, selection.exclude)
    if unlisted is not None and oids:
        findings.append(_incomplete(oids[-1], unlisted))
    return Verdicts(findings, {"commits": len(oids)}, graph)


def check_tags(
    repo: Repository,
    refs: Sequence[tuple[str, str]],
    policy: Policy,
    material: SigningMaterial,
    now: int,
    *,
    arrival: int | None = None,
    progress: Progress | None = None,
    second: SecondOpinion | None = None,
) -> Verdicts:
    """The verdict on tag refs, given as full name and object id (`Repository.refs`); counts hold `tags`.

    The commits they lead to are not judged here. Under `[tags] require = "off"` nothing is asked. Raises as `check_commits`.
    """
    if policy.tags == "off" or not refs:
        return Verdicts([], {"tags": 0})
    context = _context(repo, policy, material, now, arrival)._replace(second=second)
    findings: list[Finding] = []
    with ObjectReader(repo) as reader:
        for done, (ref, oid) in enumerate(refs, 1):
            findings += rules_of.remade(_judge_tag_ref(reader, ref, oid, context), ref)
            if progress is not None:
                progress(done, len(refs))
    return Verdicts(findings, {"tags": len(refs)})


# --- selecting


def tips(repo: Repository, revisions: Sequence[str]) -> tuple[list[str], list[str]]:
    """Ids of the commits that revisions include, and of those that they exclude, with all of their history.

    Without revisions: HEAD, or nothing on a branch without commits. Raises `UsageError`.
    """
    if not revisions:
        tip = _head(repo)
        return ([tip] if tip else []), []
    include: list[str] = []
    exclude: list[str] = []
    for revision in revisions:
        # one argument may hold several, as in "^main HEAD"; others may hold spaces, as in "main@{1 day ago}"
        several = revision.startswith("^") or " ^" in revision
        for part in revision.split() if several else [revision]:
            if part.startswith("^"):
                exclude.append(_commit(repo, part[1:]))
            elif "..." in part:
                first, _, second = part.partition("...")
                both = [_commit(repo, first or "HEAD"), _commit(repo, second or "HEAD")]
                include += both
                exclude += repo.run("merge-base", "--all", *both).decode("ascii").split()
            elif ".." in part:
                first, _, second = part.partition("..")
                exclude.append(_commit(repo, first or "HEAD"))
                include.append(_commit(repo, second or "HEAD"))
            elif part.endswith("^!"):
                tip = _commit(repo, part[:-2])
                include.append(tip)
                with ObjectReader(repo) as reader:
                    exclude += ranges.parents(reader, tip)
            else:
                include.append(_commit(repo, part))
    if not include:
        raise UsageError(f"no tip in {' '.join(revisions)}", hint="name a commit to start from, for example ^main HEAD")
    return list(dict.fromkeys(include)), list(dict.fromkeys(exclude))


def _commit(repo: Repository, revision: str) -> str:
    """The commit that a revision is, or as a tag leads to. Raises `UsageError`."""
    oid = repo.resolve(revision)
    try:
        return repo.resolve(f"{oid}^{{commit}}")
    except UsageError:
        with ObjectReader(repo) as reader:
            # git cannot peel a commit that is damaged; it is still one to be judged
            if reader.read(oid).kind == "commit":
                return oid
        raise UsageError(f"{revision!r} is not a commit") from None


def _head(repo: Repository) -> str | None:
    """The commit of HEAD, None on a branch without commits."""
    try:
        return _commit(repo, "HEAD")
    except UsageError:
        branch = repo.head_ref()
        if branch is not None and not repo.refs(branch):
            return None
        raise


def _known(repo: Repository, oid: str) -> bool:
    try:
        return repo.is_oid(oid) and repo.resolve(oid) == oid
    except UsageError:
        return False


def _not_anchored(repo: Repository, tips: Sequence[str], introduction: str, cut: str | None) -> Iterator[Finding]:
    """Findings for the tips that the introduction is not in the history of, or that cannot be told to have it there."""
    for tip in tips:
        lost: Unavailable | None = None
        for start, end in ((tip, introduction), (introduction, tip)):
            try:
                if ranges.reaches(repo, start, end):
                    break
            except Unavailable as error:
                lost = lost or error
        else:
            yield _unanchored(tip, introduction, cut, lost)


def _unanchored(tip: str, introduction: str, cut: str | None, lost: Unavailable | None) -> Finding:
    """The finding on a tip that leads to no introduction: not decided where history is cut, or could not be read (`lost`)."""
    untold = f"whether it descends from the introduction {introduction} cannot be told"
    if cut is not None:
        return _incomplete(tip, f"{untold}: {cut}")
    if lost is not None:
        return _incomplete(tip, f"{untold}: {lost.message}", lost.hint)
    return Finding(
        "history-not-anchored",
        FAIL,
        Subject("commit", tip),
        f"the introduction {introduction} is not an ancestor of {tip}",
        "check that this is the right repository and branch; a new history needs a new introduction",
    )


def _anchor_missing(tip: str, introduction: str, cut: str | None) -> Finding:
    if cut is not None:
        return _incomplete(tip, f"the introduction {introduction} is not here: {cut}")
    return Finding(
        "history-not-anchored",
        FAIL,
        Subject("commit", tip),
        f"the introduction {introduction} is not in this repository",
        "check that this is the right repository, and [commits] introduction in the policy",
    )


def _incomplete(tip: str, why: str, hint: str = "") -> Finding:
    hint = hint or "git fetch --unshallow (in CI: fetch-depth: 0) gets all of it; remove grafts"
    error = HistoryIncomplete(why, hint=hint)
    return rules_of.from_error(Subject("commit", tip), error)


def _unlisted(repo: Repository, outside: set[str], exclude: Sequence[str]) -> str | None:
    """Why the commits that were judged are not all of their history, None where every tip and parent was judged or excluded."""
    if not outside:
        return None
    if not exclude:
        return f"{min(outside)} is a parent of what was judged, but git's walk left it out"
    try:
        left_out = ranges.commits(repo, sorted(outside), exclude)
    except ObjectMissing as error:
        return f"a parent of what was judged is missing: {error.message}"
    if left_out:
        return f"{left_out[-1]} is a parent of what was judged, but git's walk left it out"
    unproved = ranges.not_in_history(repo, outside, exclude)
    return f"git's walk left {min(unproved)} out, which is not in the history of what is excluded" if unproved else None


# --- commits


def _related(  # noqa: PLR0917
    repo: Repository, selection: Selection, findings: list[Finding], graph: Graph, context: Context, policy: Policy
) -> list[Finding]:
    """The findings under the policy's merge rule, which looks at how commits are related."""
    commits = context.rules.commits
    if commits.merge_rule == "any-parent":
        good, limited = limits.vouching(findings, context.rules)
        counted = lineage.counting(selection.oids, graph, good, limited, anchored=commits.introduction is not None)
        return lineage.excuse(findings, selection.oids, graph, selection.tips, counted)
    if commits.merge_rule == "all-parents":

        def judging(loaded: LoadedPolicy) -> lineage.Judge:
            material = signing_material(loaded.policy, loaded.read)
            under = _context(repo, loaded.policy, material, context.now, context.arrival)._replace(arrived=context.arrived)
            return lambda reader, oid: limits.check(repo, _judge_chunk(reader, (oid,), under).findings, under.rules)

        return lineage.under_parents(repo, findings, graph, judging, policy)
    return findings


def _context(repo: Repository, policy: Policy, material: SigningMaterial, now: int, arrival: int | None) -> Context:
    rules = rules_of.prepare(policy)
    keyrings = backends.load(material)
    options = SignatureOptions(
        rules.commits.key_validity, rules.commits.sha1_before, rules.commits.ssh_require, rules.commits.dsa_before
    )
    return Context(repo.algorithm, rules, keyrings, options, now, arrival)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for cycles, of which findings have none: over a long history that would be a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _jobs(wanted: int | None) -> int:
    return max(1, min(MAX_JOBS, processors() if wanted is None else wanted))


def _judge_all(
    repo: Repository, oids: tuple[str, ...], context: Context, jobs: int
) -> Iterator[tuple[tuple[str, ...], Judged]]:
    """Each chunk of commits with its verdict, in order."""
    places = range(0, len(oids), CHUNK)

    @contextlib.contextmanager
    def opened() -> Iterator[Callable[[int], _Columns]]:
        # a worker has all of the ids: it is told only where to start
        with ObjectReader(repo) as reader:
            yield lambda at: _columns(_judge_chunk(reader, oids[at : at + CHUNK], context))

    if jobs == 1 or len(oids) < MIN_PARALLEL or not parallel.available():
        with ObjectReader(repo) as reader:
            for at in places:
                chunk = oids[at : at + CHUNK]
                yield chunk, _judge_chunk(reader, chunk, context)
        return
    for at, result in zip(places, parallel.in_order(opened, places, jobs), strict=True):
        chunk = oids[at : at + CHUNK]
        if isinstance(result, parallel.Lost):
            crash = BackendCrashed(f"the commit was not judged: {result.reason}", hint="run again with --jobs 1, and report it")
            yield chunk, Judged([rules_of.from_error(Subject("commit", oid), crash) for oid in chunk], {}, [])
        else:
            findings, subjects, parents, found = result
            findings[2] = map(Subject, *subjects)
            yield chunk, Judged(list(map(Finding, *findings)), parents, found)


_Columns: TypeAlias = tuple[list[Iterable[Any]], list[Iterable[Any]], dict[str, tuple[str, ...]], list["Learned"]]
"""What a worker sends: the fields of all findings, and of their subjects. Pickled as plain tuples they cost half."""


def _columns(judged: Judged) -> _Columns:
    fields: list[Iterable[Any]] = list(zip(*judged.findings, strict=True))
    subjects: list[Iterable[Any]] = list(zip(*(each.subject for each in judged.findings), strict=True))
    fields[2] = ()
    return fields, subjects, judged.parents, judged.learned


def _judge_chunk(reader: ObjectReader, oids: Sequence[str], context: Context) -> Judged:
    judged = Judged([], {}, [])
    recalled = {oid: found for oid in oids if (found := _recall(oid, context, judged.parents)) is not None}
    unknown = [oid for oid in oids if oid not in recalled] if recalled else oids
    answers = reader.stream(unknown)
    asked = 0
    for oid in oids:
        if oid in recalled:
            judged.findings.extend(recalled[oid])
            continue
        asked += 1
        try:
            answer = next(answers)
        except ChainverifyError as error:
            # git itself cannot be run any more; the same holds for the commits that follow
            judged.findings.append(rules_of.from_error(Subject("commit", oid), error))
            answers = reader.stream(unknown[asked:])
            continue
        judged.findings.extend(_judge_commit(oid, answer, context, judged))
    return judged


def _recall(oid: str, context: Context, parents: dict[str, tuple[str, ...]]) -> list[Finding] | None:
    """The findings on a commit whose signature is known to be good, None for one that must be read."""
    known = context.facts.get(oid) if context.facts is not None else None
    if known is None:
        return None
    rules = context.rules
    subject = Subject("commit", oid, known.title)
    excused = rules_of.excused(subject, rules)
    if excused is not None:
        parents[oid] = known.parents
        return [excused]
    named = rules_of.Named(known.committer, known.author, known.notes)
    clock = _clock(oid, known.committer.time, context)
    try:
        evidence = backends.recall(known.fact, context.keyrings, clock, context.options, rules.commits.formats)
    except ChainverifyError as error:
        parents[oid] = known.parents
        return rules_of.refused(subject, named, error, clock, rules)
    if evidence is None:
        return None
    parents[oid] = known.parents
    return rules_of.judge(subject, named, evidence, clock, rules)


def _clock(oid: str, claimed: int, context: Context) -> Clock:
    arrival = context.arrival if context.arrived is None or oid in context.arrived else None
    return Clock(claimed, context.now, arrival)


def _judge_commit(oid: str, answer: Answer, context: Context, judged: Judged) -> list[Finding]:
    """The findings on one commit; its parents, and what is to be remembered of it, are entered into `judged`."""
    subject = Subject("commit", oid)
    rules = context.rules
    facts: list[Fact] = []
    try:
        if isinstance(answer, ChainverifyError):
            raise answer
        if answer.kind != "commit":
            raise Malformed(f"object {oid} is a {answer.kind}, expected a commit")
        commit = parse_commit(oid, answer.data, context.algorithm)
        subject = rules_of.commit_subject(commit)
        judged.parents[oid] = commit.parents
        excused = rules_of.excused(subject, rules)
        if excused is not None:
            return [excused]
        if commit.signature is None:
            return [rules_of.unsigned_commit(subject)]
        clock = _clock(oid, commit.committer.time, context)
        keep = None if context.facts is None or commit.mergetags else facts.append
    except ChainverifyError as error:
        excused = rules_of.excused(subject, rules)
        return [excused] if excused is not None else rules_of.unread(subject, error, rules)
    try:
        evidence = _prove(commit.payload, commit.signature, clock, context, keep)
    except ChainverifyError as error:
        named = rules_of.Named(commit.committer, commit.author, commit.notes)
        return rules_of.refused(subject, named, error, clock, rules)
    if facts:
        judged.learned.append(_learned(commit, subject.title, facts[0]))
    if commit.mergetags:
        commit = commit._replace(notes=(*commit.notes, *_merged_tags(commit, context)))
    return rules_of.judge_commit(commit, evidence, clock, rules, subject)


def _learned(commit: Commit, title: str, fact: Fact) -> Learned:
    from chainverify.jobs.factcache import learned

    return learned(commit, title, fact)


def _prove(
    payload: bytes, signature: bytes, clock: Clock, context: Context, keep: Callable[[Fact], None] | None = None
) -> Evidence:
    """Proof that a key of the policy made a signature, and the second opinion where one is asked for. Raises as both do.

    `keep` is called with the cryptographic fact, where it is one to keep.
    """
    evidence = backends.verify(
        payload, signature, context.keyrings, clock, context.options, context.rules.commits.formats, keep
    )  # fmt: skip
    if context.second is not None and evidence.format == "openpgp":
        context.second.confirm(payload, signature, evidence)
        evidence = evidence._replace(notes=(*evidence.notes, "second-opinion:gnupg"))
    return evidence


def _merged_tags(commit: Commit, context: Context) -> Iterator[str]:
    """What is to be noted of the tags that a merge quotes: whose signature each has, or why it is nobody's.

    The merge's own signature covers them, so what is wrong with one is its maker's to answer for, and no failure.
    """
    for raw in commit.mergetags[: len(commit.parents)]:
        try:
            tag = parse_tag(object_id("tag", raw, context.algorithm), raw, context.algorithm)
            if tag.target not in commit.parents:
                yield "mergetag-unverified:target"
            elif tag.signature is None:
                yield "mergetag-unverified:unsigned"
            else:
                clock = Clock(tag.tagger.time if tag.tagger else 0, context.now)
                proof = _prove(tag.payload, tag.signature, clock, context)
                found = rules_of.judge_tag(tag, proof, clock, context.rules)
                good = all(each.status == PASS for each in found)
                yield f"mergetag-verified:{found[0].evidence['signer']}" if good else f"mergetag-unverified:{found[0].rule}"
        except ChainverifyError as error:
            yield f"mergetag-unverified:{error.rule}"
    if len(commit.mergetags) > len(commit.parents):
        yield "mergetag-unverified:too-many"


# --- tags


def _judge_tag_ref(reader: ObjectReader, ref: str, oid: str, context: Context) -> list[Finding]:
    """The findings on one tag ref: the tag object under its name, and each tag that it points at."""
    findings: list[Finding] = []
    expected = ""
    for depth in range(MAX_TAG_DEPTH + 2):
        subject = Subject("tag", oid, ref)
        try:
            answer = reader.read(oid)
            if expected and answer.kind != expected:
                raise Malformed(f"tag points at {oid} as a {expected}, which is a {answer.kind}", hint="run git fsck")
            if answer.kind != "tag":
                return findings if depth else [rules_of.lightweight_tag(ref, oid, context.rules)]
            if depth >= MAX_TAG_DEPTH:
                raise Malformed(f"{ref} is a chain of more than {MAX_TAG_DEPTH} tags")
            tag = parse_tag(oid, answer.data, context.algorithm)
        except ChainverifyError as error:
            excused = rules_of.excused(subject, context.rules)
            return [*findings, *([excused] if excused is not None else rules_of.unread(subject, error, context.rules))]
        findings += _judge_tag(tag, ref if depth == 0 else "", context)
        oid, expected = tag.target, tag.target_type
    return findings


def _judge_tag(tag: Tag, ref: str, context: Context) -> list[Finding]:
    """The findings on one tag object; `ref` is the ref that holds it, empty for a tag that another one points at."""
    rules = context.rules
    if tag.target_type in {"tree", "blob"}:
        tag = tag._replace(notes=(*tag.notes, f"target:{tag.target_type}"))
    subject = rules_of.tag_subject(tag)
    excused = rules_of.excused(subject, rules)
    if excused is not None:
        return [excused]
    renamed = rules_of.tag_name(tag, ref) if ref.startswith("refs/tags/") else None
    if tag.signature is None or rules.tags != "signed":
        findings = [rules_of.unsigned_tag(tag, rules)]
    else:
        clock = Clock(tag.tagger.time if tag.tagger else 0, context.now, context.arrival)
        try:
            findings = rules_of.judge_tag(tag, _prove(tag.payload, tag.signature, clock, context), clock, rules)
        except ChainverifyError as error:
            findings = rules_of.refused_tag(tag, error, clock, rules)
    if renamed is None:
        return findings
    return [renamed, *(found for found in findings if found.status != PASS)]

