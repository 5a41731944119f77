"""Everything a policy asks of a range of history, composed into one report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from chainverify.errors import ChainverifyError, PolicyError, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import deployed, history, messages
from chainverify.jobs.deployed import Deployed, Source
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.report import FAIL, UNKNOWN, Finding, Report, Status, Subject, distinct
from chainverify.policy.material import signing_material
from chainverify.policy.model import ImagesPolicy
from chainverify.rules import enforcement

if TYPE_CHECKING:
    from chainverify.jobs.factcache import FactCache


def check(
    repo: Repository,
    revisions: Sequence[str],
    loaded: LoadedPolicy,
    source: Source,
    now: int,
    *,
    tags: bool = False,
    jobs: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    facts: FactCache | None = None,
) -> Report:
    """The report on the commits that `revisions` mean, their messages, and the images of their tip.

    Where the revisions leave out one commit, as `A..B` does, images are those that B deploys and A did not; else all of each
    tip's. `now` is in seconds since the epoch. Raises `PolicyError` and `UsageError`; what cannot be read is a finding, and does
    not keep the rest from being judged.
    """
    policy = loaded.policy
    findings: list[Finding] = []
    counts: dict[str, int] = {}
    records: tuple[dict[str, object], ...] | None = None
    include, exclude = history.tips(repo, revisions)
    if policy.commits is not None or (tags and policy.tags != "off"):
        material = signing_material(policy, loaded.read)
        if policy.commits is not None:
            with _told(findings, include):
                selection = history.select(repo, revisions, policy, facts)
                verdicts = history.check_commits(
                    repo, selection, policy, material, now, jobs=jobs, progress=progress, facts=facts
                )
                findings += verdicts.findings
                counts.update(verdicts.counts)
        if tags:
            with _told(findings, include):
                verdicts = history.check_tags(repo, repo.refs("refs/tags"), policy, material, now, progress=progress)
                findings += verdicts.findings
                counts.update(verdicts.counts)
    if policy.messages is not None:
        with _told(findings, include):
            selection = history.select_messages(repo, revisions, policy)
            mapped = messages.mailmap(policy, loaded.read)
            found, counted = messages.check_messages(repo, selection.oids, policy.messages, progress=progress, mapped=mapped)
            findings += [*selection.findings, *found]
            counts.update(counted)
    if policy.images is not None:
        records = ()
        for tip in include:
            with _told(findings, (tip,)):
                result = _images(repo, tip, exclude, loaded, source, jobs=jobs or 1, progress=progress)
                findings += result.findings
                records += result.images
                for kind, count in result.counts.items():
                    counts[kind] = counts.get(kind, 0) + count
    return Report(loaded.ref, enforcement.apply(distinct(findings), policy), counts, records)


def _images(
    repo: Repository, tip: str, exclude: Sequence[str], loaded: LoadedPolicy, source: Source, *,
    jobs: int, progress: Callable[[int, int], None] | None,
) -> Deployed:
    """What one tip deploys: the difference to the one commit that is left out, everything where none is, or several are."""
    if len(exclude) == 1:
        return deployed.check_difference(repo, tip, exclude[0], loaded, source, jobs=jobs, progress=progress)
    scan = deployed.scan_tree(repo, tip, loaded.policy.images or ImagesPolicy())
    return deployed.check(scan, loaded, source, jobs=jobs, progress=progress)


@contextmanager
def _told(findings: list[Finding], tips: Sequence[str]) -> Iterator[None]:
    """Make what keeps one part of the check from its end a finding about the tips, so that the other parts are heard too.

    A report that ended here would hide a failure behind "could not be decided". What is wrong with the command or the policy
    goes on as it is.
    """
    try:
        yield
    except (UsageError, PolicyError):
        raise
    except ChainverifyError as error:
        status: Status = FAIL if error.status == FAIL else UNKNOWN
        for tip in tips:
            found = Finding(error.rule, status, Subject("commit", tip), error.message, error.hint, evidence=error.evidence)
            findings.append(found)
