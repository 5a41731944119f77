"""Which policy a command is judged under: `--policy`, `--policy-ref`, or the repository's own."""

from __future__ import annotations

import os
from pathlib import Path

from chainverify.cli.options import Options
from chainverify.errors import PolicyError
from chainverify.git.repository import Repository
from chainverify.jobs import policies
from chainverify.jobs.policies import LoadedPolicy


def load(repo: Repository, options: Options) -> LoadedPolicy:
    """The policy. Raises `PolicyError`, also in CI for one that comes from the tree that is judged.

    CI is recognised by the variable `CI`, which every CI system sets: there the policy of a branch would let the branch
    excuse itself.
    """
    if options.policy_ref is not None:
        loaded = policies.from_revision(repo, options.policy_ref)
    elif options.policy is not None:
        loaded = policies.from_file(_absolute(options.policy), worktree=repo.worktree)
    else:
        loaded = policies.from_worktree(repo)
    if os.environ.get("CI") and os.environ["CI"].lower() not in ("false", "0"):
        if loaded.trust == "self" and not options.allow_self_policy:
            raise PolicyError(
                "the policy comes from the tree that is judged, so a change could excuse itself",
                source=loaded.policy.source,
                hint="name the base: --policy-ref origin/main; or say that you accept it: --allow-self-policy",
            )
        refuse_observed(loaded)
    return loaded


def refuse_observed(loaded: LoadedPolicy) -> None:
    """Raise `PolicyError` where trust that was only observed was not confirmed by a person."""
    if loaded.policy.observed:
        raise PolicyError(
            "is marked observed = true: init saw it in the repository, nobody confirmed it",
            key=loaded.policy.observed[0],
            source=loaded.policy.source,
            hint="check the key or name with its owner, then remove the mark",
        )


def _absolute(path: Path) -> Path:
    return path if path.is_absolute() else Path.cwd() / path
