"""`chainverify init`: a first policy, from what the repository shows."""

from __future__ import annotations

import os
from pathlib import Path

import click

from chainverify.cli.options import directory_option
from chainverify.errors import UsageError
from chainverify.git.repository import Repository
from chainverify.jobs.initialise import initial_policy
from chainverify.policy import load


@click.command("init")
@directory_option
def init(directory: Path) -> int:
    """Write .chainverify/policy.toml from what the repository shows.

    It never overwrites. What it only observed (keys, names, images) is marked `observed = true`: servers and CI refuse the
    policy until a person has confirmed it and removed the mark.

    \b
    Examples:
      chainverify init
      chainverify init && $EDITOR .chainverify/policy.toml && chainverify check
    """
    repo = Repository.discover(directory)
    if repo.worktree is None:
        raise UsageError("a bare repository has no worktree to write a policy to", hint="run init in a clone")
    path = repo.worktree / ".chainverify" / "policy.toml"
    text = initial_policy(repo)
    policy = load.parse(text.encode(), str(path))
    try:
        path.parent.mkdir(exist_ok=True)
        with open(path, "x", encoding="utf-8", opener=_new) as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"{path} is there already", hint="edit it, or move it away first") from None
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error
    asks = [name for name in ("commits", "messages", "images") if getattr(policy, name) is not None]
    click.echo(f"wrote {path}: it asks about {', '.join(asks) or 'nothing yet'}")
    if policy.observed:
        entries = "1 entry is" if len(policy.observed) == 1 else f"{len(policy.observed)} entries are"
        click.echo(f"{entries} marked observed = true: confirm each, then remove the mark; servers and CI refuse it until then")
    asked = [name for name in ("commits", "messages") if getattr(policy, name) is not None]
    late = [name for name in asked if getattr(policy, name).introduction]
    if late:
        click.echo(f"{', '.join(late)}: introduction is HEAD, so commits from now on are judged and what came before is excused")
    if late == asked and asked:
        click.echo("next: read it and commit it; before that next commit chainverify check has no history to judge")
    else:
        click.echo("next: read it, then run: chainverify check")
    return 0


def _new(name: str, flags: int) -> int:
    """Open for a file that must not exist, through no symbolic link."""
    return os.open(name, flags | os.O_EXCL | os.O_NOFOLLOW, 0o644)
