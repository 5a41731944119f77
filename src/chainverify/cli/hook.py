"""`chainverify hook` in the list of commands. The entry point runs hooks itself, before click is imported: see `_entry`."""

from __future__ import annotations

import click

from chainverify.model.hooks import LOCAL, SERVER


@click.command("hook")
@click.argument("name", type=click.Choice([*LOCAL, *SERVER]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def hook(name: str, arguments: tuple[str, ...]) -> int:
    """Run the checks of one git hook, with the arguments and the standard input that git gives it.

    git calls this; `chainverify install` puts the calls in place.

    \b
    Examples:
      chainverify hook commit-msg .git/COMMIT_EDITMSG
      chainverify hook pre-push origin https://git.example.org/app.git < refs
    """
    raise click.UsageError("hooks are run by the chainverify program, not through this function")
