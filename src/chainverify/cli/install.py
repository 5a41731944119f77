"""`chainverify install` and `uninstall`: hooks in their place."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

import click

from chainverify.cli.options import directory_option
from chainverify.errors import UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import install as job
from chainverify.jobs import install_server as server_job
from chainverify.jobs import managers
from chainverify.jobs.hookfiles import Change, Installed
from chainverify.jobs.install_server import Unready
from chainverify.model.hooks import LOCAL
from chainverify.output.escape import escape

_SERVER = click.option(
    "--server", type=click.Path(file_okay=False, exists=True, path_type=Path), metavar="DIR",
    help="A bare repository that people push to: the pre-receive hook.",
)  # fmt: skip
_HOOKS = click.option(
    "-t", "--hook-type", "hooks", multiple=True, type=click.Choice(LOCAL), help="Only this hook; may be repeated. Default: all."
)
_GLOBAL = click.option(
    "--global", "everywhere", is_flag=True,
    help="For all of your repositories, in your own git configuration (git 2.54 and newer).",
)  # fmt: skip
_DRY_RUN = click.option("-n", "--dry-run", is_flag=True, help="Write nothing, show what would be written.")


@click.command("install")
@directory_option
@_HOOKS
@_GLOBAL
@click.option("--way", type=click.Choice(job.WAYS), default="auto", show_default=True,
              help="By hook files, by git's configuration (git 2.54 and newer), or as fits what is there.")  # fmt: skip
@_DRY_RUN
@click.option("--print", "manager", type=click.Choice(get_args(managers.Manager)),
              help="Only print what a team adds to this hook manager's own configuration.")  # fmt: skip
@_SERVER
@click.option("--policy", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="With --server: the server's own policy file, which then wins.")  # fmt: skip
@click.option("--allow-unconfigured", is_flag=True,
              help="With --server: let pushes in, unjudged, as long as the repository has no policy.")  # fmt: skip
def install(
    *, directory: Path, hooks: tuple[str, ...], everywhere: bool, way: job.Way, dry_run: bool, manager: managers.Manager | None,
    server: Path | None, policy: Path | None, allow_unconfigured: bool,
) -> int:  # fmt: skip
    """Put the hooks in place: the local ones in this clone, or pre-receive in a bare repository.

    Nothing of others is overwritten. Beside pre-commit and prek a hook is chained as they provide for; beside husky, lefthook
    and other scripts it stands in git's configuration, or with a git before 2.54 in their own file. A hook names this Python by
    its full path: run install again after moving or replacing it. `chainverify doctor` shows what git then runs.

    On a server the policy comes first: push .chainverify/policy.toml to the default branch, then install, or name a file of the
    server's own with --policy. Without either every push is refused.

    \b
    Examples:
      chainverify install
      chainverify install --dry-run
      chainverify install -t commit-msg -t pre-push
      chainverify install --global
      chainverify install --print husky
      chainverify install --server /srv/git/app.git
      chainverify install --server /srv/git/app.git --policy /etc/chainverify/app.toml
    """
    if server is None and (policy is not None or allow_unconfigured):
        raise UsageError("--policy and --allow-unconfigured go with --server")
    chosen = hooks or LOCAL
    if manager is not None:
        click.echo(managers.snippet(manager, chosen), nl=False)
        return 0
    if server is not None:
        if hooks or everywhere or dry_run or way != "auto":
            raise UsageError("--hook-type, --global, --way and --dry-run are for local hooks, not for --server")
        _tell((server_job.install_server(server, policy, allow_unconfigured=allow_unconfigured),), "installed", "already there")
        if policy is None:
            _warn(server_job.unready(server), allow_unconfigured=allow_unconfigured)
        return 0
    wish = job.Wish(chosen, way)
    changes = job.plan_global(directory, wish) if everywhere else job.plan(Repository.discover(directory), wish)
    return _carry_out(changes, dry_run=dry_run, nothing="already there: git runs these hooks")


@click.command("uninstall")
@directory_option
@_HOOKS
@_GLOBAL
@_DRY_RUN
@_SERVER
def uninstall(directory: Path, hooks: tuple[str, ...], everywhere: bool, dry_run: bool, server: Path | None) -> int:
    """Remove the hooks that chainverify installed, and nothing else.

    \b
    Examples:
      chainverify uninstall
      chainverify uninstall --global --dry-run
      chainverify uninstall --server /srv/git/app.git
    """
    if server is not None:
        if hooks or everywhere or dry_run:
            raise UsageError("--hook-type, --global and --dry-run are for local hooks, not for --server")
        _tell(server_job.uninstall_server(server), "removed", "not there, or not chainverify's")
        return 0
    chosen = hooks or LOCAL
    if everywhere:
        changes = job.plan_global_removal(directory, chosen)
    else:
        changes = job.plan_removal(Repository.discover(directory), chosen)
    return _carry_out(changes, dry_run=dry_run, nothing="nothing of chainverify's is installed here")


def _carry_out(changes: Sequence[Change], *, dry_run: bool, nothing: str) -> int:
    """Make the changes, or show them, and say what was done."""
    if not changes:
        click.echo(nothing)
    if dry_run:
        for line in _shown(changes):
            click.echo(escape(line))
        return 0
    for change, done in zip(changes, job.apply(changes), strict=True):
        click.echo(f"{_done(change) if done.changed else 'already there'}: {escape(str(done.path))}")
    return 0


def _shown(changes: Sequence[Change]) -> Iterator[str]:
    """The changes as a patch would write them, each with what it does in one line."""
    for change in changes:
        yield f"{f'would be {_done(change)}' if change.changed else 'already there'}: {change.path}"
        if not change.changed:
            continue
        old, new = ("" if text is None else text for text in (change.before, change.after))
        # without lines around it: a configuration file may hold what is nobody's business
        for line in difflib.unified_diff(old.split("\n"), new.split("\n"), lineterm="", n=0):
            if not line.startswith(("--- ", "+++ ")):
                yield f"    {line}"


def _done(change: Change) -> str:
    if change.after is None:
        return "removed"
    return "installed" if change.before is None else "changed"


def _tell(done: tuple[Installed, ...], changed: str, unchanged: str) -> None:
    for each in done:
        click.echo(f"{changed if each.changed else unchanged}: {escape(str(each.path))}")


def _warn(missing: Unready | None, *, allow_unconfigured: bool) -> None:
    """Say that the server has no policy yet, and what that means."""
    if missing is None:
        return
    means = "every push is refused until there is a good one"
    if allow_unconfigured and not missing.broken:
        means = "pushes are let in unjudged until there is one, unless one was in force before"
    click.echo(f"warning: {escape(missing.what)}: {means}", err=True)
    click.echo(f"  hint: {escape(missing.hint)}", err=True)
