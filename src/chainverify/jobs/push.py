"""A push, judged as a whole before any of its refs moves: refs, then the history, messages and images that it adds.

Which commits a ref is answerable for: on an update everything between its old and its new tip. On creation everything that no
ref under the same protection, and not the default branch, had before the push. What merely lies on some other ref is judged
again: a branch without protection must not be a way around the rules of another (push it there first, then here). So are the
messages of what lies on a ref, be it the default branch, whose rules ask for less of them (`rules.strictness`).

A ref is judged under every name it goes by (`jobs.pushed`): a symbolic ref as the branch it stands for, `refs/for/*` as the
branch that it is a proposal for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

from chainverify.errors import BudgetExceeded, ChainverifyError
from chainverify.formats.push import RefUpdate
from chainverify.git import ranges
from chainverify.git.objects import ObjectReader
from chainverify.git.repository import Repository
from chainverify.jobs import deployed, history, lineage, messages, policychange, pushed
from chainverify.jobs.lineage import Graph
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.pushed import Added, Objects, Receiver, Scene
from chainverify.model.report import FAIL, PASS, SKIP, UNKNOWN, VERIFIED, Finding, Report, Subject, counted, distinct
from chainverify.policy.material import signing_material
from chainverify.policy.model import MessagesPolicy, Policy, RefPolicy
from chainverify.rules import enforcement, refs, signatures
from chainverify.rules.refs import RefChange
from chainverify.rules.strictness import covers

MAX_IMAGE_SECONDS: Final = 120.0
"""The most seconds that registries may take in one push."""
StandsFor: TypeAlias = Callable[[str, str], bool]
"""Whether what was let onto a ref followed all that another asks of it."""


class Judging(NamedTuple):
    """What a push is judged with. `now` is its arrival, in seconds since the epoch; `source` says where images are read.

    `in_time` raises `BudgetExceeded` when the deadline has passed; it is called with how much is done and how much there is.
    `left` are the seconds that registries may still take. `receiver` is the other side of a push that leaves this repository,
    None where it comes in.
    """

    loaded: LoadedPolicy
    now: int
    jobs: int
    source: deployed.Source
    in_time: Callable[[int, int], None]
    left: Callable[[], float]
    receiver: Receiver | None = None


def check_push(repo: Repository, updates: Sequence[RefUpdate], judging: Judging) -> Report:
    """The one verdict on all refs of a push.

    1. every new object is peeled to its commit,
    2. the commits and tags that the push adds are judged by signature, each once,
    3. `[[refs]]` says whose commits may land where, and what may happen to the ref itself,
    4. commits that change the policy need someone who may, and the default branch keeps a policy that can be read,
    5. messages, then manifests and images of what changed.

    Raises `PolicyError` for a policy whose keys cannot be used, and `Unavailable` where history cannot be read as far as the
    question of a rewind needs. A deadline or budget that runs out is a finding (`deadline`, unknown) that no `[rules]` setting
    excuses.
    """
    policy = judging.loaded.policy
    findings: list[Finding] = []
    always: list[Finding] = []
    counts: dict[str, int] = {"refs": len(updates)}
    other = judging.receiver
    before, default = (dict(repo.refs()), repo.head_ref()) if other is None else (other.refs, other.default)
    with ObjectReader(repo) as reader:
        scene = Scene(repo, reader, Objects(reader), before, default, policy, other)
        try:
            named = pushed.names(repo, updates, before, elsewhere=other is not None)
            pairs: list[tuple[RefUpdate, Added | None]] = []
            protected = _as_protected(scene)
            kinds = protected, _as_strict(scene, protected)
            for done, (update, proposed) in enumerate(named):
                judging.in_time(done, len(named))
                pairs.append((update, _added(scene, update, kinds, proposed=proposed) if update.new is not None else None))
            added = [each for _, each in pairs if each is not None]
            signed, graph = _check_history(repo, added, judging, counts)
            proved = _signers(signed)
            landing = _check_landing(added, signed, proved, graph, policy)
            changes = _check_refs(scene, pairs, proved, judging.in_time)
            always += [each for each in changes if refs.replaces(each.subject.id)]
            findings += [each for each in changes if not refs.replaces(each.subject.id)]
            if judging.loaded.trust != "external":
                landing += policychange.check(scene, pairs, proved, judging.in_time, judging.now)
            landing = _titled(landing, signed)
            refused = {each.subject.id for each in landing}
            findings += [each for each in signed if not (each.status == PASS and each.subject.id in refused)] + landing
            findings += _check_messages(repo, added, judging, counts)
            findings += _check_images(repo, added, judging, counts)
        except BudgetExceeded as error:
            always.append(Finding(error.rule, UNKNOWN, Subject("ref", updates[0].ref), error.message, error.hint))
    return Report(judging.loaded.ref, (*enforcement.apply(findings, policy), *always), counts)


# --- what a push adds


def _added(scene: Scene, update: RefUpdate, kinds: tuple[StandsFor, StandsFor], *, proposed: bool) -> Added:
    """The commits that a ref's new value is answerable for; `kinds` for all but messages, and for messages."""
    objects, before, default = scene.objects, scene.before, scene.default
    target = objects.peel(update.new or "")
    if target.commit is None:
        return Added(update, target, (), (), history.Selection(()), None, proposed)
    revisions, told = (
        (target.commit, *(f"^{oid}" for oid in _judged_before(scene, update, stands_for))) for stands_for in kinds
    )
    base = objects.peel(update.old).commit if update.old else None
    if base is None and default in before:
        base = objects.peel(before[default]).commit
    return Added(update, target, revisions, told, history.select(scene.repo, revisions, scene.policy), base, proposed)


