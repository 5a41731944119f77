"""`chainverify install` and `uninstall`: hooks in their place."""

from __future__ import annotations

from pathlib import Path

import click

from chainverify.cli.options import directory_option
from chainverify.errors import UsageError
from chainverify.git.repository import Repository
from chainverify.jobs import install as job
from chainverify.jobs.install import Installed, Unready
from chainverify.output.escape import escape

_SERVER = click.option(
    "--server", type=click.Path(file_okay=False, exists=True, path_type=Path), metavar="DIR",
    help="A bare repository that people push to: the pre-receive hook.",
)  # fmt: skip


@click.command("install")
@directory_option
@_SERVER
@click.option("--policy", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="With --server: the server's own policy file, which then wins.")  # fmt: skip
@click.option("--allow-unconfigured", is_flag=True,
              help="With --server: let pushes in, unjudged, as long as the repository has no policy.")  # fmt: skip
def install(directory: Path, server: Path | None, policy: Path | None, allow_unconfigured: bool) -> int:
    """Put the hooks in place: commit-msg in this clone, or pre-receive in a bare repository.

    Hooks of others are never overwritten: where there is one, the line to add to it is printed. A hook names this Python by its
    full path: run install again after moving or replacing it.

    On a server the policy comes first: push .chainverify/policy.toml to the default branch, then install, or name a file of the
    server's own with --policy. Without either every push is refused.

    \b
    Examples:
      chainverify install
      chainverify install --server /srv/git/app.git
      chainverify install --server /srv/git/app.git --policy /etc/chainverify/app.toml
    """
    if server is None:
        if policy is not None or allow_unconfigured:
            raise UsageError("--policy and --allow-unconfigured go with --server")
        done = job.install(Repository.discover(directory))
    else:
        done = (job.install_server(server, policy, allow_unconfigured=allow_unconfigured),)
    _tell(done, "installed", "already there")
    if server is not None and policy is None:
        _warn(job.unready(server), allow_unconfigured=allow_unconfigured)
    return 0


@click.command("uninstall")
@directory_option
@_SERVER
def uninstall(directory: Path, server: Path | None) -> int:
    """Remove the hooks that chainverify installed, and nothing else.

    \b
    Examples:
      chainverify uninstall
      chainverify uninstall --server /srv/git/app.git
    """
    done = job.uninstall(Repository.discover(directory)) if server is None else job.uninstall_server(server)
    _tell(done, "removed", "not there, or not chainverify's")
    return 0


def _tell(done: tuple[Installed, ...], changed: str, unchanged: str) -> None:
    for each in done:
        click.echo(f"{changed if each.changed else unchanged}: {each.path}")


def _warn(missing: Unready | None, *, allow_unconfigured: bool) -> None:
    """Say that the server has no policy yet, and what that means."""
    if missing is None:
        return
    means = "every push is refused until there is a good one"
    if allow_unconfigured and not missing.broken:
        means = "pushes are let in unjudged until there is one, unless one was in force before"
    click.echo(f"warning: {escape(missing.what)}: {means}", err=True)
    click.echo(f"  hint: {escape(missing.hint)}", err=True)
