"""The public Python API, whole: what `from chainverify import ...` gives (docs/api.md shows each part).

Everything here is a thin composition of the same jobs that the command line runs, with explicit inputs: the repository, the
policy and its trust, and the clock. Nothing prints, exits or reads a clock; problems with the request are `ChainverifyError`,
verdicts are `Report`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chainverify.errors import ChainverifyError, PolicyError, Unavailable, UsageError
from chainverify.formats.reference import parse as parse_reference
from chainverify.git.repository import Repository
from chainverify.jobs import check as _check
from chainverify.jobs import history as _history
from chainverify.jobs import manifests as _manifests
from chainverify.jobs import policies as _policies
from chainverify.jobs.deployed import Source
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.images import ImageReference, ImageUse
from chainverify.model.report import Finding, Report, exit_status, verdict
from chainverify.policy.material import signing_material as _signing_material
from chainverify.rules import enforcement as _enforcement

__all__ = [
    "ChainverifyError", "Finding", "ImageReference", "ImageUse", "LoadedPolicy", "PolicyError", "Report", "Repository", "Source",
    "Unavailable", "UsageError", "check", "check_commits", "exit_status", "find_images", "load_policy", "open_repository",
    "parse_reference", "verdict",
]  # fmt: skip



def open_repository(directory: Path | str = ".") -> Repository:
    """The git repository that git finds from `directory`. Raises `UsageError` where there is none."""
    return Repository.discover(Path(directory))


def load_policy(repo: Repository, *, file: Path | str | None = None, revision: str | None = None) -> LoadedPolicy:
    """A policy and how far it is trusted: a `file` (`external` outside the worktree), a `revision` (`base`), or the worktree's
    own (`self`). Raises `PolicyError`."""
    if revision is not None:
        return _policies.from_revision(repo, revision)
    if file is not None:
        return _policies.from_file(Path(file).absolute(), worktree=repo.worktree)
    return _policies.from_worktree(repo)


def check_commits(
    repo: Repository, policy: LoadedPolicy, ranges: Sequence[str] = (), *, now: int, jobs: int | None = None
) -> Report:
    """The verdict on the signatures of a history; `ranges` are what `git log` takes, none means HEAD's history.

    `now` is in seconds since the epoch. Raises `PolicyError` and `UsageError`; what cannot be read is a finding.
    """
    selection = _history.select(repo, ranges, policy.policy)
    material = _signing_material(policy.policy, policy.read)
    verdicts = _history.check_commits(repo, selection, policy.policy, material, now, jobs=jobs)
    return Report(policy.ref, _enforcement.apply(verdicts.findings, policy.policy), verdicts.counts)


def check(
    repo: Repository, policy: LoadedPolicy, ranges: Sequence[str] = (), *, now: int, source: Source | None = None
) -> Report:
    """Everything the policy asks: signatures, messages and images. `source` says where images are read (default: nowhere,
    what would need a registry is then not decided). Raises as `check_commits`."""
    return _check.check(repo, ranges, policy, source or Source(offline=True), now)


def find_images(directory: Path | str, paths: Sequence[Path | str] = ()) -> tuple[ImageUse, ...]:
    """Every image reference in the manifests below `directory`, or in `paths` of it; unresolved ones have no `reference`."""
    return _manifests.scan_paths(Path(directory).absolute(), [Path(path) for path in paths]).uses
