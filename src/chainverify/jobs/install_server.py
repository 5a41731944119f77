"""The pre-receive hook in a bare repository: put in place beside a forge's own, with the policy that it is to take."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path
from typing import Final, NamedTuple

from chainverify.errors import PolicyError, PolicyMissing, UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import hookfiles, policies, validate
from chainverify.jobs.hookfiles import Installed
from chainverify.jobs.hookplaces import hooks_directory
from chainverify.jobs.policies import LoadedPolicy

SERVER_HOOK: Final = "pre-receive"
_POLICY: Final = re.compile(rf'^os\.environ\["{policies.VARIABLE}"\] = "([^"\n]*)"$', re.MULTILINE)


def install_server(
    bare_dir: Path, policy: Path | None = None, *, allow_unconfigured: bool = False, python: str = sys.executable
) -> Installed:
    """Put the pre-receive hook into a bare repository; in `pre-receive.d` where a forge keeps one.

    `policy` is the server's policy file, which then wins over any in the repository; it is read with all its keys before
    anything is written. Raises `UsageError` where `bare_dir` is not bare, the policy is not there, or another program's hook is
    in the place, and `PolicyError` for a policy under which the hook would refuse every push.
    """
    repo = _bare(bare_dir)
    environment: dict[str, str] = {}
    if policy is not None:
        policy = _absolute(policy)
        if not policy.is_file():
            raise UsageError(f"no such policy file: {policy}", hint="write it first, or leave --policy out")
        _usable(policies.from_file(policy, worktree=None, server=True))
        environment[policies.VARIABLE] = str(policy)
    directory = hooks_directory(repo)
    chained = directory / f"{SERVER_HOOK}.d"
    path = chained / "chainverify" if chained.is_dir() else directory / SERVER_HOOK
    arguments = ("--allow-unconfigured",) if allow_unconfigured else ()
    text = hookfiles.script(SERVER_HOOK, python=python, arguments=arguments, environment=environment)
    line = hookfiles.line(SERVER_HOOK, python, arguments, environment)
    hookfiles.check_free(path, f"add this line to it, before anything there reads standard input: {line}")
    if policy is None:
        _keeps_policy(path)
    return hookfiles.write(path, text)


class Unready(NamedTuple):
    """Why a server has no policy that its hook could take, and what to do; `broken`: there is one, and it cannot be used."""

    what: str
    hint: str
    broken: bool = False


def unready(bare_dir: Path) -> Unready | None:
    """Why a bare repository has no policy of its own that the hook could take, and what to do; None where it has one.

    Without a server's own file the hook takes the policy at the tip of the branch that HEAD names.
    """
    repo = _bare(bare_dir)
    git = f"git -C {shlex.quote(str(bare_dir))}"
    branch = repo.head_ref()
    branches = dict(repo.refs("refs/heads"))
    if branch is None or (branch not in branches and branches):
        likely = next((name for name in ("refs/heads/main", "refs/heads/master") if name in branches), min(branches, default=""))
        what = f"HEAD names {branch}, which does not exist" if branch else "HEAD names no branch"
        return Unready(
            f"{what}, so no policy can be found at the tip of the default branch",
            f"name the default branch: {git} symbolic-ref HEAD {shlex.quote(likely or 'refs/heads/main')}",
        )
    remedy = (
        f"take the hook out (chainverify uninstall --server {shlex.quote(str(bare_dir))}), push a commit with "
        f"{policies.POLICY_NAME} to {branch}, and install again; or name the server's own file: --policy FILE"
    )
    if branch not in branches:
        return Unready(f"the repository has no commits yet, so it has no policy at the tip of {branch}", remedy)
    try:
        _usable(policies.from_revision(repo, branch))
    except PolicyMissing:
        return Unready(f"no {policies.POLICY_NAME} at the tip of {branch}", remedy)
    except PolicyError as error:
        hint = f"{error.hint or 'mend it'}; {remedy}"
        return Unready(f"the policy at the tip of {branch} cannot be used: {error}", hint, broken=True)
    return None


def uninstall_server(bare_dir: Path) -> tuple[Installed, ...]:
    """Remove our pre-receive hook from a bare repository, wherever `install_server` put it. Raises as `uninstall` does."""
    directory = hooks_directory(Repository.discover(bare_dir))
    plain, chained = directory / SERVER_HOOK, directory / f"{SERVER_HOOK}.d" / "chainverify"
    done = (hookfiles.remove(plain), hookfiles.remove(chained))
    # what is not there is told once, and only of the place where it would be
    return tuple(each for each in done if each.changed) or (done[chained.parent.is_dir()],)


def _bare(directory: Path) -> Repository:
    repo = Repository.discover(directory)
    if not repo.bare:
        raise UsageError(f"not a bare repository: {directory}", hint="name the repository that people push to")
    return repo


def _absolute(path: Path) -> Path:
    """A path that means the same from everywhere. `..` goes out of what a link names, so a path with it is resolved."""
    if ".." in path.parts:
        return Path(os.path.realpath(path.parent)) / path.name if path.name != ".." else Path(os.path.realpath(path))
    return path.absolute()


def _usable(loaded: LoadedPolicy) -> None:
    """Raise `PolicyError` where the hook would refuse every push under this policy."""
    validate.refuse_observed(loaded)
    validate.validate(loaded)


def _keeps_policy(path: Path) -> None:
    """Raise `UsageError` where the hook of ours that is there names the server's own policy, which it would silently lose."""
    found = _POLICY.search(hookfiles.read(path) or "")
    if found is not None:
        named = re.sub(r"\\U([0-9a-f]{8})", lambda escape: chr(int(escape[1], 16)), found[1])
        raise UsageError(
            f"the hook there takes its policy from {named}, and would lose it",
            hint="name it again with --policy; or, to take the policy of the default branch instead, uninstall the hook first",
        )
