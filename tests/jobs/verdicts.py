"""The verdict of a policy with one section or another on a commit, and on a push that would land it on `main`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from chainverify.formats.push import RefUpdate
from chainverify.git.repository import Repository
from chainverify.jobs import deployed, history, policies, push
from chainverify.model.report import Finding, Report, verdict
from chainverify.policy.material import signing_material
from chainverify.rules import enforcement
from tests.world.repository import START, Person, signed_commit
from tests.world.repository import Repository as World

MAIN = "refs/heads/main"
NOW = START + 30 * 86400
"""A month after everything that is signed here, and within the certificates of `tests.world.x509`."""

Sign = Callable[[bytes], bytes]
"""Makes the armor over a payload."""


class Told(NamedTuple):
    """A verdict, rule and level of each finding on the commit, and the signer and the code that each of them names."""

    verdict: str
    rules: list[tuple[str, str]]
    signers: list[object]
    codes: list[object]


def signed(world: World, sign: Sign, committer: Person, *, when: int | None = None) -> str:
    """A commit by `committer` on top of `main`, which stays where it is."""
    raw = world.read(world.commit("JIRA-2: change", {"a": "2"}, author=committer, ref=None, parents=[world.tip(MAIN) or ""],
                                  when=when))
    return world.write("commit", signed_commit(raw, sign(raw)))


def commit(world: World, policy: Path, oid: str, now: int = NOW) -> Told:
    """What `chainverify commits` would say of the one commit."""
    repo = Repository.discover(world.path)
    loaded = policies.from_file(policy, worktree=None)
    material = signing_material(loaded.policy, loaded.read)
    found = history.check_commits(repo, history.select(repo, (f"{oid}^!",), loaded.policy), loaded.policy, material, now)
    return _told(Report(loaded.ref, enforcement.apply(found.findings, loaded.policy), found.counts), oid)


def landing(world: World, policy: Path, oid: str, now: int = NOW) -> Told:
    """What the server would say of the push of the commit to `main`."""
    repo = Repository.discover(world.path)
    loaded = policies.from_file(policy, worktree=None)
    judging = push.Judging(loaded, now, 1, deployed.Source(offline=True), lambda _done, _all: None, lambda: 60.0)
    return _told(push.check_push(repo, [RefUpdate(MAIN, world.tip(MAIN), oid)], judging), oid)


def _told(report: Report, oid: str) -> Told:
    findings: list[Finding] = [each for each in report.findings if each.subject.id == oid]
    return Told(
        verdict(report), [(each.rule, each.level) for each in findings],
        [each.evidence.get("signer") for each in findings], [each.evidence.get("code") for each in findings],
    )  # fmt: skip
