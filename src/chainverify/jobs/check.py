"""Everything a policy asks of a range of history, composed into one report."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chainverify.git.repository import Repository
from chainverify.jobs import deployed, history, messages
from chainverify.jobs.deployed import Source
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.report import Finding, Report
from chainverify.policy.material import signing_material
from chainverify.rules import enforcement


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
) -> Report:
    """The report on the commits that `revisions` mean, their messages, and the images of their tip.

    Where the revisions are one range `A..B`, images are those that B deploys and A did not; else all of the tip's. `now` is in
    seconds since the epoch. Raises `PolicyError` and `UsageError`; what cannot be read is a finding.
    """
    policy = loaded.policy
    findings: list[Finding] = []
    counts: dict[str, int] = {}
    records: tuple[dict[str, object], ...] | None = None
    if policy.commits is not None or (tags and policy.tags != "off"):
        material = signing_material(policy, loaded.read)
        if policy.commits is not None:
            selection = history.select(repo, revisions, policy)
            verdicts = history.check_commits(repo, selection, policy, material, now, jobs=jobs, progress=progress)
            findings += verdicts.findings
            counts.update(verdicts.counts)
        if tags:
            verdicts = history.check_tags(repo, repo.refs("refs/tags"), policy, material, now, progress=progress)
            findings += verdicts.findings
            counts.update(verdicts.counts)
    if policy.messages is not None:
        selection = history.select_messages(repo, revisions, policy)
        found, counted = messages.check_messages(repo, selection.oids, policy.messages)
        findings += [each for each in selection.findings if each not in findings] + found
        counts.update(counted)
    if policy.images is not None:
        tip, base = _sides(revisions)
        new = repo.resolve(f"{tip}^{{commit}}")
        if base is None:
            scan = deployed.scan_tree(repo, new, policy.images)
            result = deployed.check(scan, loaded, source, jobs=jobs or 1, progress=progress)
        else:
            old = repo.resolve(f"{base}^{{commit}}")
            result = deployed.check_difference(repo, new, old, loaded, source, jobs=jobs or 1, progress=progress)
        findings += result.findings
        counts.update(result.counts)
        records = result.images
    return Report(loaded.ref, enforcement.apply(findings, policy), counts, records)


def _sides(revisions: Sequence[str]) -> tuple[str, str | None]:
    """The tip whose images are checked, and the commit they are compared with."""
    if len(revisions) != 1:
        return "HEAD", None
    base, dots, tip = revisions[0].partition("..")
    if dots and not tip.startswith("."):
        return tip or "HEAD", base or "HEAD"
    return (revisions[0], None) if not dots else ("HEAD", None)
