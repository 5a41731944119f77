"""Which policy a command is judged under: `--policy`, `--policy-ref`, or the repository's own."""

from __future__ import annotations

import os

from chainverify.cli.options import Options
from chainverify.errors import PolicyError
from chainverify.git.repository import Repository
from chainverify.jobs import policies
from chainverify.jobs.policies import LoadedPolicy


def in_ci() -> bool:
    """Whether this runs in a CI system."""
    return os.environ.get("CI", "").lower() not in ("", "false", "0")


def load(repo: Repository, options: Options) -> LoadedPolicy:
    """The policy. Raises `PolicyError`, also in CI for one that comes from the tree that is judged.

    CI is recognised by the variable `CI`, which every CI system sets: there the policy of a branch would let the branch
    excuse itself.
    """
    loaded = read(repo, options)
    if in_ci():
        if loaded.trust == "self" and not options.allow_self_policy:
            raise PolicyError(
                "the policy comes from the tree that is judged, so a change could excuse itself",
                source=loaded.policy.source,
                hint="name the base: --policy-ref origin/main; or say that you accept it: --allow-self-policy",
            )
        refuse_observed(loaded)
    return loaded


def read(repo: Repository, options: Options) -> LoadedPolicy:
    """The policy, to be looked at and not to judge by: nothing is asked about where it comes from. Raises `PolicyError`."""
    if options.policy_ref is not None:
        return policies.from_revision(repo, options.policy_ref)
    if options.policy is not None:
        return policies.from_file(options.directory / options.policy, worktree=repo.worktree)
    return policies.from_worktree(repo)


def refuse_observed(loaded: LoadedPolicy) -> None:
    """Raise `PolicyError` where trust that was only observed was not confirmed by a person."""
    if loaded.policy.observed:
        raise PolicyError(
            "is marked observed = true: init saw it in the repository, nobody confirmed it",
            key=loaded.policy.observed[0],
            source=loaded.policy.source,
            hint="check the key or name with its owner, then remove the mark",
        )
