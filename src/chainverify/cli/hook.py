"""`chainverify hook`: what git's hooks call, shown in `--help`; the entry point answers it before click is imported."""

from __future__ import annotations

import click

from chainverify import hook as hooks


@click.command("hook", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def hook(name: str, arguments: tuple[str, ...]) -> int:
    """Run the checks of one git hook: commit-msg FILE, pre-receive.

    git calls this; `chainverify install` puts the calls in place.
    """
    return hooks.run([name, *arguments])