def _judged_before(scene: Scene, update: RefUpdate, stands_for: StandsFor) -> list[str]:
    """Commits whose history needs no verdict again for this ref: see the module's text."""
    if update.old is not None:
        tips = [update.old]
    elif update.ref.startswith(refs.TAGS):
        # a tag is a name for what is there; its own signature is asked for beside this
        tips = [scene.before[scene.default]] if scene.default in scene.before else []
    else:
        tips = [oid for ref, oid in scene.before.items() if not ref.startswith(refs.TAGS) and stands_for(ref, update.ref)]
    peeled = (scene.objects.peel(oid).commit for oid in tips)
    return list(dict.fromkeys(oid for oid in peeled if oid is not None))


def _as_protected(scene: Scene) -> StandsFor:
    """Whether a ref is under every stanza of another; for one without any only the default branch stands."""
    known: dict[str, frozenset[RefPolicy]] = {}

    def of(ref: str) -> frozenset[RefPolicy]:
        if ref not in known:
            known[ref] = frozenset(refs.stanzas(ref, scene.policy))
        return known[ref]

    def stands_for(ref: str, other: str) -> bool:
        return (ref == scene.default or bool(of(other))) and of(other) <= of(ref)

    return stands_for


def _as_strict(scene: Scene, protected: StandsFor) -> StandsFor:
    """As `_as_protected` for messages: a stanza more may ask less of them, and one less as much."""
    known: dict[str, tuple[MessagesPolicy, ...]] = {}

    def of(ref: str) -> tuple[MessagesPolicy, ...]:
        if ref not in known:
            known[ref] = refs.message_rules(ref, scene.policy)
        return known[ref]

    def stands_for(ref: str, other: str) -> bool:
        return (ref == scene.default or protected(ref, other)) and (of(ref) == of(other) or covers(of(ref), of(other)))

    return stands_for


# --- judging


def _check_history(
    repo: Repository, added: Sequence[Added], judging: Judging, counts: dict[str, int]
) -> tuple[list[Finding], Graph]:
    """Signatures of the commits and tags that the push adds, and the commits' parents; nothing where the policy asks none."""
    policy = judging.loaded.policy
    findings: list[Finding] = []
    graph: Graph = {}
    if policy.commits is None and policy.tags == "off":
        return findings, graph
    material = signing_material(policy, judging.loaded.read)
    if policy.commits is not None:
        selection = _union(each.selection for each in added)
        other = judging.receiver
        arrived = pushed.arrived(repo, selection.oids) if other is None else other.arrived(selection.oids)
        verdicts = history.check_commits(
            repo, selection, policy, material, judging.now,
            arrival=judging.now, arrived=arrived, jobs=judging.jobs, progress=judging.in_time,
        )  # fmt: skip
        findings += verdicts.findings
        counts.update(verdicts.counts)
        graph = verdicts.graph
    tags = dict.fromkeys((each.update.ref, each.update.new or "") for each in added if _is_tag(each))
    verdicts = history.check_tags(repo, tuple(tags), policy, material, judging.now, arrival=judging.now, progress=judging.in_time)
    counts.update(verdicts.counts)
    return findings + verdicts.findings, graph


def _is_tag(each: Added) -> bool:
    return each.update.ref.startswith(refs.TAGS) or bool(each.target.tags)


