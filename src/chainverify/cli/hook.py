"""`chainverify hook` in the list of commands. The entry point runs hooks itself, before click is imported: see `_entry`."""

from __future__ import annotations

import click


@click.command("hook")
@click.argument("name", type=click.Choice(["commit-msg", "pre-receive"]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def hook(name: str, arguments: tuple[str, ...]) -> int:
    """Run the checks of one git hook: commit-msg FILE, pre-receive.

    git calls this; `chainverify install` puts the calls in place.
    """
    raise click.UsageError("hooks are run by the chainverify program, not through this function")
