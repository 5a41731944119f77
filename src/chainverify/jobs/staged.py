"""What the next commit will hold, judged as far as that needs no network: its tree is asked of the index, never of the worktree.

The same as the server will ask of the tree, less the signatures of images: references that are resolved and pinned, documents
that can be read, a trust stanza for each image. A policy in the tree is validated like `policy check` does.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import PolicyMissing, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import deployed, policies, validate
from chainverify.jobs.policies import LoadedPolicy
from chainverify.model.images import KeyedTrust
from chainverify.model.report import Finding
from chainverify.rules import enforcement
from chainverify.rules import images as rules_of_images
from chainverify.rules import manifests as rules_of_manifests

INDEX_BYTES_MAX: Final = 1 << 30
"""The largest index that is copied; one of a million files has about 100 MB."""


class Checked(NamedTuple):
    """The findings about staged manifests, and how many references stand there that were not there before."""

    findings: tuple[Finding, ...]
    references: int


def tree(repo: Repository, environ: Mapping[str, str]) -> str:
    """The tree that git would commit now: of the index that `environ` names, else of the repository's.

    git writes to the index when it makes a tree, and holds the lock of the one it hands to a hook: so a copy is used.
    Raises `UsageError` where there is no such tree (a merge with conflicts), or the index cannot be read.
    """
    index = repo.directory / (environ.get("GIT_INDEX_FILE") or repo.git_dir / "index")
    with tempfile.TemporaryDirectory(prefix="chainverify-") as name:
        copy = Path(name) / "index"
        try:
            if index.stat().st_size > INDEX_BYTES_MAX:
                raise UsageError(f"the index {index} has more than {INDEX_BYTES_MAX} bytes")
            shutil.copyfile(index, copy)
        except FileNotFoundError:
            pass  # nothing was ever added: the empty tree
        except OSError as error:
            raise UsageError(f"cannot read the index {index}: {error.strerror}") from error
        return repo.with_index(copy).run("write-tree", "--missing-ok").decode("ascii", "replace").strip()


def check_manifests(repo: Repository, new: str, base: str | None, loaded: LoadedPolicy) -> Checked:
    """What can be said offline of the images that the tree `new` deploys and `base` (None: an empty one) did not.

    Raises `ObjectMissing`, `Malformed` and `BudgetExceeded` where a tree cannot be read.
    """
    policy = loaded.policy.images
    if policy is None:
        return Checked((), 0)
    extractions = deployed.difference(repo, new, base, policy)
    findings = rules_of_manifests.judge(extractions, policy)
    # which stanza matches needs no key to be read
    trust = tuple(
        KeyedTrust(stanza.match, (), stanza.threshold, stanza.formats, stanza.reference, stanza.annotations)
        for stanza in policy.trust if stanza.keys
    )  # fmt: skip
    uses = [use for extraction in extractions for use in extraction.uses]
    for use in uses:
        if use.reference is not None:
            found = rules_of_images.select(use.reference, policy, trust)
            if not found.keyed and not found.unsigned:
                findings.append(rules_of_images.not_covered(use, use.reference))
    findings.sort(key=lambda each: (each.location.path, each.location.line) if each.location else ("", 0))
    return Checked(enforcement.apply(findings, loaded.policy), len(uses))


def check_policy(repo: Repository, new: str) -> tuple[str, ...]:
    """Validate the policy in the tree `new`, with every key that it names; what is worth saying of a good one.

    Raises `PolicyError` for one that cannot be used.
    """
    try:
        loaded = policies.from_revision(repo, new, shown="staged")
        validate.validate(loaded)
    except PolicyMissing:
        return (f"this commit has no {policies.POLICY_NAME}: a server takes it on no default branch that has one",)
    return tuple(
        f"the staged policy, line {validate.line(loaded, path)}: {validate.observed(loaded, path)} is marked observed = true: "
        "servers and CI refuse the policy until a person confirms it"
        for path in loaded.policy.observed
    )