def _union(selections: Iterable[history.Selection]) -> history.Selection:
    """All commits of several selections, each once, parents first within each."""
    oids: dict[str, None] = {}
    exclude: dict[str, None] = {}
    tips: dict[str, None] = {}
    findings: list[Finding] = []
    for selection in selections:
        tips.update(dict.fromkeys(selection.tips))
        oids.update(dict.fromkeys(selection.oids))
        exclude.update(dict.fromkeys(selection.exclude))
        findings += selection.findings
    return history.Selection(tuple(oids), tuple(exclude), tuple(distinct(findings)), tuple(tips))


def _signers(signed: Iterable[Finding]) -> dict[str, str]:
    """The proved signer of each object that passed."""
    return {
        each.subject.id: str(each.evidence["signer"])
        for each in signed
        if each.rule == VERIFIED and each.status == PASS and "signer" in each.evidence
    }


def _titled(landing: Iterable[Finding], signed: Iterable[Finding]) -> list[Finding]:
    """`landing` with the titles of the commits and tags, which the verdicts on their signatures know."""
    titled = {each.subject.id: each.subject for each in signed}
    return [each._replace(subject=titled.get(each.subject.id, each.subject)) for each in landing]


def _check_landing(
    added: Sequence[Added], signed: Sequence[Finding], proved: dict[str, str], graph: Graph, policy: Policy
) -> list[Finding]:
    """Whose commits and tags may land where. An object that nobody was proved to have signed may not, unless it is refused
    already or excused by its id: that some rule is only advised makes nobody its signer."""
    settled = {each.subject.id for each in enforcement.apply(signed, policy) if counted(each) and each.status in (FAIL, UNKNOWN)}
    settled |= {each.subject.id for each in signed if each.status == SKIP}
    findings: dict[tuple[str, str], Finding] = {}
    for each in added:
        ref = each.update.ref
        may = refs.signers(ref, policy)
        if may is None:
            continue
        # what lands on a tag is the tag, or the commit that a lightweight one names
        tag = ref.startswith(refs.TAGS)
        last = (each.target.commit,) if each.target.commit else ()
        aside = _aside(each, proved, may, graph, policy)
        for oid in (each.target.tags or last) if tag else (*_answering(each, proved, may, graph, policy), *each.target.tags):
            subject = Subject("tag" if oid in each.target.tags else "commit", oid)
            signer = proved.get(oid)
            if signer is not None:
                rule = policy.commits.merge_rule if policy.commits is not None and oid in aside else None
                found = refs.refused_signer(subject, signer, ref, may, rule)
            elif oid in settled:
                found = None
            else:
                message = f"nobody was proved to have signed it, and {ref} names who may sign what lands there"
                found = Finding("signer-not-allowed", FAIL, subject, message, "have it signed by someone who may")
            if found is not None:
                findings[oid, ref] = found
    return list(findings.values())


def _answering(
    each: Added, proved: dict[str, str], may: frozenset[str], graph: Graph, policy: Policy
) -> Iterable[str]:
    """The commits that only those who may sign what lands on the ref may have signed, by the policy's merge rule."""
    oids = each.selection.oids
    tip = each.target.commit
    if tip is None or policy.commits is None:
        return oids
    if policy.commits.merge_rule == "first-parent":
        return lineage.first_parents(tip, frozenset(oids), graph)
    if policy.commits.merge_rule == "any-parent":
        rules = signatures.prepare(policy)
        good = {oid for oid in oids if proved.get(oid) in may}
        limited = {oid for oid in good if proved[oid] in rules.limited}
        anchored = policy.commits.introduction is not None
        return () if tip in lineage.counting(oids, graph, good, limited, anchored=anchored) else oids
    return oids


def _aside(
    each: Added, proved: dict[str, str], may: frozenset[str], graph: Graph, policy: Policy
) -> frozenset[str]:
    """The commits that a merge by somebody who may brings in, where the merge rule asks of them too who signed them."""
    oids = frozenset(each.selection.oids)
    tip = each.target.commit
    if tip is None or proved.get(tip) not in may or policy.commits is None:
        return frozenset()
    if policy.commits.merge_rule not in {"every-commit", "all-parents"}:
        return frozenset()
    return oids - lineage.first_parents(tip, oids, graph)


