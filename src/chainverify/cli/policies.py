"""Which policy a command is judged under: `--policy`, `--policy-ref`, or the repository's own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import click

from chainverify.cli.options import Options
from chainverify.errors import PolicyError, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import history, policies
from chainverify.jobs.policies import LoadedPolicy
from chainverify.jobs.validate import refuse_observed

_HINT_TREE: Final = "name the base: --policy-ref origin/main; or say that you accept it: --allow-self-policy"
_HINT_REVISION: Final = (
    "name a revision that RANGE leaves out, as in origin/main..HEAD --policy-ref origin/main; or say that you accept it: "
    "--allow-self-policy"
)


CI_VARIABLES: Final = (
    "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "JENKINS_URL", "TEAMCITY_VERSION", "BUILDKITE", "CIRCLECI", "DRONE",
    "GITEA_ACTIONS",
)
"""What CI systems set beside, or instead of, `CI`, each as its manual says (TF_BUILD is Azure Pipelines). The list is closed:
another system sets `CI=true`."""


def in_ci() -> bool:
    """Whether this runs in a CI system."""
    return any(os.environ.get(name, "").strip().lower() not in {"", "false", "0"} for name in ("CI", *CI_VARIABLES))


def load(repo: Repository, options: Options, ranges: Sequence[str] = ()) -> LoadedPolicy:
    """The policy that `ranges` (none: the history of HEAD) are judged by.

    Raises `PolicyError`, also in CI for one that comes from what is judged: there the policy of a branch would let the branch
    excuse itself. Raises `UsageError` for a range that is none.
    """
    loaded = read(repo, options, ranges)
    if in_ci():
        if loaded.trust == "self" and not options.allow_self_policy:
            raise PolicyError(
                "the policy comes from the tree that is judged, so a change could excuse itself",
                source=loaded.policy.source,
                hint=_HINT_TREE if options.policy_ref is None else _HINT_REVISION,
            )
        refuse_observed(loaded)
    return loaded


def read(repo: Repository, options: Options, ranges: Sequence[str] = ()) -> LoadedPolicy:
    """The policy, to be looked at and not to judge by: nothing is asked about where it comes from. Raises `PolicyError`."""
    if options.policy_ref is not None:
        return policies.from_revision(repo, options.policy_ref, judged=policies.Judged(*history.tips(repo, ranges)))
    if options.policy is not None:
        return policies.from_file(options.directory / options.policy, worktree=repo.worktree)
    return policies.from_worktree(repo)


server_option = click.option(
    "--server", is_flag=True, help="It is a server's own file (with --policy), which may hold [server]."
)  # fmt: skip
"""`--server`, for commands that look at a policy or change it."""


def look(options: Options, *, server: bool) -> LoadedPolicy:
    """The policy to be looked at (`read`); with `server` the server's own file, read as the hook reads it."""
    if not server:
        return read(Repository.discover(options.directory), options)
    if options.policy is None or options.policy_ref is not None:
        raise UsageError("--server is about a file of the server's own", hint="name it: --policy FILE")
    return policies.from_file((options.directory / options.policy).absolute(), worktree=None, server=True)