def _check_refs(
    scene: Scene,
    pairs: Sequence[tuple[RefUpdate, Added | None]],
    proved: dict[str, str],
    in_time: Callable[[int, int], None],
) -> list[Finding]:
    """What may happen to each ref itself, and that what it would point at can be judged at all."""
    findings: list[Finding] = []
    for done, (update, each) in enumerate(pairs):
        in_time(done, len(pairs))
        if each is not None and each.proposed:
            # a request for a merge: its target keeps its history whatever the request's is
            continue
        tip = each.target.commit if each else None
        # asked of git only where a stanza has somebody answer for a rewind: a process for each of many refs would show
        asks = any(stanza.rewind_signers for stanza in refs.stanzas(update.ref, scene.policy))
        change = RefChange(
            update,
            rewinds=_rewinds(scene, update, tip),
            tip_signer=proved.get(tip or ""),
            tip_is_new=asks and tip is not None and _is_new(scene, tip),
        )
        findings += refs.judge(change, scene.policy)
        if each is not None and tip is None and (each.target.kind == "tag" or not update.ref.startswith(refs.TAGS)):
            findings.append(_no_commit(each))
    return findings


def _is_new(scene: Scene, oid: str) -> bool:
    return pushed.is_new(scene.repo, oid) if scene.receiver is None else bool(scene.receiver.arrived((oid,)))


def _no_commit(each: Added) -> Finding:
    what = "a chain of tags that cannot be followed" if each.target.kind == "tag" else f"a {each.target.kind}"
    return Finding(
        "commit-malformed", FAIL, Subject("ref", each.update.ref),
        f"{each.update.ref} would point at {what}, expected a commit or a tag that leads to one",
        "push the commit itself, or a tag made by git tag -s",
    )


def _rewinds(scene: Scene, update: RefUpdate, tip: str | None) -> bool:
    """Whether the ref loses history: its old commit is not an ancestor of the new one, or there is none.

    Raises `Unavailable` where what cannot be read hides it.
    """
    if update.new is None or update.old is None or update.old == update.new:
        return False
    try:
        old = scene.objects.peel(update.old).commit
    except ChainverifyError:
        return True
    if old is None or tip is None:
        return True
    return not ranges.reaches(scene.repo, tip, old)


def _check_messages(
    repo: Repository, added: Sequence[Added], judging: Judging, counts: dict[str, int]
) -> list[Finding]:
    """Messages of the commits that the push adds, under the rules of each ref that they land on."""
    policy = judging.loaded.policy
    if policy.messages is None:
        return []
    wanted: dict[MessagesPolicy, dict[str, None]] = {}
    for each in added:
        if each.target.commit is not None:
            oids = dict.fromkeys(history.select_messages(repo, each.told, policy).oids)
            for asked in refs.message_rules(each.update.ref, policy):
                wanted.setdefault(asked, {}).update(oids)
    mapped = messages.mailmap(policy, judging.loaded.read)
    findings: list[Finding] = []
    for asked, oids in wanted.items():
        judging.in_time(0, len(oids))
        findings += messages.check_messages(repo, oids, asked, progress=judging.in_time, mapped=mapped)[0]
    if wanted:
        counts["messages"] = len({oid for oids in wanted.values() for oid in oids})
    return findings if len(wanted) < 2 else _of_all_rules(findings)


def _of_all_rules(findings: Iterable[Finding]) -> list[Finding]:
    """Findings of several sets of rules: what is said twice once, and nothing good of a message that breaks a rule of any."""
    good = (PASS, SKIP)
    broken = {each.subject.id for each in findings if each.status not in good}
    found: dict[tuple[str, str, str], Finding] = {}
    for each in findings:
        if each.status not in good:
            found.setdefault((each.subject.id, each.rule, each.message), each)
        elif each.subject.id not in broken:
            key = (each.subject.id, each.rule, "")
            # passed beside skipped: it was judged
            found[key] = found[key] if each.status == SKIP and key in found else each
    return list(found.values())


def _check_images(
    repo: Repository, added: Sequence[Added], judging: Judging, counts: dict[str, int]
) -> list[Finding]:
    """Images that the push brings into what a ref deploys; a tag of a tree deploys that tree."""
    if judging.loaded.policy.images is None:
        return []
    findings: list[Finding] = []
    seen: set[tuple[str, str | None]] = set()
    for each in added:
        change = (each.target.last, each.base)
        if each.target.kind not in ("commit", "tree") or change in seen:
            continue
        seen.add(change)
        judging.in_time(0, 0)
        result = deployed.check_difference(
            repo, each.target.last, each.base, judging.loaded, judging.source._replace(deadline=judging.left()),
            jobs=judging.jobs, progress=judging.in_time,
        )  # fmt: skip
        findings += result.findings
        for kind, count in result.counts.items():
            counts[kind] = counts.get(kind, 0) + count
    return distinct(findings)
